from __future__ import annotations

import pytest

from support.runs import Run, Runner

SUITE = """
    import pytest

    ATTEMPTS = []

    @pytest.fixture
    def shop():
        yield

    @pytest.mark.flaky(reruns=2)
    def test_flaky(shop):
        ATTEMPTS.append(1)
        print("attempt", len(ATTEMPTS))
        assert len(ATTEMPTS) == 2

    @pytest.mark.flaky(reruns=1)
    def test_fails():
        assert 0

    def test_passes():
        pass
"""
TREE = """
pytest failure !1 failed
  collection
  test_it.py::test_fails failed !assert 0 pytest.attempt=2 (setup, call failed ! *AssertionError, teardown)
  test_it.py::test_fails rerun !assert 0 pytest.attempt=1 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_flaky passed pytest.attempt=2 pytest.flaky=True (setup, call, teardown)
  test_it.py::test_flaky rerun !assert 1 == 2 pytest.attempt=1 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_passes passed pytest.attempt=1 (setup, call, teardown)
"""

WITHOUT_TEARDOWN = """
    import pytest
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        for attempt in range(3):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                if rerun := report.failed and attempt < 2:
                    report.outcome = "rerun"
                item.ihook.pytest_runtest_logreport(report=report)
                if rerun:
                    break
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            if not rerun:
                return True

    def pytest_report_teststatus(report):
        if report.outcome == "rerun":
            return "rerun", "R", "RERUN"
"""
"""Reruns as pytest-rerunfailures made them up to 16.1."""


def shown(run: Run) -> str:
    lines = run.tree("pytest.attempt", "pytest.flaky", by_name=True).splitlines()
    return "\n".join(["", lines[1], *sorted(lines[2:])]) + "\n"


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_each_attempt_is_a_test_of_its_own(run_pytest: Runner, args: list[str]) -> None:
    pytest.importorskip("pytest_rerunfailures")
    if args:
        pytest.importorskip("xdist")
    run = run_pytest(SUITE, *args)
    assert shown(run) == TREE
    (first, _) = (span for span in run.tests if span.name.endswith("test_flaky"))
    assert first.attributes["pytest.stdout"] == "attempt 1\n"


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_reruns_whose_teardown_is_not_reported(run_pytest: Runner, args: list[str]) -> None:
    if args:
        pytest.importorskip("xdist")
    files = {"conftest.py": WITHOUT_TEARDOWN, "test_it.py": SUITE}
    run = run_pytest(files, "-p", "no:rerunfailures", *args, ini="markers = flaky(reruns): ignored")
    attempts = [(span.name.partition("::")[2], span.attributes["pytest.outcome"]) for span in run.tests]
    assert sorted(attempts) == [
        ("test_fails", "failed"),
        ("test_fails", "rerun"),
        ("test_fails", "rerun"),
        ("test_flaky", "passed"),
        ("test_flaky", "rerun"),
        ("test_passes", "passed"),
    ]
    (rerun,) = (span for span in run.tests if span.attributes.get("pytest.stdout"))
    assert rerun.attributes["pytest.stdout"] == "attempt 1\n"


def test_stops_before_the_rerun(run_pytest: Runner) -> None:
    """The attempt that was to be followed by another keeps its outcome."""
    stop = WITHOUT_TEARDOWN.replace("if rerun:", "if rerun:\n                    pytest.exit('enough', 1)")
    run = run_pytest(
        {"conftest.py": stop, "test_it.py": SUITE}, "-p", "no:rerunfailures", ini="markers = flaky(reruns): -"
    )
    assert [(span.name, span.attributes["pytest.outcome"]) for span in run.tests] == [
        ("test_it.py::test_flaky", "rerun")
    ]
