"""The run as its events tell it. No pytest, no OpenTelemetry, no clock, no environment.

`Run.apply` takes events in the order of the journal and returns what became final with each: from that, spans,
metrics and logs are made. What is final is forgotten here, so that memory is bounded by what is in flight.
"""

# No `from __future__ import annotations`: see `pytest_otlp.events`.

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from pytest_otlp.events import (
    CRASHED,
    INTERRUPTED,
    PHASES,
    AppSpan,
    Case,
    CollectFailed,
    CollectionFinished,
    CollectSkipped,
    Debugged,
    Event,
    Failure,
    FileCollected,
    Phase,
    PhasesFinished,
    PhaseStarted,
    RunWarned,
    SessionFinished,
    SessionStarted,
    TestCrashed,
    TestPassed,
    TestsCollected,
    TestStarted,
    TracesSplit,
    WorkerFinished,
    WorkerStarted,
)
from pytest_otlp.exporter.files import AttemptOver, FileFinished, Files
from pytest_otlp.exporter.room import Room
from pytest_otlp.exporter.trace import SHORTEST
from pytest_otlp.exporter.workers import WorkerOver, Workers
from pytest_otlp.traces import WHOLE, Plan

_BY_GRAVITY = ("crashed", "failed", "error", "rerun", "xpassed", "xfailed", "skipped", "passed")
"""What a test is called whose phases were counted differently: the first of these among them."""

_NOTHING_TESTED = (0, 5)
"""pytest's exit codes of a run that did not fail: `ExitCode.OK` and `NO_TESTS_COLLECTED`."""


class Attempt(NamedTuple):
    """One attempt of a test that is over."""

    nodeid: str
    worker: str
    number: int
    case: Case | None
    phases: tuple[Phase, ...]
    start: int
    end: int
    outcome: str
    failure: Failure | None
    failed_phase: str
    flaky: bool
    debugged: tuple[Debugged, ...] = ()
    left_out: int = 0
    """Fixtures, subtests and steps of the phases that its trace has no room for."""

    @property
    def duration(self) -> float:
        """The sum of what pytest reports for the phases in s, to 1 us."""
        return round(sum([phase.duration for phase in self.phases]), 6)


class Passed(NamedTuple):
    """The same for one that passed in all its phases, without more to tell: most attempts are one."""

    nodeid: str
    worker: str
    number: int
    case: Case | None
    times: tuple[int, int, int, int, int, int]
    """Start and end of setup, call and teardown."""
    durations: tuple[int, int, int]
    """us, as pytest reported them."""
    flaky: bool

    @property
    def debugged(self) -> tuple[Debugged, ...]:
        return ()

    @property
    def left_out(self) -> int:
        return 0

    @property
    def outcome(self) -> str:
        return "passed"

    @property
    def failure(self) -> None:
        return None

    @property
    def failed_phase(self) -> str:
        return ""

    @property
    def start(self) -> int:
        return self.times[0]

    @property
    def end(self) -> int:
        return self.times[5]

    @property
    def duration(self) -> float:
        return sum(self.durations) / 1_000_000

    @property
    def phases(self) -> tuple[Phase, ...]:
        return tuple(
            Phase(when, "passed", "passed" if when == "call" else "", start, end, duration / 1_000_000)
            for when, start, end, duration in zip(
                PHASES, self.times[::2], self.times[1::2], self.durations, strict=True
            )
        )


class RunningTest(NamedTuple):
    """A test that is under way."""

    nodeid: str
    worker: str
    number: int
    case: Case | None
    start: int


class SessionClosed(NamedTuple):
    """The end of the run, with everything that was counted."""

    end: int
    exit_code: int | None
    """None where the process died."""
    status: str
    failure: Failure | None
    counts: Counter[str]
    """By the categories of pytest's summary."""
    collected: int
    deselected: int
    warnings: int
    warned: tuple[RunWarned, ...] = ()
    deselected_by: tuple[tuple[str, int], ...] = ()
    left_out: int = 0
    """Of all attempts."""


