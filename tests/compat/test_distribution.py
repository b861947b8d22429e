"""Workers: how they start, how many, and what goes wrong with them. How tests are distributed is in tests/plugin."""

from __future__ import annotations

import sys

import pytest

from compat.beside import Beside, Row
from support.runs import Run
from support.traces import is_worker

pytest.importorskip("xdist")

SUITE = """
    import pytest

    @pytest.mark.parametrize("n", range(6))
    def test_n(n): assert n != 4

    @pytest.mark.skip(reason="no")
    def test_skipped(): pass
"""
COUNTS = "5 passed, 1 failed, 1 skipped"


def check_workers(run: Run) -> None:
    """Their lives are told whole: each of its tests within them, and every test in one."""
    workers = [span for span in run.below(run.root) if is_worker(span)]
    assert sum(span.attributes["pytest.worker.tests"] for span in workers) == len(run.tests)
    assert {span.attributes["pytest.worker"] for span in run.tests} <= {
        span.attributes["pytest.worker"] for span in workers
    }


CRASH_AT_START = {
    "conftest.py": """
        import os

        def pytest_sessionstart():
            if os.environ.get("PYTEST_XDIST_WORKER") == "gw0":
                os._exit(1)
    """,
    "test_it.py": SUITE,
}


def check_crash_at_start(run: Run) -> None:
    check_workers(run)
    (gone,) = (span for span in run.spans if is_worker(span) and span.status == 2)
    assert (gone.name, gone.attributes["pytest.worker.tests"]) == ("worker gw0", 0)
    assert [event.attributes["exception.type"] for event in gone.events] == ["worker_crashed"]


CRASHES = """
    import os

    def test_a(): pass
    def test_b(): os._exit(1)
    def test_c(): pass
    def test_d(): os._exit(1)
    def test_e(): pass
"""
DIFFERENT = """
    import os
    import pytest

    @pytest.mark.parametrize("worker", [os.environ.get("PYTEST_XDIST_WORKER")])
    def test_a(worker): pass
"""


def check_different(run: Run) -> None:
    assert run.tests == []
    assert run.root.attributes["test.suite.run.status"] == "failure"


ROWS = [
    Row("maxprocesses", SUITE, COUNTS, ("-n4", "--maxprocesses=2"), modes=("n2",), check=check_workers),
    Row("two of one kind", SUITE, COUNTS, ("--tx=2*popen",), modes=("tx",), check=check_workers),
    Row("a python of its own", SUITE, COUNTS, (f"--tx=popen//python={sys.executable}",), modes=("tx",)),
    Row("crash at start", CRASH_AT_START, COUNTS, modes=("n2",), check=check_crash_at_start),
    Row("crashes", CRASHES, "3 passed, 2 crashed", ("--max-worker-restart=4",), modes=("n2",), check=check_workers),
    Row("different collections", DIFFERENT, "", common=False, modes=("n2",), check=check_different),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_workers(beside: Beside, row: Row) -> None:
    beside.hold(row)
