"""Hooks of every process that runs tests: what only that process knows, put on the reports it makes."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_otlp import events, traces
from pytest_otlp.attributes import ask_others
from pytest_otlp.cases import Cases, Described
from pytest_otlp.clock import Clock
from pytest_otlp.deselected import caller
from pytest_otlp.events import CollectionFinished, FileCollected, Fixture, TracesSplit, WarningFact
from pytest_otlp.fixtures import FixtureObserver
from pytest_otlp.imports import when_imported
from pytest_otlp.marked import find_marked
from pytest_otlp.namedtuple import NamedTuple
from pytest_otlp.paths import root_of
from pytest_otlp.reports import (
    FACTS,
    Facts,
    PhaseExtra,
    exception_of,
    exception_of_collection,
    pack,
)
from pytest_otlp.warned import TestWarnings, fact_of

if TYPE_CHECKING:
    from pytest_otlp.context import Attachment, CurrentSpan
    from pytest_otlp.logged import TestLogs

LONG_FILE = 10_000_000
"""ns: a file whose collection took less has no span of its own."""
LONG_FIXTURE = 1_000_000
"""ns: the same for a fixture, where not all were asked for."""


class Settings(NamedTuple):
    """What a process that runs tests must be told; it travels to xdist's workers, so: plain values only."""

    detail: str
    redact: tuple[str, ...]
    context: bool
    trace_id: str
    run_id: str
    link: str
    trace_state: str
    baggage: str
    logs: bool
    app_spans: bool
    trace_per: str
    copies: int
    """How often each test runs: on every worker with `--dist=each`."""
    brief: bool = False
    """Whether a pass has nothing to tell but times, which then ride on its last report."""


class Place:
    """What runs at this moment."""

    __slots__ = ("attempt", "location", "nodeid", "phase", "plan", "visible")

    def __init__(self) -> None:
        self.nodeid = ""
        """Empty before the first test."""
        self.location: object = None
        """The test's own, which its reports share: to compare node ids costs more since pytest 9.2 makes them anew."""
        self.attempt = 0
        self.phase = ""
        self.plan = traces.WHOLE
        self.visible = True
        """Whether the test wants the current span."""


class PhaseWatch:
    """One phase of the test that runs, or ran last: one object for all tests, since each would pay for its own.

    Its times are those of the monotonic clock: every test pays for what they are made of.
    """

    __slots__ = ("case", "duration", "end", "extra", "following", "start", "when")

    def __init__(self, when: str, following: PhaseWatch | None = None) -> None:
        """`following`: the phase after this one."""
        self.when = when
        self.following = following
        self.start = 0
        self.end = 0
        self.duration = 0.0
        """s, as pytest reported it; of a phase that `PlainPhases` has taken."""
        self.case = ""
        """Of the test, encoded, where another process must be told."""
        self.extra: PhaseExtra | None = None

    def add_attributes(self, attributes: Iterable[tuple[str, Any]], defect: str = "") -> None:
        """More to tell of the test, and what went wrong when it was found out."""
        extra = self.extra or PhaseExtra()
        self.extra = extra._replace(attributes=(*extra.attributes, *attributes), defect=extra.defect or defect)


class Watches(dict[str, PhaseWatch]):
    """By phase. What a plugin makes a report of that is no phase of pytest's has one that nobody reads."""

    def __missing__(self, when: str) -> PhaseWatch:
        return PhaseWatch(when)


