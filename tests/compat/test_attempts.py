"""Tests that run more than once, or not in this run."""

from __future__ import annotations

import pytest

from compat.beside import Beside, Row
from support.runs import Run

RERUNS = """
    import pytest

    calls = []

    def test_flaky():
        calls.append("flaky")
        assert calls.count("flaky") > 2

    @pytest.mark.flaky(reruns=1, reruns_delay=0.01, only_rerun=["OSError"])
    def test_only_other_errors(): raise LookupError("no shop")

    @pytest.mark.flaky(reruns=2, only_rerun=["OSError"])
    def test_only(): raise OSError("closed")

    @pytest.mark.flaky(reruns=0)
    def test_once(): assert 0

    @pytest.fixture
    def leaking():
        yield
        calls.append("leak")
        assert calls.count("leak") > 1

    def test_teardown(leaking): pass
"""


def check_reruns(run: Run) -> None:
    numbers = [span.attributes["pytest.attempt"] for span in run.tests if span.name.endswith("::test_flaky")]
    assert sorted(numbers) == [1, 2, 3]
    flaky = {span.name.partition("::")[2] for span in run.tests if span.attributes.get("pytest.flaky")}
    assert flaky == {"test_flaky", "test_teardown"}


FLAKY = """
    from flaky import flaky

    calls = []

    @flaky(max_runs=3)
    def test_flaky():
        calls.append(1)
        assert len(calls) > 2

    @flaky
    class TestAll:
        def test_never(self): assert 0
        def test_fine(self): pass
"""
REPEATED = """
    import pytest

    @pytest.fixture(scope="module")
    def shop(): return []

    def test_a(shop):
        shop.append(1)
        assert len(shop) < 3

    @pytest.mark.repeat(3)
    def test_b(): pass
"""
LAST = {
    "test_it.py": """
        def test_a(): pass
        def test_b(): assert 0
        def test_c(): pass
        def test_d(): assert 0
    """,
    "test_other.py": "def test_e(): pass",
}


def check_deselected(run: Run) -> None:
    assert run.summary is not None
    assert run.root.attributes["pytest.tests.deselected"] == run.summary["deselected"]


ROWS = [
    Row(
        "rerunfailures",
        RERUNS,
        "5 rerun, 2 passed, 3 failed",
        ("--reruns=2", "--only-rerun=AssertionError"),
        needs=("pytest_rerunfailures",),
        plugins=("rerunfailures",),
        dist="loadfile",
        check=check_reruns,
        in_order=False,
    ),
    Row(
        "flaky",
        FLAKY,
        "3 rerun, 2 passed, 1 failed",
        needs=("flaky",),
        plugins=("flaky",),
        dist="loadfile",
    ),
    Row(
        "repeat",
        REPEATED,
        "8 passed",
        ("--count=2", "--repeat-scope=session"),
        needs=("pytest_repeat",),
        plugins=("repeat",),
        modes=("alone", "n0"),
    ),
    Row("last failed", LAST, "2 failed", ("--lf",), before=("-q",), common=False, check=check_deselected),
    Row("failed first", LAST, "3 passed, 2 failed", ("--ff",), before=("-q",), modes=("alone", "n0")),
    Row("new first", LAST, "3 passed, 2 failed", ("--nf",), before=("-q",), modes=("alone", "n0")),
    Row(
        "stepwise",
        LAST,
        "1 failed",
        ("--sw",),
        before=("--sw",),
        same_output=False,  # it says how long ago the first run was
        common=False,
        modes=("alone", "n0"),
        check=check_deselected,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_attempts_and_selections(beside: Beside, row: Row) -> None:
    beside.hold(row)
