"""The thread of xdist's controller; what it writes is in tests/plugin/test_xdist.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_otlp import controller, events
from pytest_otlp.controller import ControllerRecorder, DelayedWork
from pytest_otlp.journal import Journal
from pytest_otlp.recorder import Policy
from pytest_otlp.reports import FACTS, Facts, pack
from support.deadline import wait_until


class Counted:
    """Work, with how often it was done and by which thread."""

    def __init__(self) -> None:
        self.by: list[threading.Thread] = []
        self.work = DelayedWork(self._do)

    def _do(self) -> None:
        self.by.append(threading.current_thread())

    def wait_for(self, times: int) -> None:
        wait_until(lambda: len(self.by) >= times, f"the work is done {times} times")


@pytest.fixture
def counted() -> Iterator[Counted]:
    counted = Counted()
    yield counted
    counted.work.end()


def test_all_who_want_it_at_a_time_get_it_once(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "DELAY", 0.2)
    for _ in range(10):
        counted.work.want()
    counted.wait_for(1)
    monkeypatch.setattr(controller, "DELAY", 0)
    for done in range(2, 7):
        counted.work.want()
        counted.wait_for(done)
    assert len(counted.by) == 6
    assert threading.current_thread() not in counted.by


def test_at_its_end_it_does_no_more(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "DELAY", 30)
    counted.work.want()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "otlp-controller"]
    counted.work.end()
    thread.join(10)
    assert (thread.is_alive(), counted.by) == (False, [])


def test_without_a_thread_it_is_done_at_once(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    counted.work.want()
    counted.work.want()
    assert counted.by == [threading.current_thread()] * 2


CASE = events.Case("a.py", 1, "t", "a.py")
TIMES = events.pack_times(0, [1_000_000_000 + n for n in range(6)], [0.5, 0.25, 2.0])


class Run:
    """A run of a controller, with the reports that come from its worker, and what it writes down of them."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self._path = path
        self.recorder = ControllerRecorder(config, Journal(path), lambda: 7, Policy((), "failed"))

    def start(self, nodeid: str) -> None:
        self.recorder.pytest_runtest_logstart(nodeid)

    def report(
        self, nodeid: str, when: Any, facts: Any = None, outcome: Any = "passed", *, worker: str = "gw0"
    ) -> None:
        report = pytest.TestReport(nodeid, ("a.py", 0, "t"), {}, outcome, None, when, (), 0.5, 1.0, 1.5)
        report.__dict__["worker_id"] = worker
        if facts is not None:
            report.__dict__[FACTS] = facts
        self.recorder.pytest_runtest_logreport(report)

    def passes(self, nodeid: str, *, after: str = "", worker: str = "gw0") -> None:
        """`after`: the last phase that was reported."""
        plain = {"setup": events.encode_case(CASE), "call": None, "teardown": TIMES}
        phases = list(plain)
        for when in phases[phases.index(after) + 1 if after else 0 :]:
            self.report(nodeid, when, plain[when], worker=worker)

    @property
    def told(self) -> list[events.Event | None]:
        return events.decode_all(self._path.read_bytes().splitlines())


