"""Hooks of the process that owns the run: each fact into the journal as it becomes known."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from pytest import TestReport

from pytest_otlp import events
from pytest_otlp.events import (
    INTERRUPTED,
    MOST_WARNINGS,
    PASSED,
    PHASES,
    STARTED,
    CollectFailed,
    CollectSkipped,
    Failure,
    PhaseStarted,
    RunWarned,
    SessionFinished,
    Subtest,
    TestCrashed,
    TestsCollected,
)
from pytest_otlp.namedtuple import NamedTuple
from pytest_otlp.paths import root_of
from pytest_otlp.plain import PlainPhases
from pytest_otlp.reports import (
    AGAIN,
    FACTS,
    LONG_PHASE,
    Facts,
    PhaseExtra,
    failure_of,
    failure_of_exception,
    output_of,
    phase_of,
    properties_of,
    reason_of,
    subtest_of,
    unpack,
)
from pytest_otlp.safe import qualified_name
from pytest_otlp.warned import fact_of

if TYPE_CHECKING:
    from pytest_otlp.cases import Described
    from pytest_otlp.journal import Journal
    from pytest_otlp.worker import PhaseWatch, TestObserver

_OUTCOMES = ("passed", "failed", "skipped")
"""Pytest's own."""
_PASSED = ("", "passed")
"""The categories of a plain pass: pytest's summary does not count a passed setup."""
_PLAIN_STATUS = frozenset(
    {
        "pytest_rerunfailures",
        "rerunfailures",
        "runner",
        "skipping",
        "stepwise",
        "subtests",
        "terminal",
        "unittest",
        "xdist",
    }
)
"""Plugins of whose `pytest_report_teststatus` the answer for a plain outcome is known."""


_Times = tuple[int, int, float]
"""Of a phase: start and end in ns of some clock, and the duration that pytest reports in s."""


class Attempt:
    """A test of which reports still come."""

    number = 1
    case = ""
    """Encoded; empty where it is told, or not known."""
    announced = ""
    """The worker that its start named."""
    passed = True
    rerun = False
    """Another attempt will follow it."""
    awaited = False
    """The start of that one was not announced yet."""
    subtests: Sequence[Subtest] = ()
    """Of the phase that runs."""
    latest = ""
    """The phase of which was told last."""

    def __init__(self, key: int, nodeid: str) -> None:
        self.key = key
        self.nodeid = nodeid
        self.rows: list[str] = []
        self.plain: list[_Times] = []
        """The first phases, as far as there is no more to tell of them; they are in no row yet."""
        self.offset = 0
        """From those times to ns since the epoch."""


class Policy(NamedTuple):
    """What may be told."""

    redact: tuple[str, ...]
    output: str