class TestObserver:
    """Times the phases, keeps the place for the current span, and holds the facts of the test until it is reported."""

    def __init__(self, place: Place, now: Clock, redact: tuple[str, ...], warnings: TestWarnings) -> None:
        self.place = place
        self._warnings = warnings
        self.offset = now.offset
        """From the times of the watches to ns since the epoch."""
        self._monotonic = now.monotonic
        self._item: pytest.Item | None = None
        self._attempts: dict[str, int] = {}
        """So far, by node id: with `--keep-duplicates` several items have the same; their span ids must differ."""
        self._teardown = PhaseWatch("teardown")
        self._call = PhaseWatch("call", self._teardown)
        self._setup = PhaseWatch("setup", self._call)
        self.watches = Watches(setup=self._setup, call=self._call, teardown=self._teardown)
        self._cases = Cases(redact)
        self.on_start: Callable[[Described, int], None] | None = None
        """Told of each test before its setup, and of the time. Else its case is on its first report."""
        self.on_again: Callable[[Described, int], None] | None = None
        """The same of each further attempt."""
        self.on_phase: Callable[[str, int, int, bool], None] | None = None
        """Told of a phase that others know by its id, the attempt, its start, and whether it begins only now."""
        self._known: pytest.Item | None = None
        """The test of which it was told last."""
        self._told_phase = 0, ""
        """Attempt and phase of that."""
        self.span: CurrentSpan | None = None
        self.logs: TestLogs | None = None
        self.attachment: Attachment | None = None
        self.forget_import: Callable[[], None] = lambda: None
        """Ends the wait for somebody who imports OpenTelemetry: until then nobody can ask for the span."""
        self.when_collected: list[Callable[[pytest.Session], None]] = []
        """What is decided once for all tests, so that each need not ask."""
        self.plan_traces: Callable[[Sequence[str]], None] | None = None
        """The same, from their node ids."""
        self.fixtures: list[Fixture] = []
        """Fixtures that were set up or torn down since the last report."""
        self.fixture_observer: FixtureObserver | None = None
        self.process: list[str] = []
        """Lines about the process itself that wait for a report to ride on."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for decide in self.when_collected:
            decide(session)
        nodeids = [item.nodeid for item in session.items]
        self._cases.expect(session.items, nodeids)
        if self.plan_traces is not None:
            self.plan_traces(nodeids)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        # Before the clock is asked: now and then it describes the next tests, which is no part of this one's setup.
        test = self._cases.of(item)
        start = self._monotonic()
        place = self.place
        place.phase = "setup"
        if item is self._item:
            place.attempt += 1
            tell = self.on_again
        else:
            self._item = item
            place.nodeid = test.nodeid
            place.location = item.location
            place.attempt = 1 + self._attempts.get(test.nodeid, 0)
            tell = self.on_start
            if tell is None:
                self._setup.case = test.case
        if tell is not None:
            tell(test, start + self.offset)
        # Only now: who is told may still have to tell of the attempt before.
        self._setup.start = start
        if place.attempt > 1:
            # pytest-retry (1.7) lets nobody see what came of its call.
            self._call.end, self._call.extra = 0, None
        self._attempts[test.nodeid] = place.attempt
        if self.attachment is not None:
            self.attachment.restore()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        self.place.phase = "call"
        self._call.start = self._monotonic()
        if self._known is self._item:
            self.tell_phase(begins=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self) -> None:
        self.place.phase = "teardown"
        self._teardown.start = self._monotonic()
        if self._known is self._item:
            self.tell_phase(begins=True)

    def tell_phase(self, *, begins: bool = False) -> None:
        """Others know the phase that runs by its id, or know one before it. Any thread may ask."""
        if self.on_phase is None:
            return
        place = self.place
        told = place.attempt, place.phase
        if told != self._told_phase or self._known is not self._item:
            self._known, self._told_phase = self._item, told
            self.on_phase(place.phase, place.attempt, self.watches[place.phase].start + self.offset, begins)

    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        """No wrapper around the report's making: that alone would cost as much as everything else in here.

        Nor first of all: pytest's support of unittest (8.0 to 9.2) puts the exception on the call in a hook that is.
        """
        watch = self.watches[call.when]
        watch.end = self._monotonic()
        span, logs = self.span, self.logs
        if (
            call.excinfo is not None
            or self.fixtures
            or self.process
            or (span is not None and span.said)
            or (logs is not None and logs.pending)
            or (watch is self._teardown and self._warnings.pending)
        ):
            watch.extra = self._safe_extra(call)
        else:
            watch.extra = None

    def facts_of(self, report: pytest.TestReport) -> Facts | None:
        """What is known of the phase that a report of this process tells of; None for any other report."""
        watch = self.watches.get(str(report.when))
        place = self.place
        if watch is None or (report.location is not place.location and report.nodeid != place.nodeid):
            return None
        case, watch.case = watch.case, ""
        offset = self.offset
        end = watch.end or watch.start + int(report.duration * 1e9)
        return Facts(watch.start + offset, end + offset, place.attempt, case, watch.extra)

    @property
    def reported(self) -> bool:
        """Whether the report of the phase that began last was made."""
        watch = self.watches[self.place.phase]
        return watch.end >= watch.start

    def under_way(self) -> Facts:
        """What is known of the phase that began last, of which no report will come."""
        watch = self.watches[self.place.phase]
        extra = watch.extra if self.reported else self._safe_extra(None)
        case, self._setup.case = self._setup.case, ""
        return Facts(watch.start + self.offset, self._monotonic() + self.offset, self.place.attempt, case, extra)

    def _safe_extra(self, call: pytest.CallInfo[None] | None) -> PhaseExtra | None:
        """Exceptions may raise anything when they are asked; the test must not notice."""
        try:
            return self._extra(call)
        except Exception:  # noqa: BLE001  see above
            return None

    def _extra(self, call: pytest.CallInfo[None] | None) -> PhaseExtra:
        """`call`: None where the phase does not end by itself."""
        if call is not None and call.excinfo is not None and self.fixture_observer is not None:
            self.fixture_observer.teardown_failed(call.excinfo.value)
        fixtures, self.fixtures[:] = tuple(self.fixtures), ()
        process, self.process[:] = tuple(self.process), ()
        logs, dropped = self.logs.take() if self.logs is not None else ((), 0)
        return PhaseExtra(
            exception=exception_of(call) if call is not None else None,
            fixtures=fixtures,
            span=self.span.take() if self.span is not None and self.span.said else None,
            process=process,
            warnings=self._warnings.take() if call is not None and call.when == "teardown" else (),
            logs=logs,
            logs_dropped=dropped,
        )

    def pytest_unconfigure(self) -> None:
        self.forget_import()
        if self.attachment is not None:
            self.attachment.detach()


class AttachedFacts:
    """Puts the facts on each report at once, for a test that runs in a forked child (pytest-forked)."""

    def __init__(self, observer: TestObserver) -> None:
        self._observer = observer

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        attach(self._observer, report)
        return report


def attach(observer: TestObserver, report: pytest.TestReport, earlier: Sequence[tuple[int, int]] = ()) -> None:
    """Lets the facts of a report travel with it to another process.

    `earlier`: start and end of the test's phases of which nobody was told yet, in ns since the epoch.
    """
    facts = observer.facts_of(report)
    if facts is not None:
        report.__dict__[FACTS] = pack(facts._replace(earlier=tuple(earlier)) if earlier else facts)


class CollectionObserver:
    """Times the collection of this process, and of the files that took long."""

    def __init__(self, tell: Callable[[str], None], now: Clock, worker: str, root: str) -> None:
        self._tell = tell
        self._now = now
        self._worker = worker
        self._start = now()
        self._root = root
        self._end: int | None = None
        self._deselected: Counter[str] = Counter()
        self._warnings: list[WarningFact] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Outermost: pytest tells of the collection's warnings at its end."""
        self._start = self._now()
        try:
            return (yield)
        finally:
            if self._end is not None:
                finished = CollectionFinished(
                    self._worker,
                    self._start,
                    self._end,
                    self._deselected.total(),
                    tuple(self._warnings),
                    tuple(self._deselected.items()),
                )
                self._tell(events.encode(finished))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        start = self._now()
        report = yield
        end = self._now()
        if not report.passed:
            report.__dict__[FACTS] = (start, end, self._worker, exception_of_collection(report))
        elif isinstance(collector, pytest.File) and end - start >= LONG_FILE:
            self._tell(events.encode(FileCollected(collector.nodeid, self._worker, start, end)))
        return report

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        if items:
            self._deselected[caller()] += len(items)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        self._end = self._now()

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, when: str) -> None:
        if when == "collect":
            self._warnings.append(fact_of(warning_message, self._root))