@pytest.fixture
def run(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """What it writes it writes for what cannot wait. No other plugin has a word to say on what passes."""
    monkeypatch.setattr(controller, "DELAY", 30)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    run = Run(pytester.parseconfigure(), tmp_path / "journal")
    yield run
    run.recorder.finish(0)


PASSED = events.TestPassed(
    1,
    1,
    "gw0",
    (1_000_000_000, 1_000_000_001, 1_000_000_002, 1_000_000_003, 1_000_000_004, 1_000_000_005),
    (500_000, 250_000, 2_000_000),
    CASE,
    "a.py::t",
)
COLLECTED = events.TestsCollected(7, 2)


def test_of_a_test_that_passed_meanwhile_the_start_is_not_told(run: Run) -> None:
    run.start("a.py::t")
    run.passes("a.py::t")
    run.recorder.tests_collected(2)
    assert run.told == [PASSED, COLLECTED]


def test_a_test_that_runs_is_told_with_all_that_is_known(run: Run) -> None:
    run.start("a.py::t")
    run.report("a.py::t", "setup", events.encode_case(CASE))
    run.start("a.py::u")
    run.recorder.tests_collected(2)
    run.passes("a.py::t", after="setup")
    run.recorder.tests_collected(2)
    assert run.told == [
        events.TestStarted(1, "a.py::t", 7, CASE, "gw0"),
        events.TestStarted(2, "a.py::u", 7),
        COLLECTED,
        PASSED._replace(case=None, nodeid=""),
        COLLECTED,
    ]


def test_who_runs_a_test_is_told_as_soon_as_it_is_known(run: Run) -> None:
    run.start("a.py::t")
    run.recorder.tests_collected(2)
    run.report("a.py::t", "setup", events.encode_case(CASE))
    run.recorder.tests_collected(2)
    run.passes("a.py::t", after="setup")
    run.recorder.tests_collected(2)
    assert run.told == [
        events.TestStarted(1, "a.py::t", 7),
        COLLECTED,
        events.PhasesFinished(1, 1, "gw0", last=False, phases=(), case=CASE),
        COLLECTED,
        PASSED._replace(case=None, nodeid=""),
        COLLECTED,
    ]


def test_a_test_that_runs_on_two_workers_at_a_time(run: Run) -> None:
    run.start("a.py::t")
    run.start("a.py::t")
    for when, facts in (("setup", pack(Facts(5, 6, 1))), ("call", None), ("teardown", pack(Facts(7, 8, 1)))):
        run.report("a.py::t", when, facts, worker="gw1")
    run.passes("a.py::t")
    run.recorder.tests_collected(2)
    starts = [event for event in run.told if isinstance(event, events.TestStarted)]
    assert [start.nodeid for start in starts] == ["a.py::t", "a.py::t"]
    ends = [event for event in run.told if isinstance(event, events.PhasesFinished) and event.last]
    assert sorted((end.key, end.worker) for end in ends) == sorted(zip((1, 2), ("gw1", "gw0"), strict=True))


def test_the_phases_of_a_test_that_the_end_of_the_run_found(run: Run) -> None:
    run.start("a.py::t")
    run.report("a.py::t", "setup", events.encode_case(CASE))
    run.report("a.py::t", "call")
    run.recorder.finish(2)
    started, phases, _ = run.told
    assert started == events.TestStarted(1, "a.py::t", 7, CASE, "gw0")
    assert phases == events.PhasesFinished(
        1,
        1,
        "gw0",
        last=False,
        phases=tuple(
            events.Phase(when, "passed", category, 1_000_000_000, 1_500_000_000, 0.5)
            for when, category in (("setup", ""), ("call", "passed"))
        ),
    )


def test_a_failure_comes_after_its_start_and_what_passed_before_it(run: Run) -> None:
    run.start("a.py::t")
    run.passes("a.py::t")
    run.start("a.py::u")
    run.report("a.py::u", "setup", events.encode_case(CASE))
    run.report("a.py::u", "call", pack(Facts(5, 6, 1)), "failed")
    assert [type(event) for event in run.told] == [events.TestPassed, events.TestStarted, events.PhasesFinished]


def test_what_is_no_pass_after_all_comes_in_its_place(run: Run) -> None:
    """A phase of which nothing came before, of a test that nobody said would run."""
    run.start("a.py::t")
    run.passes("a.py::t")
    run.report("a.py::u", "call")
    run.start("a.py::v")
    run.recorder.tests_collected(2)
    assert [(type(event), getattr(event, "nodeid", "")) for event in run.told] == [
        (events.TestPassed, "a.py::t"),
        (events.TestStarted, "a.py::u"),
        (events.PhasesFinished, ""),
        (events.TestStarted, "a.py::v"),
        (events.TestsCollected, ""),
    ]
