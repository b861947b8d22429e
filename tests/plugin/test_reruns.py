"""Attempts of the same test."""

from __future__ import annotations

import pytest

from support.otlp_server import OtlpServer
from support.runs import Runner
from support.traces import is_running_marker

SUITE = """
    import pytest

    calls = {}

    def count(name):
        calls[name] = calls.get(name, 0) + 1
        return calls[name]

    def test_flaky():
        assert count("flaky") > 2

    def test_never(): assert 0

    def test_at_once(): pass

    @pytest.fixture
    def shaky():
        if count("shaky") < 2:
            raise LookupError("no shop")

    def test_setup(shaky): pass
"""
TREE = """
pytest failure !1 failed
  collection
  test_it.py::test_at_once passed pytest.attempt=1 (setup, call, teardown)
  test_it.py::test_flaky rerun !assert 1 > 2 pytest.attempt=1 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_flaky rerun !assert 2 > 2 pytest.attempt=2 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_flaky passed pytest.attempt=3 pytest.flaky=True (setup, call, teardown)
  test_it.py::test_never rerun !assert 0 pytest.attempt=1 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_never rerun !assert 0 pytest.attempt=2 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_never failed !assert 0 pytest.attempt=3 (setup, call failed ! *AssertionError, teardown)
  test_it.py::test_setup rerun !no shop pytest.attempt=1
    setup rerun ! *LookupError
      fixture shaky (function) !
    teardown
  test_it.py::test_setup passed pytest.attempt=2 pytest.flaky=True (setup, call, teardown)
"""


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_rerunfailures(run_pytest: Runner, args: list[str]) -> None:
    pytest.importorskip("pytest_rerunfailures")
    if args:
        pytest.importorskip("xdist")
    run = run_pytest(SUITE, "-p", "rerunfailures", "--reruns=2", *args)
    assert run.tree("pytest.attempt", "pytest.flaky", by_name=True) == TREE
    assert run.root.attributes["pytest.tests.rerun"] == 5


UP_TO_A_RERUN = {
    "conftest.py": """
        import pytest
        from _pytest.runner import runtestprotocol

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            ihook, again = item.ihook, True
            while again:
                ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
                again = False
                for report in runtestprotocol(item, nextitem=nextitem, log=False):
                    if report.failed:
                        report.outcome, again = "rerun", True
                    ihook.pytest_runtest_logreport(report=report)
                    if again:
                        break
                ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            return True
    """,
    "test_it.py": """
        tried = []

        def test_flaky():
            tried.append(1)
            assert len(tried) > 2
    """,
}


AS_PYTEST_RETRY = """
    import pytest

    def run(item, when, **more):
        hook = getattr(item.ihook, f"pytest_runtest_{when}")
        return pytest.CallInfo.from_call(lambda: hook(item=item, **more), when=when)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(item, call):
        report = yield
        if call.when != "call" or not report.failed:
            return report
        run(item, "teardown", nextitem=item.parent)
        report.outcome = "retried"
        item.ihook.pytest_runtest_logreport(report=report)
        for attempt in 2, 3:
            item._initrequest()
            run(item, "setup")
            again = pytest.TestReport.from_item_and_call(item, run(item, "call"))
            if again.passed or attempt == 3:
                break
            run(item, "teardown", nextitem=item.parent)
        report.outcome, report.longrepr, report.duration = again.outcome, again.longrepr, again.duration
        return report

    def pytest_report_teststatus(report):
        if report.outcome == "retried":
            return "retried", "R", "RETRY"
"""


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_attempts_as_pytest_retry_reports_them(run_pytest: Runner, args: list[str]) -> None:
    """It tells (1.7) of the first one without a teardown, and of the last one, from its call on, in the same report."""
    if args:
        pytest.importorskip("xdist")
    suite = """
        calls = []

        def test_flaky():
            calls.append(1)
            assert len(calls) > 2

        def test_never():
            calls.append(1)
            if len(calls) == 6: raise LookupError("at last")
            assert 0

        def test_at_once(): pass
    """
    run = run_pytest({"conftest.py": AS_PYTEST_RETRY, "test_it.py": suite}, *args)
    assert (
        run.tree("pytest.attempt", "pytest.flaky")
        == """
pytest failure !1 failed
  collection
  test_it.py::test_flaky rerun !assert 1 > 2 pytest.attempt=1 (setup, call retried ! *AssertionError)
  test_it.py::test_flaky passed pytest.attempt=3 pytest.flaky=True (call, teardown)
  test_it.py::test_never rerun !assert 0 pytest.attempt=1 (setup, call retried ! *AssertionError)
  test_it.py::test_never failed !LookupError: at last pytest.attempt=3 (call failed ! *exception, teardown)
  test_it.py::test_at_once passed pytest.attempt=1 (setup, call, teardown)
"""
    )
    assert run.root.attributes["pytest.tests.retried"] == 2


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_a_pass_whose_teardown_is_not_reported(run_pytest: Runner, args: list[str]) -> None:
    """Its phases keep their own times when the next attempt begins."""
    if args:
        pytest.importorskip("xdist")
    conftest = """
        from _pytest import runner

        def pytest_runtest_protocol(item, nextitem):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            runner.call_and_report(item, "setup")
            runner.call_and_report(item, "call")
            runner.call_and_report(item, "teardown", log=False, nextitem=item.parent)
            item._initrequest()
            runner.runtestprotocol(item, nextitem=nextitem)
            return True
    """
    suite = """
        import time

        def test_a(): time.sleep(0.02)

        def test_b(): time.sleep(0.02)
    """
    with OtlpServer() as server:
        files = {"conftest.py": conftest, "test_it.py": suite}
        run_pytest.without(files, *args, f"--otel-endpoint={server.endpoint}")
        spans = [span for span in server.spans() if span.name in ("setup", "call", "teardown")]
    assert len(spans) == len({(span.start, span.end) for span in spans}) == 10
    assert all((span.end - span.start >= 20_000_000) == (span.name == "call") for span in spans)


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_an_attempt_whose_teardown_is_not_reported(run_pytest: Runner, args: list[str]) -> None:
    """As pytest-rerunfailures has it up to 16.1: the next report is the setup of the next attempt."""
    if args:
        pytest.importorskip("xdist")
    run = run_pytest(UP_TO_A_RERUN, *args)
    numbers = [(span.attributes["pytest.attempt"], span.attributes["pytest.outcome"]) for span in run.tests]
    assert numbers == [(1, "rerun"), (2, "rerun"), (3, "passed")]


