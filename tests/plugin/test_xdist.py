"""One run on several workers is one trace."""

from __future__ import annotations

import pytest

from pytest_otlp.reports import FACTS
from support.deadline import wait_until
from support.runs import Runner
from support.traces import is_root, is_worker

pytest.importorskip("xdist")

SUITE = {
    "test_a.py": """
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_many(number):
            '''Described.'''
    """,
    "test_b.py": """
        import pytest

        @pytest.mark.xdist_group("shop")
        class TestGroup:
            def test_first(self): pass
            def test_second(self): assert 0

        @pytest.mark.xdist_group(name="other")
        def test_alone(): pytest.skip("no")
    """,
}
TREE = """
pytest failure !1 failed
  collection
  collection
  test_a.py::test_many[0] passed (setup, call, teardown)
  test_a.py::test_many[1] passed (setup, call, teardown)
  test_a.py::test_many[2] passed (setup, call, teardown)
  test_a.py::test_many[3] passed (setup, call, teardown)
  test_a.py::test_many[4] passed (setup, call, teardown)
  test_a.py::test_many[5] passed (setup, call, teardown)
  test_b.py::TestGroup::test_first passed (setup, call, teardown)
  test_b.py::TestGroup::test_second failed !assert 0 (setup, call failed ! *AssertionError, teardown)
  test_b.py::test_alone skipped (setup, call skipped, teardown)
"""


@pytest.mark.parametrize("dist", ["load", "loadscope", "loadfile", "loadgroup", "worksteal"])
def test_every_distribution(run_pytest: Runner, dist: str) -> None:
    run = run_pytest(SUITE, "-n2", f"--dist={dist}")
    assert run.tree(by_name=True) == TREE
    assert run.root.attributes["pytest.xdist.workers"] == 2
    assert run.root.attributes["pytest.tests.collected"] == 9
    assert {span.attributes["pytest.worker"] for span in run.tests} <= {"gw0", "gw1"}
    groups = {span.name: span.attributes.get("pytest.xdist.group") for span in run.tests}
    assert groups["test_b.py::TestGroup::test_second"] == "shop"
    assert groups["test_b.py::test_alone"] == "other"
    assert groups["test_a.py::test_many[0]"] is None
    assert {run.test(f"test_many[{n}]").attributes["pytest.description"] for n in range(6)} == {"Described."}


def test_every_worker_runs_every_test(run_pytest: Runner) -> None:
    run = run_pytest(SUITE, "-n2", "--dist=each")
    assert len(run.tests) == 18
    assert run.root.attributes["pytest.tests.collected"] == 18
    assert len({(span.name, span.attributes["pytest.worker"]) for span in run.tests}) == 18


def test_what_a_worker_knows_arrives(run_pytest: Runner) -> None:
    suite = """
        import json
        import pytest
        from opentelemetry import trace

        @pytest.fixture
        def broken():
            print("in setup")
            raise LookupError("no shop")

        def test_a(record_property, otel_span):
            record_property("ticket", "T-1")
            otel_span.set_attribute("order", 3)
            otel_span.add_event("paid")
            span_id = trace.get_current_span().get_span_context().span_id
            record_property("current", f"{span_id:016x}")

        def test_b(broken): pass
    """
    run = run_pytest(suite, "-n1")
    assert (
        run.tree("pytest.property.ticket", "pytest.property.order", "pytest.stdout", "pytest.worker")
        == """
pytest failure !1 error
  collection pytest.worker='gw0'
  test_it.py::test_a passed pytest.property.ticket='T-1' pytest.property.order=3 pytest.worker='gw0' \
(setup, call *paid, teardown)
  test_it.py::test_b error !no shop pytest.stdout='in setup\\n' pytest.worker='gw0'
    setup error ! *LookupError
      fixture broken (function) !
    teardown
"""
    )
    current = run.test("test_a").attributes["pytest.property.current"]
    assert current == run.phase("test_a", "call").span_id