def plan_traces(place: Place, settings: Settings, tell: Callable[[str], None] | None, nodeids: Sequence[str]) -> None:
    """Decides how many traces the run has. `tell` is None where another process tells the exporter."""
    place.plan = plan = traces.plan(settings.trace_per, nodeids, settings.copies)
    if tell is not None and not plan.whole:
        tell(events.encode(TracesSplit(plan.per, dict(plan.tests))))


def observe(
    config: pytest.Config,
    settings: Settings,
    now: Clock,
    *,
    worker: str = "",
    tell: Callable[[str], None] | None = None,
) -> TestObserver:
    """Registers what a process that runs tests needs. Without `tell` everything rides on reports."""
    observer = TestObserver(Place(), now, settings.redact, TestWarnings(root_of(config)))
    register = config.pluginmanager.register
    register(observer, "otlp-tests")
    if config.getoption("forked", False):
        register(AttachedFacts(observer), "otlp-forked")
    observer.when_collected.append(partial(ask_others, observer, settings.redact))
    register(CollectionObserver(tell or observer.process.append, now, worker, root_of(config)), "otlp-collection")
    if settings.trace_per != "run":
        observer.plan_traces = partial(plan_traces, observer.place, settings, tell)
    if settings.detail != "tests":
        shortest = 0 if settings.detail == "fixtures" else LONG_FIXTURE
        observer.fixture_observer = FixtureObserver(config, observer.fixtures, now, shortest)
        register(observer.fixture_observer, "otlp-fixtures")
    if settings.detail == "fixtures":
        from pytest_otlp.cached import CachedFixtures  # noqa: PLC0415  only where all is told

        register(CachedFixtures(observer), "otlp-cached")
    if settings.logs:
        from pytest_otlp.logged import observe_logs  # noqa: PLC0415  only where they are sent

        observer.logs = observe_logs(config, now)
    if settings.app_spans:
        from pytest_otlp.app_spans import provide  # noqa: PLC0415  imports the SDK

        write = tell or observer.process.append
        observer.when_collected.append(partial(provide, write, now, settings.redact))
    if settings.context:
        observer.when_collected.append(partial(find_marked, observer.place))
        attach = partial(_make_current, observer, settings, now, worker)
        observer.forget_import = when_imported("opentelemetry.trace", attach)
    _observe_beside(config, observer, settings, now)
    return observer


