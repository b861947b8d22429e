"""What pytest-xdist adds: hooks of its controller. Registered only where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_otlp import CurrentRun, _entered, events, traces
from pytest_otlp.clock import Anchor, Began, Clock, shared_anchor
from pytest_otlp.events import Failure, TracesSplit, WorkerFinished, WorkerStarted
from pytest_otlp.plain import PlainPhases
from pytest_otlp.reports import FACTS, STACKTRACE_LIMIT, pack, unpack
from pytest_otlp.safe import MESSAGE_LIMIT, cut_middle, cut_top, text_of
from pytest_otlp.worker import Settings, TestObserver, attach, observe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_otlp.recorder import Recorder

INPUT = "otlp"
"""The key of `workerinput` under which the controller tells its workers what to do; of `workeroutput` for lines."""
UNDER_WAY = "otlp-under-way"
"""The key of `workeroutput` for the phase in which the worker's run ended."""


class ControllerHooks:
    """Tells each worker of the run, and the recorder of what only the controller's hooks say."""

    def __init__(self, recorder: Recorder, settings: Settings, anchor: Anchor, now: Clock) -> None:
        self._recorder = recorder
        self._now = now
        self._anchor = anchor
        self._settings = settings
        self._tests: dict[str, int] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        # Of two that run the same test at a time only what both say in full can be told apart.
        brief = self._settings.copies == 1 and self._recorder.tells_plainly()
        settings = self._settings._replace(brief=brief)
        node.workerinput[INPUT] = [tuple(settings), tuple(self._anchor)]
        self._recorder.tell(events.encode(WorkerStarted(node.gateway.id, self._now())))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        first = not self._tests
        self._tests[node.gateway.id] = len(ids)
        each = self._settings.copies > 1
        if first or each:
            self._recorder.tests_collected(sum(self._tests.values()) if each else len(ids))
        if first:
            self._tell_traces(ids)

    def _tell_traces(self, ids: Sequence[str]) -> None:
        """As the workers decide for themselves: all have the same tests."""
        plan = traces.plan(self._settings.trace_per, ids, self._settings.copies)
        if not plan.whole:
            self._recorder.tell(events.encode(TracesSplit(plan.per, dict(plan.tests))))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker that ran no test had no report for the facts about itself. `error`: None where all went well."""
        # xdist (3.6 to 3.8) tells twice of a worker that was interrupted.
        output = getattr(node, "workeroutput", {})
        for line in output.pop(INPUT, ()):
            self._recorder.tell(line)
        if (under_way := output.pop(UNDER_WAY, None)) is not None:
            nodeid, when, facts = under_way
            self._recorder.interrupt(nodeid, node.gateway.id, when, unpack(tuple(facts)))
        failure = None if error is None else _crash(node.gateway.id, text_of(error).strip())
        self._recorder.tell(events.encode(WorkerFinished(node.gateway.id, self._now(), failure)))


def _crash(worker: str, error: str) -> Failure:
    """`error`: a sentence of xdist's, or the traceback of what the worker raised."""
    *traceback, last = error.splitlines() or [""]
    return Failure(
        "worker_crashed",
        f"worker {worker!r} crashed: {cut_middle(last, MESSAGE_LIMIT)}",
        cut_top(error, STACKTRACE_LIMIT) if traceback else "",
    )


class WorkerHooks:
    """In a worker: the facts go home with the reports, and what no report could carry with the worker's end."""

    def __init__(self, observer: TestObserver, *, brief: bool) -> None:
        """`brief`: see `Settings`."""
        self._observer = observer
        self._brief = brief
        self._phases = PlainPhases(observer)
        self._attached: pytest.TestReport | None = None
        """The last report that got facts here; others come with facts from a forked child."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The times of a plain pass ride on its last report, its case on the first: after that the worker may crash."""
        # pytest-retry (1.7) reports the last attempt with the changed report of the first.
        if FACTS in report.__dict__ and report is not self._attached:
            return
        phases = self._phases
        if report.when == "setup":
            phases.give_up()  # of an attempt before, whose end was not reported
            if self._brief and phases.attempt == 1:
                phases.begin()
        watch = phases.take(report)
        if watch is None:
            offset = phases.offset
            untold = phases.give_up() or ()
            attach(self._observer, report, [(watch.start + offset, watch.end + offset) for watch in untold])
            self._attached = report
        elif watch.following is None:
            report.__dict__[FACTS] = phases.packed()
        elif report.when == "setup":
            # That of a plain call has nothing: each entry is a cost to both processes.
            report.__dict__[FACTS], watch.case = watch.case, ""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """After the fixtures, which end in there where the run did in a test."""
        observer = self._observer
        output: dict[str, object] = session.config.workeroutput  # type: ignore[attr-defined]
        output[INPUT], observer.process[:] = list(observer.process), ()
        if observer.place.nodeid and not observer.reported:
            offset = self._phases.offset
            untold = tuple((watch.start + offset, watch.end + offset) for watch in self._phases.taken)
            facts = observer.under_way()._replace(earlier=untold)
            output[UNDER_WAY] = [observer.place.nodeid, observer.place.phase, list(pack(facts))]


def observe_for_controller(config: pytest.Config, given: Any, worker_id: str, began: Began) -> None:
    """In a worker: observe the tests as the controller's `ControllerHooks` asked."""
    settings, anchor = Settings(*given[0]), Anchor(*given[1])
    config.add_cleanup(_entered(CurrentRun(settings.trace_id, settings.run_id, settings.link)))
    wall, monotonic, read_monotonic = began
    now = Clock(shared_anchor(anchor, Anchor(wall, monotonic)), read_monotonic)
    observer = observe(config, settings._replace(redact=tuple(settings.redact)), now, worker=worker_id)
    config.pluginmanager.register(WorkerHooks(observer, brief=settings.brief), "otlp-worker")