def test_times_of_a_test_that_passed_only_at_first(run_pytest: Runner) -> None:
    """They are this plugin's own, not those of the reports, though the setup's report went without."""
    conftest = """
        import _pytest.timing
        _pytest.timing.time = lambda: 0.0
    """
    suite = """
        import time

        def test_fails(): assert 0
        def test_takes_long(): time.sleep(0.11)
        def test_passes(): pass
    """
    run = run_pytest({"conftest.py": conftest, "test_it.py": suite}, "-n1")
    assert (
        run.tree()
        == """
pytest failure !1 failed
  collection
  test_it.py::test_fails failed !assert 0 (setup, call failed ! *AssertionError, teardown)
  test_it.py::test_takes_long passed (setup, call, teardown)
  test_it.py::test_passes passed (setup, call, teardown)
"""
    )


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_a_report_that_the_controller_changes(run_pytest: Runner, when: str) -> None:
    conftest = f"""
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_logreport(report):
            if hasattr(report, "node") and report.when == "{when}":
                report.user_properties.append(("late", "1"))
            return (yield)
    """
    run = run_pytest({"conftest.py": conftest, "test_it.py": "def test_a(): pass"}, "-n1")
    assert (
        run.tree("code.function.name", "pytest.property.late")
        == f"""
pytest success
  collection
  test_it.py::test_a passed code.function.name='test_it.test_a'\
{" pytest.property.late='1'" if when == "teardown" else ""} (setup, call, teardown)
"""
    )


def test_reports_without_our_facts(run_pytest: Runner) -> None:
    """As of a worker on another machine that has no plugin of ours."""
    conftest = f"""
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_logreport(report):
            if hasattr(report, "node"):
                report.__dict__.pop("{FACTS}", None)
            return (yield)
    """
    suite = """
        import pathlib, time

        def test_a():
            # By then the controller has looked at the report of the setup.
            (journal,) = pathlib.Path(".pytest_cache/d/otlp").glob("*.jsonl")
            deadline = time.monotonic() + 30
            while '["start"' not in journal.read_text():
                assert time.monotonic() < deadline
                time.sleep(0.01)

        def test_b(): pass
    """
    run = run_pytest({"conftest.py": conftest, "test_it.py": suite}, "-n1")
    assert (
        run.tree("code.function.name")
        == """
pytest success
  test_it.py::test_a passed (setup, call, teardown)
  test_it.py::test_b passed (setup, call, teardown)
"""
    )


@pytest.mark.parametrize(
    ("bad", "args", "tree"),
    [
        pytest.param(
            "import nowhere_to_be_found",
            ["-n2"],
            """
pytest failure !1 error
  collection
  collection
    test_bad.py error !No module named 'nowhere_to_be_found' *ModuleNotFoundError
  test_ok.py::test_ok passed (setup, call, teardown)
""",
            id="import error",
        ),
        pytest.param(
            "import pytest; pytest.skip('not here', allow_module_level=True)",
            ["-n2"],
            """
pytest success
  collection
  collection
    test_bad.py skipped pytest.reason='not here'
  test_ok.py::test_ok passed (setup, call, teardown)
""",
            id="skip",
        ),
        pytest.param(
            "def test_other(): pass",
            ["-n2", "-k", "ok"],
            """
pytest success
  collection
  collection
  test_ok.py::test_ok passed (setup, call, teardown)
""",
            id="deselected",
        ),
    ],
)
def test_collection(run_pytest: Runner, bad: str, args: list[str], tree: str) -> None:
    run = run_pytest({"test_bad.py": bad, "test_ok.py": "def test_ok(): pass"}, *args)
    assert run.tree("pytest.reason", by_name=True) in (tree, swapped(tree))


def swapped(tree: str) -> str:
    """Either worker may be the one whose collection report comes first."""
    lines = tree.splitlines(keepends=True)
    if len(lines) > 4 and lines[4].startswith("    "):
        lines[3:5] = [lines[4], lines[3]]
    return "".join(lines)


@pytest.mark.parametrize(
    ("args", "last"),
    [
        (["-n1"], "\n  test_it.py::test_c passed (setup, call, teardown)\n"),
        (["-n1", "--max-worker-restart=0"], "\n"),
    ],
    ids=["restarted", "not restarted"],
)
def test_a_worker_crashes(run_pytest: Runner, args: list[str], last: str) -> None:
    run = run_pytest("import os\ndef test_a(): pass\ndef test_b(): os._exit(1)\ndef test_c(): pass", *args)
    assert run.exit_code == 1
    message = "worker 'gw0' crashed while running 'test_it.py::test_b'"
    tests = run.tree(by_name=True).partition("  test_it")
    assert (
        tests[1] + tests[2]
        == f"""\
  test_it.py::test_a passed (setup, call, teardown)
  test_it.py::test_b crashed !{message} *worker_crashed (setup, call crashed !){last}"""
    )
    assert run.test("test_b").attributes["test.case.result.status"] == "error"
    assert run.test("test_b").attributes["code.function.name"] == "test_it.test_b"
    crashed, *others = filter(is_worker, run.spans)
    assert (crashed.attributes["pytest.worker.tests"], crashed.attributes["error.type"]) == (2, "worker_crashed")
    assert [event.attributes["exception.message"] for event in crashed.events] == [crashed.message]
    assert crashed.message.startswith("worker 'gw0' crashed: ")
    assert [(span.name, span.attributes["pytest.worker.tests"], span.status) for span in others] == [
        ("worker gw1", 1, 0)
    ] * (len(last) > 1)


