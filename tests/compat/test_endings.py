"""Runs that end early, or never begin."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from compat.beside import Beside, Row
from support.otlp_server import OtlpServer
from support.runs import Run, Runner

FORKED = """
    import os, signal
    import pytest

    def test_a(): pass
    def test_fails(): assert 0
    def test_dies(): os.kill(os.getpid(), signal.SIGKILL)
    def test_leaves(): os._exit(1)
    @pytest.mark.skip(reason="no")
    def test_skips(): pass
"""
STOPS = """
    import pytest

    def test_a(): pass
    def test_b(): assert 0
    def test_c(): assert 0
    def test_d(): pass
"""
TIMEOUT = """
    import time
    import pytest

    def test_a(): pass
    @pytest.mark.timeout(0.3)
    def test_hangs(): time.sleep(60)
    def test_c(): pass
"""
EXIT = """
    import pytest

    def test_a(): pass
    def test_b(): pytest.exit("enough", 7)
    def test_c(): pass
"""


def check_exit(run: Run) -> None:
    assert (run.exit_code, run.root.attributes["error.type"]) == (7, "_pytest.outcomes.Exit")
    assert run.root.message == "enough"


def check_nothing(run: Run) -> None:
    assert (run.spans, run.our_delivery) == ([], None)


NO_TESTS = {"test_it.py": "import pytest\n\n@pytest.fixture\ndef shop():\n    '''A shop.'''\n\ndef test_a(shop): pass"}
ROWS = [
    Row(
        "forked",
        FORKED,
        # Every test of pytest 9.2 dies in pytest-forked 1.7.5, with us or without.
        "5 crashed" if pytest.version_tuple >= (9,) else "1 passed, 1 failed, 1 skipped, 2 crashed",
        ("--forked",),
        common=False,
        needs=("pytest_forked",),
        plugins=("pytest_forked",),
    ),
    Row("maxfail", STOPS, "1 passed, 2 failed", ("--maxfail=2",), modes=("alone", "n0")),
    Row("exitfirst", STOPS, "1 passed, 1 failed", ("--exitfirst",), modes=("alone", "n0")),
    Row("exit", EXIT, "1 passed, 1 interrupted", modes=("alone", "n0"), check=check_exit, in_order=False),
    Row(
        "timeout",
        TIMEOUT,
        "2 passed, 1 failed",
        ("--timeout-method=signal",),
        needs=("pytest_timeout",),
        plugins=("timeout",),
        same_output=False,
    ),
    *(
        Row(f"nothing {name}", NO_TESTS, "", args, common=False, modes=("alone",), check=check_nothing, in_order=False)
        for name, args in {
            "collect-only": ("--collect-only",),
            "fixtures": ("--fixtures",),
            "fixtures-per-test": ("--fixtures-per-test",),
            "setup-only": ("--setup-only",),
            "setup-plan": ("--setup-plan",),
        }.items()
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_endings(beside: Beside, row: Row) -> None:
    if sys.platform == "win32" and row.name in ("forked", "timeout"):
        pytest.skip("no fork and no signals there")
    beside.hold(row)


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups there")
def test_looponfail(tmp_path: Path) -> None:
    """Each round is a run of its own, in a process of its own; the loop around them is none."""
    pytest.importorskip("xdist.looponfail")
    runner = Runner(tmp_path)
    with OtlpServer() as server:
        runner._write("def test_a(): pass", "")
        process = runner._start([f"--otel-endpoint={server.endpoint}", "--looponfail"], None, junit=False)
        try:
            server.wait_for(lambda server: any("process.exit.code" in span.attributes for span in server.spans()), 40)
            os.killpg(process._process.pid, signal.SIGINT)
            _, out, err = process.wait(40)
        finally:
            process.kill()
        assert "Traceback" not in err
        (root,) = (span for span in server.spans() if "process.exit.code" in span.attributes)
    assert root.attributes["pytest.tests.passed"] == 1, out
