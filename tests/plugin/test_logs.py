"""What the tests' code logs, and exceptions as log records."""

from __future__ import annotations

import pytest

from support.received import ReceivedLog
from support.runs import Run, Runner

SUITE = """
    import logging
    import pytest

    log = logging.getLogger("shop.cart")

    @pytest.fixture
    def cart():
        log.warning("opened %s", "cart")
        yield
        log.log(35, "closed")

    def test_logs(cart):
        log.error("no %d", 3)
        log.info("too low: the level is WARNING")
        logging.getLogger().critical("root")

    def test_silent(): pass

    def test_exception():
        try:
            raise LookupError("gone")
        except LookupError:
            log.exception("caught")

    def test_debug(caplog):
        caplog.set_level(logging.DEBUG)
        log.debug("now")
        assert [record.getMessage() for record in caplog.records] == ["now"]
        caplog.clear()

    def test_configures():
        import logging.config
        logging.config.dictConfig({"version": 1, "root": {"handlers": []}, "disable_existing_loggers": False})

    def test_after(): log.warning("after")

    def test_bad_arguments():
        logging.getLogger("quiet").addHandler(logging.NullHandler())
        with pytest.raises(TypeError):
            log.warning("%d", "x")

    def test_fails():
        assert 0
"""
CASES = ["", "-n2", "--otel-detail=tests"]
"""Further arguments."""


def logged(run: Run) -> list[ReceivedLog]:
    return [record for record in run.logs if not record.event_name]


def events(run: Run) -> list[ReceivedLog]:
    return [record for record in run.logs if record.event_name == "exception"]


@pytest.mark.parametrize("args", CASES)
def test_what_the_tests_log(run_pytest: Runner, args: str) -> None:
    if args == "-n2":
        pytest.importorskip("xdist")
    run = run_pytest(SUITE, "--otel-logs=on", *args.split())
    assert run.summary == run_pytest.without(SUITE, *args.split()).summary
    by_id = {span.span_id: span for span in run.spans}
    told = {
        (record.attributes["test.case.name"].split("::")[1], record.attributes["pytest.phase"], record.body): (
            record.severity,
            record.severity_text,
            record.attributes["pytest.logger"],
        )
        for record in logged(run)
    }
    assert told == {
        ("test_logs", "setup", "opened cart"): (13, "WARN", "shop.cart"),
        ("test_logs", "call", "no 3"): (17, "ERROR", "shop.cart"),
        ("test_logs", "call", "root"): (21, "FATAL", "root"),
        ("test_logs", "teardown", "closed"): (16, "WARN4", "shop.cart"),
        ("test_exception", "call", "caught"): (17, "ERROR", "shop.cart"),
        ("test_debug", "call", "now"): (5, "DEBUG", "shop.cart"),
        ("test_after", "call", "after"): (13, "WARN", "shop.cart"),
    }
    for record in logged(run):
        span = by_id[record.span_id]
        assert record.trace_id == span.trace_id
        assert span.start <= record.time <= span.end
        expected = record.attributes["test.case.name"] if "tests" in args else record.attributes["pytest.phase"]
        assert span.name == expected
    (caught,) = (record for record in logged(run) if record.body == "caught")
    assert caught.attributes["exception.type"] == "LookupError"
    assert caught.attributes["exception.message"] == "gone"
    assert "LookupError: gone" in caught.attributes["exception.stacktrace"]
    assert (caught.attributes["code.file.path"], caught.attributes["code.function.name"]) == (
        "test_it.py",
        "test_exception",
    )


def test_without_the_option_there_are_none(run_pytest: Runner) -> None:
    assert run_pytest(SUITE).logs == []


def test_every_started_test_is_told_by_workers_too(run_pytest: Runner) -> None:
    pytest.importorskip("xdist")
    run = run_pytest("def test_a(): pass\ndef test_b(): pass", "--otel-logs=on", "-n2")
    started = [record for record in run.logs if record.event_name == "test.case.started"]
    assert sorted(record.attributes["test.case.name"] for record in started) == [
        "test_it.py::test_a",
        "test_it.py::test_b",
    ]
    assert {record.trace_id for record in started} == {run.root.trace_id}


def test_no_more_than_a_thousand_of_a_test(run_pytest: Runner) -> None:
    suite = """
        import logging
        def test_many():
            for n in range(1500):
                logging.warning("number %d", n)
        def test_next(): logging.warning("next")
    """
    run = run_pytest(suite, "--otel-logs=on")
    # Requests may arrive in any order.
    records = sorted(logged(run), key=lambda record: record.time)
    assert [record.body for record in records] == [*(f"number {n}" for n in range(1000)), "next"]
    assert run.test("test_many").attributes["pytest.logs.dropped"] == 500
    assert "pytest.logs.dropped" not in run.test("test_next").attributes


def test_handlers_are_gone_after_the_run(run_pytest: Runner) -> None:
    conftest = """
        import logging
        def pytest_unconfigure():
            print("HANDLERS", [type(handler).__name__ for handler in logging.getLogger().handlers])
    """
    run = run_pytest({"conftest.py": conftest, "test_it.py": "def test_a(): pass"}, "--otel-logs=on")
    assert "TestLogs" not in run.stdout


FAILS = """
    import pytest

    @pytest.fixture
    def broken():
        yield
        raise OSError("teardown")

    def test_fails(broken): raise ValueError("call")

    def test_says(otel_span):
        try:
            raise KeyError("said")
        except KeyError as error:
            otel_span.record_exception(error)
"""


@pytest.mark.parametrize(
    ("word", "on_spans", "in_logs"),
    [("logs", False, True), ("http,logs/dup", True, True), ("other", True, False), ("", True, False)],
)
def test_exceptions_as_logs(run_pytest: Runner, word: str, on_spans: bool, in_logs: bool) -> None:
    run = run_pytest(FAILS, "--otel-logs=on", env={"OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": word})
    names = [("call", "ValueError"), ("teardown", "OSError"), ("call", "KeyError")]
    assert sorted((name, event.attributes["exception.type"]) for name, event in run.exceptions) == (
        sorted(names) if on_spans else []
    )
    by_id = {span.span_id: span for span in run.spans}
    told = [(by_id[record.span_id].name, record.attributes["exception.type"]) for record in events(run)]
    assert told == (names if in_logs else [])
    assert {record.severity for record in events(run)} <= {17}
    assert [record.body for record in events(run)][:1] == (["call"] if in_logs else [])
    assert run.test("test_fails").attributes["error.type"] == "ValueError"


def test_exceptions_stay_where_no_logs_are_sent(run_pytest: Runner) -> None:
    run = run_pytest(FAILS, env={"OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": "logs"})
    assert len(run.exceptions) == 3
