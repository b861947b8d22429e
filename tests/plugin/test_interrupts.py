from __future__ import annotations

import sys
import textwrap

import pytest

from support.deadline import wait_until
from support.runs import Runner, journals_in
from support.traces import ERROR

CTRL_C = """
    import os
    import signal
    import threading
    import pytest

    def ctrl_c():
        \"\"\"As a terminal does it: to the whole process group.\"\"\"
        os.killpg(0, signal.SIGINT)
        threading.Event().wait(30)
"""
WHERE = {
    "call": """
    def test_a(): pass
    def test_b(): ctrl_c()
    def test_c(): pass
    """,
    "setup": """
    @pytest.fixture
    def slow():
        ctrl_c()

    def test_a(): pass
    def test_b(slow): pass
    """,
    "teardown": """
    @pytest.fixture
    def slow():
        yield
        ctrl_c()

    def test_a(): pass
    def test_b(slow): pass
    """,
}


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
@pytest.mark.parametrize(
    ("where", "phases"),
    [
        ("call", " (setup, call interrupted !)"),
        ("setup", "\n    setup interrupted !\n      fixture slow (function) !"),
        ("teardown", " (setup, call, teardown interrupted !)"),
    ],
)
def test_ctrl_c_in_a_test(run_pytest: Runner, where: str, phases: str) -> None:
    run = run_pytest(CTRL_C + WHERE[where])
    assert run.exit_code == 2
    assert (
        run.tree()
        == f"""
pytest aborted ! *KeyboardInterrupt
  collection
  test_it.py::test_a passed (setup, call, teardown)
  test_it.py::test_b interrupted !interrupted{phases}
"""
    )
    assert run.test("test_b").attributes["test.case.result.status"] == "error"


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
def test_ctrl_c_in_collection(run_pytest: Runner) -> None:
    run = run_pytest(CTRL_C + "\n    ctrl_c()")
    assert run.exit_code == 2
    # Of pytest 8.0 this is an error of the file.
    as_error = """
pytest aborted !1 error during collection *Interrupted
  collection
    test_it.py error ! *KeyboardInterrupt
"""
    as_interrupt = """
pytest aborted ! *KeyboardInterrupt
  collection
"""
    assert run.tree() == (as_error if "error during collection" in run.stdout else as_interrupt)


@pytest.mark.parametrize(
    ("call", "exit_code", "first"),
    [
        ("pytest.exit('enough')", 2, "pytest aborted !enough *_pytest.outcomes.Exit"),
        ("pytest.exit('enough', 7)", 7, "pytest failure !enough *_pytest.outcomes.Exit"),
        ("raise KeyboardInterrupt", 2, "pytest aborted ! *KeyboardInterrupt"),
    ],
)
def test_a_test_ends_the_session(run_pytest: Runner, call: str, exit_code: int, first: str) -> None:
    run = run_pytest(f"import pytest\ndef test_a(): pass\ndef test_b():\n    {call}\ndef test_c(): pass")
    assert run.exit_code == exit_code
    assert (
        run.tree()
        == f"""
{first}
  collection
  test_it.py::test_a passed (setup, call, teardown)
  test_it.py::test_b interrupted !interrupted (setup, call interrupted !)
"""
    )


SAID = """
    import os
    import signal
    import sys
    import pytest
    from opentelemetry import trace

    tracer = trace.get_tracer("shop")

    def made(name):
        with tracer.start_as_current_span(name):
            pass

    @pytest.fixture
    def stock():
        yield
        made("from the fixture's end")

    def test_a(): pass

    def test_b(stock):
        made("from the call")
        trace.get_current_span().set_attribute("x", 1)
        trace.get_current_span().add_event("packed")
        END
"""
APP_SPANS = "otel_app_spans = on"


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["", "-n1"])
@pytest.mark.parametrize("end", ["raise KeyboardInterrupt", "pytest.exit('enough')"])
def test_what_an_interrupted_test_said_and_made(run_pytest: Runner, end: str, args: list[str]) -> None:
    if args:
        pytest.importorskip("xdist")
    run = run_pytest(SAID.replace("END", end), *args, ini=APP_SPANS)
    call = run.phase("test_b", "call")
    assert call.attributes == {"pytest.phase": "call", "pytest.outcome": "interrupted"}
    assert (call.status, call.message) == (ERROR, run.test("test_b").message)
    assert [event.name for event in call.events] == ["packed"]
    assert run.test("test_b").attributes["pytest.property.x"] == 1
    assert {"from the call", "from the fixture's end"} <= {span.name for span in run.below(call)}
    assert [span.name for span in run.below(run.test("test_b"))] == ["setup", "call"]