@pytest.mark.parametrize("args", [["-n2"], ["-n2", "--dist=each"]], ids=["load", "each"])
def test_how_long_workers_live(run_pytest: Runner, args: list[str]) -> None:
    run = run_pytest(SUITE, *args)
    workers = sorted(filter(is_worker, run.below(run.root)), key=lambda span: span.name)
    assert [span.name for span in workers] == ["worker gw0", "worker gw1"]
    for span in workers:
        own = [test for test in run.tests if test.attributes["pytest.worker"] == span.attributes["pytest.worker"]]
        assert span.attributes["pytest.worker.tests"] == len(own)
        assert all(span.start <= test.start and test.end <= span.end for test in own)


def test_the_controller_dies_before_any_report(run_pytest: Runner) -> None:
    """What a worker sees as its span is the span that is sent, although it never said that it runs the test."""
    suite = """
        import os, pathlib, time
        import pytest
        from opentelemetry import trace

        @pytest.fixture
        def endless(worker_id):
            span_id = trace.get_current_span().get_span_context().span_id
            pathlib.Path(f"{worker_id}.new").write_text(f"{span_id & ~0xF:016x}")
            pathlib.Path(f"{worker_id}.new").rename(f"{worker_id}.seen")
            deadline, parent = time.monotonic() + 30, os.getppid()
            while time.monotonic() < deadline and os.getppid() == parent:
                time.sleep(0.01)

        def test_a(endless): pass
        def test_b(endless): pass
    """
    with run_pytest.live(suite, "-n2") as live:
        live.server.wait_for(lambda server: len([*live.folder.glob("*.seen")]) == 2, 30)
        (journal,) = live.folder.glob(".pytest_cache/d/otlp/*.jsonl")
        wait_until(lambda: journal.read_text().count('["start"') == 2, "both starts are written down")
        live.kill()
        live.server.wait_for(lambda server: any(map(is_root, server.spans())), 30)
        run = live.finish()
    seen = {path.stem: path.read_text() for path in live.folder.glob("*.seen")}
    assert {span.attributes["pytest.worker"]: span.span_id for span in run.tests} == seen
    assert {span.attributes["pytest.outcome"] for span in run.tests} == {"interrupted"}


def test_stopped_by_the_first_failure(run_pytest: Runner) -> None:
    suite = """
        import time
        import pytest

        def test_first(): assert 0

        @pytest.mark.parametrize("number", range(30))
        def test_later(number): time.sleep(0.05)
    """
    run = run_pytest(suite, "-n2", "-x")
    assert run.root.attributes["test.suite.run.status"] == "aborted"
    assert run.test("test_first").attributes["pytest.outcome"] == "failed"
    assert len(run.tests) < 31


def test_ctrl_c(run_pytest: Runner) -> None:
    """Once the controller knows of the setup: what a worker reports in the same moment may come too late."""
    suite = {
        "conftest.py": """
            import os, pathlib

            def pytest_runtest_logreport(report):
                if report.nodeid.endswith("test_b") and "PYTEST_XDIST_WORKER" not in os.environ:
                    pathlib.Path("known").touch()
        """,
        "test_it.py": """
            import os, pathlib, signal, time

            def test_a(): pass

            def test_b():
                deadline = time.monotonic() + 30
                while not pathlib.Path("known").exists() and time.monotonic() < deadline:
                    time.sleep(0.01)
                os.killpg(0, signal.SIGINT)
                time.sleep(30)
        """,
    }
    run = run_pytest(suite, "-n1")
    assert run.exit_code == 2
    assert (
        run.tree()
        == """
pytest aborted ! *KeyboardInterrupt
  collection
  test_it.py::test_a passed (setup, call, teardown)
  test_it.py::test_b interrupted !interrupted (setup, call interrupted !)
"""
    )


@pytest.mark.parametrize("args", [[], ["-p", "no:xdist"], ["-n0"]], ids=["no workers", "no:xdist", "-n0"])
def test_nothing_of_ours_for_xdist_without_workers(run_pytest: Runner, args: list[str]) -> None:
    suite = "import sys\ndef test_a(): assert 'pytest_otlp.xdist' not in sys.modules"
    run = run_pytest(suite, *args)
    assert run.exit_code == 0, run.stdout
    assert "pytest.xdist.workers" not in run.root.attributes