Final: TypeAlias = (
    AppSpan
    | Debugged
    | Attempt
    | Passed
    | FileCollected
    | CollectFailed
    | CollectSkipped
    | CollectionFinished
    | FileFinished
    | WorkerOver
    | SessionClosed
)


class _Open:
    """A test of which the last word is not yet spoken."""

    __slots__ = ("begun", "case", "debugged", "entered", "nodeid", "number", "phases", "retried", "start", "worker")

    def __init__(self, started: TestStarted) -> None:
        self.nodeid = started.nodeid
        self.case = started.case
        self.start = started.time
        self.worker = started.worker
        self.number = 1
        self.begun = True
        """The attempt: after a rerun another may never come."""
        self.retried = False
        self.phases: list[Phase] = []
        self.debugged: tuple[Debugged, ...] = ()
        self.entered: PhaseStarted | None = None
        """The phase that runs, if others know it by its id."""


class Run:
    """A run so far."""

    def __init__(self) -> None:
        self.session: SessionStarted | None = None
        self.counts: Counter[str] = Counter()
        self.tests = 0
        """Attempts that are over."""
        self.collected: int | None = None
        self.closed = False
        self.last_progress = 0
        self.files: Files | None = None
        """None where the run is one trace."""
        self._collections: dict[str, CollectionFinished] = {}
        self._workers = Workers()
        self._room = Room(WHOLE)
        self._unfinished: dict[str, CollectionFinished] = {}
        self._open: dict[int, _Open] = {}
        self._latest = 0
        self._warnings: list[RunWarned] = []
        self._held: list[Final] | None = []
        """What is final while it may still turn out that the run tests nothing; None when it is clear that it does."""
        self._handlers: dict[type[Event], Callable[[Any], Iterable[Final]]] = {
            SessionStarted: self._begun,
            FileCollected: self._collecting,
            CollectFailed: self._collect_failed,
            CollectSkipped: self._collect_skipped,
            TestsCollected: self._tests_collected,
            CollectionFinished: self._collection_finished,
            TracesSplit: self._split,
            TestStarted: self._test_started,
            PhaseStarted: self._phase_started,
            PhasesFinished: self._phases,
            TestPassed: self._passed,
            TestCrashed: self._crashed,
            RunWarned: self._warned,
            AppSpan: self._app_span,
            Debugged: self._debugged,
            WorkerStarted: self._worker_started,
            WorkerFinished: self._worker_finished,
            SessionFinished: self._finished,
        }

    def apply(self, event: Event) -> Iterable[Final]:
        """Takes the next event; what became final with it. A run that tests nothing and does not fail tells nothing."""
        found = self._handlers[type(event)](event)
        if self._held is None:
            return found
        self._held += found
        return self.show() if _tests_something(event) else ()

    def show(self) -> Iterable[Final]:
        """From now on the run is told as it goes on, whatever it tests; what was held back until now."""
        held, self._held = self._held or [], None
        return held

    @property
    def shows(self) -> bool:
        return self._held is None

    def _begun(self, event: SessionStarted) -> Iterable[Final]:
        self.session = event
        return ()

    def _tests_collected(self, event: TestsCollected) -> Iterable[Final]:
        self.collected = event.tests
        return ()

    def _collect_failed(self, event: CollectFailed) -> Iterable[Final]:
        self.counts["error"] += 1
        return self._collecting(event)

    def _collect_skipped(self, event: CollectSkipped) -> Iterable[Final]:
        self.counts["skipped"] += 1
        return self._collecting(event)

    def _split(self, event: TracesSplit) -> Iterable[Final]:
        plan = Plan(event.per, event.tests)
        self.files, self._room = Files(plan), Room(plan)
        return ()

    def _collection_finished(self, event: CollectionFinished) -> Iterable[Final]:
        self._collections[event.worker] = event
        known = self._unfinished.pop(event.worker, event)
        whole = event._replace(start=min(event.start, known.start), end=max(event.end, known.end))
        self._latest = max(self._latest, whole.end, whole.start + SHORTEST)
        return (whole,)

    def _test_started(self, event: TestStarted) -> Iterable[Final]:
        known = self._open.get(event.key)
        if known is not None:
            known.start, known.begun = event.time, True
            return ()
        self._open[event.key] = _Open(event)
        return self.files.begin(event.nodeid, event.time) if self.files is not None else ()

    def _phase_started(self, event: PhaseStarted) -> Iterable[Final]:
        test = self._open.get(event.key)
        if test is not None:
            test.number, test.entered, test.begun = event.attempt, event, True
        return ()

    @property
    def running(self) -> Iterable[RunningTest]:
        return [
            RunningTest(test.nodeid, test.worker, test.number, test.case, test.start)
            for test in self._open.values()
            if test.begun
        ]

    @property
    def active(self) -> int:
        return len(self._open)

    def abandon(self, time: int) -> Iterable[Final]:
        """Closes a run whose process died without a word; `time` is when that was noticed."""
        if self.closed or self.session is None:
            self.closed = True
            return ()
        return [*self.show(), *self._ended(time, None, "aborted", None, 0)]

    def _collecting(self, event: FileCollected | CollectFailed | CollectSkipped) -> Iterable[Final]:
        """The span of a collection whose process dies in it must still come, for its children hang below it."""
        end = max(event.end, event.start + SHORTEST)
        self._latest = max(self._latest, end)
        if event.worker not in self._collections:
            known = self._unfinished.get(event.worker)
            start, end = (min(event.start, known.start), max(end, known.end)) if known else (event.start, end)
            self._unfinished[event.worker] = CollectionFinished(event.worker, start, end, 0)
        return (event,)

    def _phases(self, event: PhasesFinished) -> Iterable[Final]:
        test = self._open.get(event.key)
        if test is None:
            return ()
        test.worker, test.number = event.worker, event.attempt
        test.case = test.case or event.case
        test.phases += event.phases
        self.counts.update(_categories(event.phases))
        if not (event.last and test.phases):
            return ()
        attempt = self._attempt(test)
        if attempt.outcome == "rerun":
            test.phases, test.debugged, test.number, test.start = [], (), test.number + 1, attempt.end
            test.entered = None
            test.begun, test.retried = False, True
        else:
            del self._open[event.key]
        return (attempt,)

    def _passed(self, event: TestPassed) -> Iterable[Final]:
        _, number, worker, times, durations, case, nodeid = event
        start, end = times[0], times[5]
        begun: Iterable[FileFinished] = ()
        test = self._open.pop(event.key, None)
        if test is not None:
            nodeid, case = test.nodeid, case or test.case
        elif not nodeid:
            return ()
        elif self.files is not None:
            begun = self.files.begin(nodeid, start)
        self.counts["passed"] += 1
        self.tests += 1
        self._workers.count(worker, "passed")
        self.last_progress = max(self.last_progress, end)
        self._latest = max(self._latest, end + SHORTEST)
        if self.files is not None:
            self.files.end(AttemptOver(nodeid, worker, number, start, end, "passed", ("passed",)))
        passed = Passed(nodeid, worker, number, case, times, durations, test is not None and test.retried)
        if test is not None and test.debugged:
            return (_with_debugger(passed, test.debugged),)
        return (*begun, passed)

    def _attempt(self, test: _Open) -> Attempt:
        phases = tuple(test.phases)
        outcome = outcome_of(map(_word_of, phases))
        if outcome == "passed" and all(phase.when != "call" for phase in phases):
            outcome = "skipped"  # of --setup-only: pytest does not count it
        failed = next((phase for phase in phases if phase.failure is not None), None)
        return self._final(
            test,
            start=min(phase.start for phase in phases),
            end=max(phase.end for phase in phases),
            outcome=outcome,
            failure=failed.failure if failed else None,
            failed_phase=failed.when if failed else "",
        )

    def _final(
        self, test: _Open, *, start: int, end: int, outcome: str, failure: Failure | None, failed_phase: str
    ) -> Attempt:
        self.tests += 1
        self._workers.count(test.worker, outcome)
        self.last_progress = max(self.last_progress, end)
        end = max([end, *(debugged.end for debugged in test.debugged)])
        # What begins at the very end of a phase is still drawn as long as the shortest.
        self._latest = max([self._latest, end, start + SHORTEST, *(phase.end + SHORTEST for phase in test.phases)])
        if self.files is not None:
            categories = [*_categories(test.phases), *(["failed"] if outcome == "crashed" else ())]
            self.files.end(AttemptOver(test.nodeid, test.worker, test.number, start, end, outcome, categories))
        phases, left_out = self._fitting(test)
        return Attempt(
            nodeid=test.nodeid,
            worker=test.worker,
            number=test.number,
            case=test.case,
            phases=phases,
            start=start,
            end=end,
            outcome=outcome,
            failure=failure,
            failed_phase=failed_phase,
            flaky=test.retried and outcome == "passed",
            debugged=test.debugged,
            left_out=left_out,
        )

    def _fitting(self, test: _Open) -> tuple[tuple[Phase, ...], int]:
        """The phases with what is told of them, and how much is left out."""
        if self.session is None or self.session.detail == "tests":
            return tuple(test.phases), 0
        return self._room.fit(test.worker, test.nodeid, test.number, test.phases)

    def _crashed(self, event: TestCrashed) -> Iterable[Final]:
        test = self._open.pop(event.key, None)
        if test is None:
            return ()
        test.worker = event.worker or test.worker
        self.counts["failed"] += 1
        failure = Failure("worker_crashed", event.message, "")
        crashed = self._cut_short(test, event.time, CRASHED, failure, reported=not event.forked)
        return [crashed, *self._workers.over(test.worker)]

    def _worker_started(self, event: WorkerStarted) -> Iterable[Final]:
        self._workers.begin(event)
        return ()

    def _worker_finished(self, event: WorkerFinished) -> Iterable[Final]:
        """What it was running when it crashed is reported after that, and counts."""
        self._workers.end(event)
        self._latest = max(self._latest, event.time + SHORTEST)
        runs = any(test.worker == event.worker for test in self._open.values())
        return () if event.failure is not None and runs else self._workers.over(event.worker)

    def _app_span(self, event: AppSpan) -> Iterable[Final]:
        self._latest = max(self._latest, event.end)
        return (event,)

    def _debugged(self, event: Debugged) -> Iterable[Final]:
        """In a test it is told with it, else for itself."""
        self._latest = max(self._latest, event.end, event.start + SHORTEST)
        test = self._open.get(event.key)
        if test is None:
            return (event,)
        test.debugged += (event,)
        return ()

    def _warned(self, event: RunWarned) -> Iterable[Final]:
        self._latest = max(self._latest, event.time)
        self._warnings.append(event)
        return ()

    def _cut_short(self, test: _Open, time: int, outcome: str, failure: Failure | None, *, reported: bool) -> Attempt:
        """`reported`: the process that ran the test told of each phase at its end, and nothing else."""
        cut = list(_cut_phases(test, time, outcome, reported=reported and bool(test.worker)))
        test.phases += cut
        self.counts.update(_categories(cut))
        start = min([test.start, *(phase.start for phase in test.phases)])
        end = max([start, time, *(phase.end for phase in test.phases)])
        return self._final(test, start=start, end=end, outcome=outcome, failure=failure, failed_phase="")

    def _interrupt_all(self, time: int, *, reported: bool) -> list[Final]:
        tests, self._open = self._open, {}
        return [
            self._cut_short(test, time, INTERRUPTED, None, reported=reported) for test in tests.values() if _began(test)
        ]

    def _finished(self, event: SessionFinished) -> Iterable[Final]:
        return self._ended(event.time, event.exit_code, status_of(event.exit_code), event.failure, event.warnings)

    def _ended(
        self, time: int, exit_code: int | None, status: str, failure: Failure | None, warnings: int
    ) -> Iterable[Final]:
        self.closed = True
        interrupted = self._interrupt_all(time, reported=exit_code is not None)
        files = self.files.close() if self.files is not None else ()
        end = max(time, self._latest)
        workers = self._workers.close(end)
        most = max(self._collections.values(), key=lambda collection: collection.deselected, default=None)
        closed = SessionClosed(
            end=end,
            exit_code=exit_code,
            status=status,
            failure=failure,
            counts=self.counts,
            collected=self.collected or 0,
            deselected=most.deselected if most else 0,
            warnings=warnings,
            warned=tuple(self._warnings),
            deselected_by=most.deselected_by if most else (),
            left_out=self._room.left_out,
        )
        return [*interrupted, *self._unfinished.values(), *files, *workers, closed]