class Recorder:
    """Turns reports into lines of the journal."""

    def __init__(self, config: pytest.Config, journal: Journal, now: Callable[[], int], policy: Policy) -> None:
        self._config = config
        self._journal = journal
        self._append: Callable[[str], None] = journal.append
        self._now = now
        self._policy = policy
        self._keys = 0
        self._unclaimed: dict[str, list[Attempt]] = {}
        self._attempts: dict[tuple[str, str], Attempt] = {}
        self._warnings = 0
        self._told_warnings: Counter[str] = Counter()
        """By node id: warnings that stand on the test already, and of which pytest will tell yet."""
        self._warnings_of_run = 0
        self._failure: Failure | None = None
        self._plain_status: bool | None = None
        self._observer: TestObserver | None = None
        self._thread = threading.get_ident()
        """Writes what is known of a test; others may only add to it."""
        self._phases: PlainPhases | None = None
        """Of the test that runs in this process, which is no `Attempt` as long as they are gathered."""
        self._gather: Callable[[TestReport], PhaseWatch | None] | None = None
        """Gathers them; None before the end of the collection, and where each test has more to tell."""
        self._current = 0, ""
        """Key and node id of that test; the key is 0 when it is over."""
        self.defect = ""
        """What went wrong in here first; for the line at the end."""
        self.exit_code: int | None = None
        """None until the session's end is written."""

    def observe(self, observer: TestObserver) -> None:
        """Takes part in what an observer in this process sees."""
        self._observer = observer
        self._phases = PlainPhases(observer)
        observer.on_start = self.start
        observer.on_again = self.start_again
        observer.on_phase = self.start_phase

    def start(self, test: Described, time: int) -> None:
        """A test of this process is about to run."""
        self._keep_current()
        key = self.new_key()
        self._current = key, test.nodeid
        if self._phases is not None:
            self._phases.begin()
        self._append(STARTED % (key, test.name, time, test.case))

    def start_again(self, test: Described, time: int) -> None:
        """A further attempt of a test of this process; flaky has some after one that was over."""
        self._keep_current()
        attempt = self._attempts.get(("", test.nodeid))
        if attempt is None:
            self.start(test, time)
        else:
            if attempt.rerun:
                self._end(attempt, "")
            self._append(events.encode_started(attempt.key, attempt.nodeid, time))

    def start_phase(self, when: str, number: int, time: int, begins: bool) -> None:
        """A phase of a test of this process that is known by its id; in its own thread if it `begins` now."""
        key, nodeid = self._current
        if not key:
            return
        attempt = self._attempts.get(("", nodeid))
        if attempt is not None and attempt.rows and (begins or threading.get_ident() == self._thread):
            self._write(attempt, "", last=False)
        if attempt is not None:
            earlier = [(start + attempt.offset, end + attempt.offset) for start, end, _ in attempt.plain]
        else:
            phases = self._phases
            earlier = [(w.start + phases.offset, w.end + phases.offset) for w in phases.taken] if phases else []
        self._append(events.encode(PhaseStarted(key, number, when, time, tuple(earlier))))

    def _keep_current(self) -> None:
        """What was gathered of the test of this process goes on as an `Attempt`: it is no plain pass after all."""
        phases = self._phases
        if phases is None or (taken := phases.give_up()) is None:
            return
        key, nodeid = self._current
        attempt = self._attempts["", nodeid] = Attempt(key, nodeid)
        attempt.number = phases.attempt
        attempt.offset = phases.offset
        attempt.plain = [(watch.start, watch.end, watch.duration) for watch in taken]
        attempt.latest = taken[-1].when if taken else ""

    def start_elsewhere(self, nodeid: str, worker: str, time: int) -> None:
        """A test of a worker (empty where it is not known yet) is about to run."""
        attempt = Attempt(self.new_key(), nodeid)
        attempt.announced = worker
        self._unclaimed.setdefault(nodeid, []).append(attempt)
        self._append(events.encode_started(attempt.key, nodeid, time, worker=worker))

    def new_key(self) -> int:
        """For another test."""
        self._keys += 1
        return self._keys

    @property
    def current_key(self) -> int:
        """Of the test that runs in this process and is not over; 0 for none."""
        return self._current[0]

    def tell(self, line: str) -> None:
        """Appends a line that is encoded already."""
        self._append(line)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """xdist's controller collects nothing itself; its hooks tell the number."""
        if self._phases is not None and self.tells_plainly():
            self._gather = self._phases.take
        if session.items:
            self.tests_collected(len(session.items))

    def tests_collected(self, tests: int) -> None:
        self._append(events.encode(TestsCollected(self._now(), tests)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A report that another plugin made may have any shape: what we cannot read must not fail the run."""
        try:
            if self._gather is not None and (watch := self._gather(report)) is not None:
                if watch.following is None:
                    self._passed()
                return
            self._keep_current()
            self._record(report)
        except Exception as error:  # noqa: BLE001  see above
            self._note_defect(report.nodeid, error)

    def _note_defect(self, nodeid: str, error: Exception) -> None:
        self.defect = self.defect or f"a report of {nodeid} could not be read ({qualified_name(type(error))})"

    def _passed(self) -> None:
        """The test of this process is over, and its three phases were taken: there is nothing to tell but times."""
        assert self._phases is not None
        # The short line of a plain pass waits for the start of the next test.
        self._journal.hold(PASSED % (self._current[0], self._phases.attempt, '""', self._phases.packed(), ""))
        self._current = 0, ""

    def _learn(self, attempt: Attempt, facts: Facts) -> None:
        """What the facts of any phase tell of the test."""
        attempt.number = facts.attempt or attempt.number
        attempt.case = facts.case or attempt.case
        for number, (start, end) in enumerate(facts.earlier[: len(attempt.plain)]):
            attempt.plain[number] = start, end, attempt.plain[number][2]

    def tells_plainly(self) -> bool:
        """Whether there is nothing that every test has to tell."""
        return self._knows_status() and self._policy.output != "all"

    def _record(self, report: pytest.TestReport) -> None:
        when = report.when
        worker = report.__dict__.get("worker_id", "")
        if when not in PHASES:
            self._crashed(report)
            return
        facts = self._facts_of(report)
        attempt = self._attempts.get((worker, report.nodeid)) or self._claim(worker, report.nodeid)
        if when != "teardown" and attempt.rerun:
            # Up to 16.1 pytest-rerunfailures does not report the teardown of such an attempt; nor does pytest-retry
            # (1.7), and of the attempts that follow it reports only the last one, from its call on.
            self._end(attempt, worker)
        self._learn(attempt, facts)
        if hasattr(report, "context"):
            self._add_subtest(attempt, report, facts)
            return
        self._add(attempt, report, facts)
        if when == "teardown":
            self._end(attempt, worker)
        elif (
            facts.end - facts.start > LONG_PHASE
            or report.outcome == "failed"
            or (worker != attempt.announced and when == "setup")
        ):
            # A setup's report may be the first to say which worker it is: the id of the test's span depends on it.
            self._write(attempt, worker, last=False)

    def _facts_of(self, report: pytest.TestReport) -> Facts:
        """A report that was made where this plugin was not (a remote worker without it) has to do for its facts.

        So has one of a worker that took it for a plain pass, and which a plugin changed after that.
        """
        packed = report.__dict__.pop(FACTS, None)
        if isinstance(packed, tuple):
            return unpack(packed)
        facts = self._observer.facts_of(report) if self._observer is not None else None
        if facts is not None:
            return facts
        start = int(report.start * 1e9)
        case = packed if packed and report.when == "setup" else ""
        return Facts(start, start + int(report.duration * 1e9), 0, case)

    def _add_subtest(self, attempt: Attempt, report: pytest.TestReport, facts: Facts) -> None:
        """Reports of subtests come before the one of the phase that they are in."""
        category = self._category(report)
        attempt.passed = attempt.passed and report.outcome == "passed"
        attempt.subtests = (*attempt.subtests, subtest_of(report, category, facts, self._policy.redact))

    def _add(self, attempt: Attempt, report: pytest.TestReport, facts: Facts) -> None:
        # Of a test with subtests pytest finds out only by this question that it failed.
        category = self._asked(report) if attempt.subtests else self._category(report)
        last = report.when == "teardown"
        if facts.extra is not None and facts.extra.withheld:
            self._settle_plain(attempt)
            attempt.rows += map(events.encode_phase, facts.extra.withheld)
            attempt.rerun = attempt.awaited = any(phase.outcome == "rerun" for phase in facts.extra.withheld)
            attempt.passed = attempt.passed and not attempt.rerun
        if category in AGAIN:
            attempt.rerun = attempt.awaited = last = True
        self._add_row(attempt, report, category, facts, last=last)

    def _claim(self, worker: str, nodeid: str) -> Attempt:
        """The first report of a test that a worker runs: now the worker is known."""
        waiting = self._unclaimed.get(nodeid)
        if not waiting:
            self.start_elsewhere(nodeid, worker, self._now())
            waiting = self._unclaimed[nodeid]
        attempt = self._attempts[worker, nodeid] = waiting.pop(0)
        if not waiting:
            del self._unclaimed[nodeid]
        return attempt

    def _add_row(self, attempt: Attempt, report: pytest.TestReport, category: str, facts: Facts, *, last: bool) -> None:
        extra = facts.extra or PhaseExtra()
        for line in extra.process:
            self._append(line)
        attempt.latest = report.when
        attempt.passed = attempt.passed and category in _PASSED
        self.defect = self.defect or extra.defect
        if extra.warnings:
            self._told_warnings[attempt.nodeid] += len(extra.warnings)
        phase = phase_of(report, category, (facts.start, facts.end), extra, self._policy.redact)
        if attempt.subtests:
            phase = phase._replace(subtests=tuple(attempt.subtests))
            attempt.subtests = ()
        if last and report.user_properties:
            phase = phase._replace(properties=properties_of(report, self._policy.redact))
        if last and self._output_wanted(attempt) and (output := output_of(report)):
            phase = phase._replace(output=output)
        self._settle_plain(attempt)
        attempt.rows.append(events.encode_phase(phase))

    def _settle_plain(self, attempt: Attempt) -> None:
        """The first phases get rows of their own: the test is no plain pass after all, or takes long."""
        if attempt.plain:
            attempt.rows += [
                events.encode_plain_phase(
                    when,
                    "passed",
                    "passed" if when == "call" else "",
                    start + attempt.offset,
                    end + attempt.offset,
                    duration,
                )
                for when, (start, end, duration) in zip(PHASES, attempt.plain, strict=False)
            ]
            attempt.plain.clear()

    def _output_wanted(self, attempt: Attempt) -> bool:
        return self._policy.output == "all" or (self._policy.output == "failed" and not attempt.passed)

    def _write(self, attempt: Attempt, worker: str, *, last: bool) -> None:
        self._settle_plain(attempt)
        self._append(
            events.encode_phases(attempt.key, attempt.number, worker, attempt.rows, last=last, case=attempt.case)
        )
        attempt.rows.clear()
        attempt.case = ""

    def _end(self, attempt: Attempt, worker: str) -> None:
        self._write(attempt, worker, last=True)
        if attempt.rerun:
            attempt.number += 1
            attempt.passed = True
            attempt.rerun = False
            attempt.latest = ""
        else:
            self._forget(attempt, worker)

    def _forget(self, attempt: Attempt, worker: str) -> None:
        # flaky reports further rounds of a test whose teardown is told already.
        self._current = 0, ""
        del self._attempts[worker, attempt.nodeid]

    def _category(self, report: pytest.TestReport) -> str:
        """Under which pytest's summary counts this report; to ask for it costs more than all else that is done here."""
        plain = type(report) is TestReport and "wasxfail" not in report.__dict__ and report.outcome in _OUTCOMES
        return _category_of(report) if plain and self._knows_status() else self._asked(report)

    def _knows_status(self) -> bool:
        """Whether a plain outcome is counted as pytest does by itself."""
        if self._plain_status is None:
            implementations = self._config.hook.pytest_report_teststatus.get_hookimpls()
            self._plain_status = all(implementation.plugin_name in _PLAIN_STATUS for implementation in implementations)
        return self._plain_status

    def _asked(self, report: pytest.TestReport) -> str:
        status = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
        return str(status[0]) if status else _category_of(report)

    def _crashed(self, report: pytest.TestReport) -> None:
        """xdist reports a test whose worker died with `when="???"`; so it does an interrupt, which is no crash."""
        node = getattr(report, "node", None)
        worker = str(getattr(report, "worker_id", "")) or (node.gateway.id if node is not None else "")
        if report.outcome != "failed":
            return
        attempt = self._attempts.get((worker, report.nodeid)) or self._claim(worker, report.nodeid)
        if attempt.rows or attempt.plain:
            self._write(attempt, worker, last=False)
        # A child of pytest-forked has no report of its phases either; that of one in a worker names the worker.
        forked = node is None or bool(getattr(report, "worker_id", ""))
        crashed = TestCrashed(attempt.key, worker, self._now(), str(report.longrepr), forked)
        self._append(events.encode(crashed))
        del self._attempts[worker, report.nodeid]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.passed:
            return
        facts = report.__dict__.pop(FACTS, None) or (self._now(), self._now(), "", None)
        start, end, worker, exception = facts
        if report.failed:
            failed = CollectFailed(report.nodeid, worker, start, end, failure_of(report, exception))
            self._append(events.encode(failed))
        else:
            skipped = CollectSkipped(report.nodeid, worker, start, end, reason_of(report))
            self._append(events.encode(skipped))

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, when: str, nodeid: str) -> None:
        self._warnings += 1
        if self._told_warnings[nodeid]:
            self._told_warnings[nodeid] -= 1
        elif when != "collect" and self._warnings_of_run < MOST_WARNINGS:
            self._warnings_of_run += 1
            warned = RunWarned(self._now(), nodeid, fact_of(warning_message, root_of(self._config)))
            self._append(events.encode(warned))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.note_failure(excinfo)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.note_failure(excinfo)

    def note_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """What made the session end badly."""
        self._failure = failure_of_exception(excinfo)

    def finish(self, exit_code: int) -> None:
        """Writes the session's end, once."""
        if self.exit_code is None:
            self.exit_code = exit_code
            self._keep_current()
            self._interrupt_current()
            for (worker, _), attempt in self._attempts.items():
                if attempt.rows or attempt.plain:
                    self._write(attempt, worker, last=attempt.rerun)
            end = SessionFinished(self._now(), exit_code, self._warnings, self._failure, self._journal.dropped)
            self._append(events.encode(end))

    def _interrupt_current(self) -> None:
        """The run ends in a test of this process."""
        key, nodeid = self._current
        attempt = self._attempts.get(("", nodeid))
        if not key or attempt is None or attempt.rerun or self._observer is None:
            return
        if attempt.latest != self._observer.place.phase:
            self.interrupt(nodeid, "", self._observer.place.phase, self._observer.under_way())

    def interrupt(self, nodeid: str, worker: str, when: str, facts: Facts) -> None:
        """The run ends, or its worker, in a phase of this test, of which no report will come."""
        try:
            attempt = self._attempts.get((worker, nodeid)) or self._claim(worker, nodeid)
            self._learn(attempt, facts)
            duration = (facts.end - facts.start) / 1e9
            report = TestReport(nodeid, (nodeid, None, ""), {}, "passed", None, "call", (), duration)
            report.when = when  # type: ignore[assignment]
            report.outcome = INTERRUPTED  # type: ignore[assignment]
            self._add_row(attempt, report, "", facts, last=False)
        except Exception as error:  # noqa: BLE001  what a test said to its span must not keep the run from its end
            self._note_defect(nodeid, error)


def _category_of(report: pytest.TestReport) -> str:
    """What pytest's terminal plugin says of a plain outcome."""
    if report.outcome == "failed":
        return "failed" if report.when == "call" else "error"
    return "" if report.outcome == "passed" and report.when != "call" else report.outcome