@pytest.mark.parametrize(
    ("end", "exit_code"),
    [
        ("os._exit(3)", 3),
        pytest.param(
            "os.kill(os.getpid(), signal.SIGTERM)",
            -15,
            marks=pytest.mark.skipif(sys.platform == "win32", reason="no such signal"),
        ),
    ],
)
@pytest.mark.parametrize(
    ("setup", "call", "teardown", "below"),
    [
        ("", "made('call'); END", "", ["setup", "call interrupted !"]),
        ("made('setup')", "END", "", ["setup", "call interrupted !"]),
        ("made('setup'); END", "", "", ["setup interrupted !"]),
        ("made('setup')", "", "END", ["setup", "call", "teardown interrupted !"]),
        ("", "", "made('teardown'); END", ["setup", "call", "teardown interrupted !"]),
        ("__import__('time').sleep(0.01)", "", "made('teardown'); END", ["setup", "call", "teardown interrupted !"]),
        ("", "made('call'); pytest.skip('no')", "END", ["setup", "call skipped", "teardown interrupted !"]),
    ],
)
def test_spans_below_a_phase_in_which_the_process_dies(
    run_pytest: Runner, end: str, exit_code: int, setup: str, call: str, teardown: str, below: list[str]
) -> None:
    suite = textwrap.dedent(SAID.partition("    @pytest.fixture")[0]) + textwrap.dedent(f"""
        @pytest.fixture
        def stock():
            pass; {setup}
            yield
            pass; {teardown}

        def test_b(stock):
            pass; {call}
    """)
    with run_pytest.live(suite.replace("END", end), ini=APP_SPANS) as live:
        live.server.wait_for(lambda server: any(span.status == 2 and not span.parent_id for span in server.spans()), 30)
        wait_until(lambda: not journals_in(live.folder), "everything is delivered")
        run = live.finish()
    assert run.exit_code == exit_code
    phases = run.below(run.test("test_b"))
    told = [(span.name, span.attributes["pytest.outcome"], "!" * (span.status == ERROR)) for span in phases]
    assert [" ".join(word for word in words if word and word != "passed") for words in told] == below
    made = [span for span in run.spans if span.attributes.get("otel.scope.name")]
    assert made
    assert {span.parent_id for span in made} <= {span.span_id for span in phases}
    assert run.root.attributes["pytest.tests.passed"] == (len(below) == 3 and "call" in below)


@pytest.mark.parametrize(
    ("raised", "exit_code", "failure"),
    [
        ("SystemExit(9)", 9, "SystemExit"),
        ("SystemExit('why')", 1, "SystemExit"),
        ("SystemExit(0)", 0, None),
        ("SystemExit", 0, None),
        ("LookupError", 1, "LookupError"),
    ],
)
def test_the_end_of_the_session_is_left_by_an_exception(
    run_pytest: Runner, raised: str, exit_code: int, failure: str | None
) -> None:
    hook = f"def pytest_sessionfinish(): raise {raised}"
    run = run_pytest({"conftest.py": hook, "test_it.py": "def test_a(): pass"})
    assert run.exit_code == exit_code
    assert run.root.attributes["process.exit.code"] == exit_code
    assert run.root.attributes["test.suite.run.status"] == ("failure" if exit_code else "success")
    assert run.root.attributes.get("error.type") == failure


@pytest.mark.parametrize(
    ("hook", "tree"),
    [
        pytest.param(
            "def pytest_collection_modifyitems(): raise ValueError('broken plugin')",
            "\npytest failure !broken plugin *ValueError\n  collection\n",
            id="in collection",
        ),
        pytest.param(
            """
            def pytest_runtest_logreport(report):
                if report.nodeid.endswith("test_b") and report.when == "call":
                    raise ValueError("broken plugin")
            """,
            """
pytest failure !broken plugin *ValueError
  collection
  test_it.py::test_a passed (setup, call, teardown)
  test_it.py::test_b interrupted !interrupted (setup, call)
""",
            id="at a report",
        ),
        pytest.param(
            """
            import pytest

            @pytest.hookimpl(wrapper=True)
            def pytest_runtest_makereport(item):
                report = yield
                if item.name == "test_b":
                    raise ValueError("broken plugin")
                return report
            """,
            """
pytest failure !broken plugin *ValueError
  collection
  test_it.py::test_a passed (setup, call, teardown)
  test_it.py::test_b interrupted !interrupted (setup interrupted !)
""",
            id="before a report",
        ),
    ],
)
def test_an_internal_error_of_another_plugin(run_pytest: Runner, hook: str, tree: str) -> None:
    run = run_pytest({"conftest.py": hook, "test_it.py": "def test_a(): pass\ndef test_b(): pass"})
    assert run.exit_code == 3
    assert run.tree() == tree
    (event,) = run.root.events
    assert "broken plugin" in event.attributes["exception.stacktrace"]


def test_a_process_that_leaves_without_a_word(run_pytest: Runner) -> None:
    suite = "import os\ndef test_a(): pass\ndef test_b(): os._exit(3)\ndef test_c(): pass"
    with run_pytest.live(suite) as live:
        live.server.wait_for(lambda server: any(span.status == 2 and not span.parent_id for span in server.spans()), 30)
        wait_until(lambda: not journals_in(live.folder), "everything is delivered")
        run = live.finish()
    assert run.exit_code == 3
    assert (
        run.tree()
        == """
pytest aborted !pytest ended without a word
  collection
  test_it.py::test_a passed (setup, call, teardown)
  test_it.py::test_b interrupted !interrupted
"""
    )