def _with_debugger(passed: Passed, debugged: tuple[Debugged, ...]) -> Attempt:
    return Attempt(
        nodeid=passed.nodeid,
        worker=passed.worker,
        number=passed.number,
        case=passed.case,
        phases=passed.phases,
        start=passed.start,
        end=passed.end,
        outcome=passed.outcome,
        failure=None,
        failed_phase="",
        flaky=passed.flaky,
        debugged=debugged,
    )


def _word_of(phase: Phase) -> str:
    """What it makes of its attempt. flaky tries again without a word, pytest-retry has one of its own for that."""
    return "rerun" if phase.outcome == "rerun" else phase.category


def _tests_something(event: Event) -> bool:
    """Whether it is clear with this event that the run tests something, or that it failed."""
    match event:
        case TestsCollected():
            return event.tests > 0
        case SessionFinished():
            return event.exit_code not in _NOTHING_TESTED
        case _:
            return isinstance(event, TestStarted | TestPassed | CollectFailed)


def _categories(phases: Iterable[Phase]) -> Sequence[str]:
    """Under what pytest's summary counts them, word for word."""
    words = [word for phase in phases for word in (phase.category, *(subtest.category for subtest in phase.subtests))]
    return [word for word in words if word]


def _cut_phases(test: _Open, time: int, outcome: str, *, reported: bool) -> Iterable[Phase]:
    """The phases of an attempt whose end nobody told: at `time` it ended with this outcome.

    `reported`: each of the others was told, so that it can be known which was under way.
    """
    told = {phase.when for phase in test.phases}
    entered = test.entered
    if any(phase.outcome == INTERRUPTED for phase in test.phases):
        return
    if entered is not None:
        passed = entered.earlier
        if entered.when == "call" and not (passed or told):
            passed = ((test.start, entered.time),)
        for when, (start, end) in zip(PHASES, passed, strict=False):
            if when not in told:
                yield Phase(when, "passed", "passed" if when == "call" else "", start, end, (end - start) / 1e9)
        under_way, start = entered.when, entered.time
    elif reported:
        under_way = _following(test.phases)
        start = max([test.start, *(phase.end for phase in test.phases)])
    else:
        return
    if under_way and under_way not in told:
        yield Phase(under_way, outcome, "", start, max(start, time), max(0, time - start) / 1e9)


def _following(phases: Sequence[Phase]) -> str:
    """Which phase comes after these; empty where none does."""
    if not phases:
        return "setup"
    last = phases[-1]
    if last.when == "setup" and last.outcome == "passed":
        return "call"
    return "" if last.when == "teardown" else "teardown"


def _began(test: _Open) -> bool:
    return test.begun or bool(test.phases)


def outcome_of(categories: Iterable[str]) -> str:
    """The one word for a test, from how pytest's summary counts its phases."""
    found = [category for category in categories if category]
    return next((word for word in _BY_GRAVITY if word in found), found[0] if found else "passed")


def status_of(exit_code: int) -> str:
    """`test.suite.run.status` for an exit code of pytest (pytest.ExitCode)."""
    return {0: "success", 2: "aborted", 5: "skipped"}.get(exit_code, "failure")
