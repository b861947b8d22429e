"""Time in the debugger is told as such, and the run is what it is without the plugin."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from support.received import ReceivedSpan
from support.runs import Run, Runner
from support.traces import children_of

STOPS = """
    def test_stops():
        breakpoint()
        assert True

    def test_next(): pass
"""
FAILS = """
    def test_fails(): assert 0
    def test_next(): pass
"""
BROKEN = """
    import pytest

    @pytest.fixture
    def shop():
        {setup}
        yield
        {teardown}

    def test_a(shop): pass
    def test_next(): pass
"""


def debuggers(run: Run) -> list[ReceivedSpan]:
    return [span for span in run.spans if span.name == "debugger"]


def parents(run: Run) -> list[str]:
    """Of the debugger's spans: the names from the root's child down."""
    by_id = {span.span_id: span for span in run.spans}
    found = []
    for span in debuggers(run):
        names: list[str] = []
        while span := by_id.get(span.parent_id):  # type: ignore[assignment]
            names.insert(0, span.name)
        found.append("/".join(names[1:]))
    return sorted(found)


def held(run_pytest: Runner, suite: str, typed: str, *args: str) -> Run:
    """A run that says what it says without the plugin."""
    alone = run_pytest.without(suite, *args, typed=typed)
    run = run_pytest(suite, *args, typed=typed)
    assert (run.exit_code, run.summary) == (alone.exit_code, alone.summary)
    assert [re.sub(r" at 0x\w+", "", line) for line in run.their_lines] == alone.their_lines
    assert all(span.attributes == {"pytest.debugger": "pdb.Pdb"} for span in debuggers(run))
    return run


@pytest.mark.parametrize(
    ("suite", "args", "typed", "where"),
    [
        pytest.param(STOPS, [], "c\n", ["test_it.py::test_stops/call"], id="breakpoint"),
        pytest.param(STOPS, ["-s"], "n\nn\nc\n", ["test_it.py::test_stops/call"], id="steps"),
        pytest.param(
            STOPS.replace("assert True", "breakpoint()"), [], "c\nc\n", ["test_it.py::test_stops/call"] * 2, id="twice"
        ),
        pytest.param(FAILS, ["--pdb"], "c\n", ["test_it.py::test_fails/call"], id="--pdb"),
        pytest.param(
            "def test_a(): pass\ndef test_b(): pass",
            ["--trace"],
            "c\nc\n",
            ["test_it.py::test_a/call", "test_it.py::test_b/call"],
            id="--trace",
        ),
        pytest.param(
            BROKEN.format(setup="breakpoint()", teardown="breakpoint()"),
            [],
            "c\nc\n",
            ["test_it.py::test_a/setup", "test_it.py::test_a/teardown"],
            id="fixture",
        ),
        pytest.param(
            BROKEN.format(setup="assert 0", teardown=""), ["--pdb"], "c\n", ["test_it.py::test_a/setup"], id="setup"
        ),
        # Its test is over and told by then.
        pytest.param(BROKEN.format(setup="", teardown="assert 0"), ["--pdb"], "c\n", [""], id="teardown"),
        pytest.param("assert 0", ["--pdb"], "c\n", [""], id="collection"),
    ],
)
def test_where_it_stands(run_pytest: Runner, suite: str, args: Sequence[str], typed: str, where: list[str]) -> None:
    assert parents(held(run_pytest, suite, typed, *args)) == where


@pytest.mark.parametrize(("suite", "args"), [(STOPS, []), (FAILS, ["--pdb"])])
def test_quit_in_the_debugger(run_pytest: Runner, suite: str, args: Sequence[str]) -> None:
    """pytest does not say then that the debugger was left."""
    run = held(run_pytest, suite, "q\n", *args)
    (debugger,) = debuggers(run)
    (test,) = run.tests
    assert run.exit_code == 2
    assert debugger.end <= test.end


def test_steps_beyond_the_end_of_a_test(run_pytest: Runner) -> None:
    run = held(run_pytest, "def test_a(): pass\ndef test_b(): pass", "r\nr\nr\nr\nc\nc\nc\n", "--trace")
    for test in run.tests:
        (call,) = (span for span in run.below(test) if span.name == "call")
        assert len(children_of(run.spans)[call.span_id]) == 1


def test_a_phase_that_failed_ends_with_the_debugger(run_pytest: Runner) -> None:
    run = held(run_pytest, FAILS, "import time\ntime.sleep(0.3)\nc\n", "--pdb")
    (debugger,) = debuggers(run)
    call, teardown = run.phase("test_fails", "call"), run.phase("test_fails", "teardown")
    assert debugger.end - debugger.start >= 300_000_000
    assert call.end == debugger.end <= teardown.start + 1_000
    assert float(run.test("test_fails").attributes["pytest.duration"]) < 0.3


def test_without_phases_no_debugger(run_pytest: Runner) -> None:
    assert debuggers(run_pytest(STOPS, "--otel-detail=tests", typed="c\n")) == []


def test_in_a_trace_of_its_own(run_pytest: Runner) -> None:
    run = run_pytest(STOPS, "--otel-trace-per=file", typed="c\n")
    (debugger,) = debuggers(run)
    assert debugger.trace_id == run.test("test_stops").trace_id != run.root.trace_id