FLAKY = """
    import pytest
    from flaky import flaky

    calls = []

    @pytest.fixture
    def shaky():
        calls.append("setup")
        if calls.count("setup") < 2:
            raise LookupError("no shop")

    @flaky(max_runs=3)
    def test_flaky():
        '''Described.'''
        print("tried")
        calls.append(1)
        assert calls.count(1) > 2

    @flaky
    def test_never(): assert 0

    @flaky(max_runs=4, min_passes=2)
    def test_often(): pass

    @flaky
    def test_setup(shaky): pass

    # Taken by pytest-rerunfailures too.
    @pytest.mark.flaky
    def test_marked(): pass

    @flaky
    @pytest.mark.skip(reason="sold out")
    def test_skips(): pass

    def test_plain(): pass
"""
FLAKY_TREE = """
pytest failure !1 failed
  collection
  test_it.py::test_flaky rerun !assert 1 > 2 pytest.attempt=1 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_flaky rerun !assert 2 > 2 pytest.attempt=2 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_flaky passed pytest.attempt=3 pytest.flaky=True (setup, call, teardown)
  test_it.py::test_marked passed pytest.attempt=1 (setup, call, teardown)
  test_it.py::test_never rerun !assert 0 pytest.attempt=1 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_never failed !assert 0 pytest.attempt=2 (setup, call failed ! *AssertionError, teardown)
  test_it.py::test_often passed pytest.attempt=1 (setup, call, teardown)
  test_it.py::test_often passed pytest.attempt=2 (setup, call, teardown)
  test_it.py::test_plain passed pytest.attempt=1 (setup, call, teardown)
  test_it.py::test_setup rerun !no shop pytest.attempt=1
    setup rerun ! *LookupError
      fixture shaky (function) !
    teardown
  test_it.py::test_setup passed pytest.attempt=2 pytest.flaky=True (setup, call, teardown)
  test_it.py::test_skips skipped pytest.attempt=1 (setup skipped, teardown)
"""


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_flaky(run_pytest: Runner, args: list[str]) -> None:
    """It reports the last round of a test only."""
    pytest.importorskip("flaky")
    if args:
        pytest.importorskip("xdist")
    run = run_pytest(FLAKY, "-p", "flaky", *args)
    assert run.tree("pytest.attempt", "pytest.flaky", by_name=True) == FLAKY_TREE
    first, *_ = (span for span in run.tests if span.name.endswith("test_flaky"))
    assert first.attributes["pytest.description"] == "Described."
    assert first.attributes["pytest.stdout"] == "tried\n"


def test_the_marker_of_a_further_attempt_begins_with_it(run_pytest: Runner) -> None:
    """Not with the end of the attempt before: a plugin may wait between the two."""
    pytest.importorskip("pytest_rerunfailures")
    suite = """
        import pathlib, time

        def test_a():
            tried = pathlib.Path("tried")
            if not tried.exists():
                tried.touch()
                assert 0
            deadline = time.monotonic() + 30
            while not pathlib.Path("release").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
    """
    with run_pytest.live(suite, "-p", "rerunfailures", "--reruns=1", "--reruns-delay=1") as live:
        live.server.wait_for(lambda server: any(map(is_running_marker, server.spans())), 30)
        (live.folder / "release").touch()
        run = live.finish()
    (marked,) = filter(is_running_marker, run.spans)
    first, second = run.tests
    assert marked.parent_id == second.span_id
    assert marked.start == second.start
    assert second.start - first.end >= 900_000_000


def test_repeat(run_pytest: Runner) -> None:
    pytest.importorskip("pytest_repeat")
    run = run_pytest("def test_a(): pass", "-p", "repeat", "--count=3")
    assert (
        run.tree("pytest.attempt")
        == """
pytest success
  collection
  test_it.py::test_a[1-3] passed pytest.attempt=1 (setup, call, teardown)
  test_it.py::test_a[2-3] passed pytest.attempt=1 (setup, call, teardown)
  test_it.py::test_a[3-3] passed pytest.attempt=1 (setup, call, teardown)
"""
    )