def _observe_beside(config: pytest.Config, observer: TestObserver, settings: Settings, now: Clock) -> None:
    """What only plugins know that do more than pytest's hooks tell."""
    register = config.pluginmanager.register
    if config.pluginmanager.hasplugin("flaky"):
        from pytest_otlp.flaky import WithheldReports  # noqa: PLC0415  only beside it

        register(WithheldReports(observer, settings.redact), "otlp-flaky")
    if settings.detail != "tests" and hasattr(config.hook, "pytest_bdd_before_scenario"):
        from pytest_otlp.bdd import ScenarioObserver  # noqa: PLC0415  only beside it

        register(ScenarioObserver(observer, config, now), "otlp-bdd")
    if settings.context and "pytest_twisted" in sys.modules:
        from pytest_otlp.twisted import ReactorContext  # noqa: PLC0415  only beside it

        register(ReactorContext(observer), "otlp-twisted")


def _make_current(observer: TestObserver, settings: Settings, now: Clock, worker: str) -> None:
    """Within somebody's import of OpenTelemetry, which must not fail because of us."""
    with suppress(Exception):
        from pytest_otlp.context import Attachment, CurrentSpan  # noqa: PLC0415  imports OpenTelemetry

        observer.span = CurrentSpan(
            observer.place,
            trace_id=settings.trace_id,
            run_id=settings.run_id,
            trace_state=settings.trace_state,
            worker=worker,
            phases=settings.detail != "tests",
            now=now,
            asked=observer.tell_phase,
        )
        observer.attachment = Attachment(observer.span, observer.place, settings.baggage)
