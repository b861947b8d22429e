"""The recorder of xdist's controller: what most reports tell is written down some of it at a time.

The controller gets four messages of each test, one by one, between much other work, and its threads wait for each
other's turn. What a plain pass tells is only noted then; a thread of its own tells of it, some dozen times a second.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_otlp import events
from pytest_otlp.recorder import Attempt, Policy, Recorder
from pytest_otlp.reports import FACTS, passed_plainly

if TYPE_CHECKING:
    import warnings
    from collections.abc import Mapping

    from pytest_otlp.journal import Journal
    from pytest_otlp.reports import Facts

DELAY = 0.03
"""s for which a fact may wait for company: the exporter lets spans wait six times as long."""


_BRIEFLY: tuple[tuple[str, object], ...] = (("setup", str), ("call", type(None)), ("teardown", str))
"""The phases of a plain pass, and the facts that their reports have of it (`reports.Packed`)."""


class _Running:
    """A test of a worker of which nothing is to be told so far but that its phases passed, and when.

    What the thread of the tests' reports writes in here, the thread that tells of it reads, and the other way round.
    """

    __slots__ = ("announced", "case", "key", "nodeid", "phases", "start", "times", "told", "worker")

    def __init__(self, nodeid: str, start: int) -> None:
        self.nodeid = nodeid
        self.start = start
        self.worker = ""
        """Empty before the first report."""
        self.case = ""
        """Encoded, as the first report had it."""
        self.phases: list[tuple[float, float, float]] = []
        """Start, end and duration in s, as they are reported; with the last report come better ones."""
        self.times = ""
        """Those."""
        self.key = 0
        """0 before its start is told."""
        self.announced = ""
        """The worker that its start named."""
        self.told = False
        """The case is."""


class DelayedWork:
    """Work that a thread of its own does a little after somebody wanted it, once for all who did meanwhile."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._wanted = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-controller", daemon=True)

    def want(self) -> None:
        self._wanted.set()
        if self._thread.ident is None:
            try:
                self._thread.start()
            except RuntimeError:  # the system has no more of them
                self._work()

    def _run(self) -> None:
        while self._wanted.wait() and not self._over.wait(DELAY):
            self._wanted.clear()
            self._work()

    def end(self) -> None:
        """Nothing is left to do."""
        self._over.set()
        self._wanted.set()


class ControllerRecorder(Recorder):
    """Notes what passes plainly, to be told a little later, and tells all else at once, after what was noted."""

    def __init__(self, config: pytest.Config, journal: Journal, now: Callable[[], int], policy: Policy) -> None:
        super().__init__(config, journal, now, policy)
        self._append = journal.hold
        self._running: dict[str, _Running] = {}
        self._over: deque[_Running] = deque()
        """Wait to be told of."""
        self._turn = threading.RLock()
        """Of who tells; to note that a phase passed needs none."""
        self._telling = False
        """Somebody will tell of what was noted until now."""
        self._later = DelayedWork(self._tell_later)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        time = self._now()
        awaited = self._awaited(nodeid) if self._attempts else None
        if awaited is not None:
            with self._in_order():
                self._start_again(*awaited, time)
        elif nodeid in self._running:
            # It runs more than once at a time (`--dist=each`).
            with self._in_order():
                self.start_elsewhere(nodeid, worker_that_runs(self._dsession, nodeid), time)
        else:
            self._running[nodeid] = _Running(nodeid, time)
            self._tell_soon()

    def _awaited(self, nodeid: str) -> tuple[str, Attempt] | None:
        """The worker of a test that is to be attempted again, and what is known of it."""
        found = ((worker, test) for (worker, known), test in self._attempts.items() if known == nodeid and test.awaited)
        return next(found, None)

    def _start_again(self, worker: str, attempt: Attempt, time: int) -> None:
        attempt.awaited = False
        self._append(events.encode_started(attempt.key, attempt.nodeid, time, worker=worker))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not self._note(report):
            with self._in_order():
                super().pytest_runtest_logreport(report)

    def _note(self, report: pytest.TestReport) -> bool:
        """Takes a report that says no more than that a phase passed, of a test of which that is all; else False."""
        try:
            test = self._running.get(report.nodeid)
            if test is None:
                return False
            told: dict[str, Any] = report.__dict__
            facts: Any = told.get(FACTS)
            worker: str = told["worker_id"]
            when, kind = _BRIEFLY[len(test.phases)]
            if type(facts) is not kind or report.when != when or not passed_plainly(report):
                return False
            if not test.phases:
                test.case, test.worker = facts, worker
                if test.key and worker != test.announced:
                    self._tell_soon()
            elif worker != test.worker:
                return False
            test.phases.append((report.start, report.stop, report.duration))
        except Exception:  # noqa: BLE001  a report that another plugin made may have any shape
            return False
        # Other plugins may write all of it down.
        told.pop(FACTS, None)
        if when == "teardown":
            del self._running[test.nodeid]
            test.times = facts
            self._over.append(test)
            self._tell_soon()
        return True

    def _tell_soon(self) -> None:
        if not self._telling:
            self._telling = True
            self._later.want()

    def _tell_later(self) -> None:
        """In the thread of its own."""
        with self._turn:
            self._tell_noted()
            self._journal.flush()

    @contextmanager
    def _in_order(self) -> Generator[None]:
        """For what is told at once, after all that was noted."""
        with self._turn:
            self._tell_noted()
            try:
                yield
            finally:
                self._journal.flush()

    def _tell_noted(self) -> None:
        """A test that has passed by now needs no line for its start."""
        self._telling = False
        while self._over:
            self._tell_passed(self._over.popleft())
        for test in tuple(self._running.values()):
            if not test.key:
                self._announce(test)
            elif test.worker not in ("", test.announced):
                self._place(test)

    def _tell_passed(self, test: _Running) -> None:
        nodeid = "" if test.key else test.nodeid
        case = "" if test.told else test.case
        self._append(events.encode_passed(test.key or self.new_key(), 1, test.worker, test.times, case, nodeid))

    def _announce(self, test: _Running) -> None:
        """Who runs a test nobody says at its start."""
        case, worker = test.case, test.worker
        test.key, test.told = self.new_key(), bool(case)
        test.announced = worker or worker_that_runs(self._dsession, test.nodeid)
        self._append(events.encode_started(test.key, test.nodeid, test.start, case, test.announced))

    def _place(self, test: _Running) -> None:
        """The first report of a test says which worker runs it: the id of its span depends on it."""
        case = "" if test.told else test.case
        test.announced, test.told = test.worker, True
        self._append(events.encode_phases(test.key, 1, test.worker, (), last=False, case=case))

    @property
    def _dsession(self) -> Any:
        return self._config.pluginmanager.getplugin("dsession")

    def _claim(self, worker: str, nodeid: str) -> Attempt:
        """What was noted of a test goes on as an `Attempt`: it is no plain pass after all."""
        test = self._running.get(nodeid)
        if test is None or (test.phases and test.worker != worker):
            return super()._claim(worker, nodeid)
        del self._running[nodeid]
        attempt = self._attempts[worker, nodeid] = Attempt(test.key, nodeid)
        attempt.announced = test.announced
        attempt.case = "" if test.told else test.case
        attempt.plain = [(int(start * 1e9), int(end * 1e9), duration) for start, end, duration in test.phases]
        return attempt

    def tell(self, line: str) -> None:
        with self._in_order():
            super().tell(line)

    def tests_collected(self, tests: int) -> None:
        with self._in_order():
            super().tests_collected(tests)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        with self._in_order():
            super().pytest_collectreport(report)

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, when: str, nodeid: str) -> None:
        with self._in_order():
            super().pytest_warning_recorded(warning_message, when, nodeid)

    def interrupt(self, nodeid: str, worker: str, when: str, facts: Facts) -> None:
        with self._in_order():
            super().interrupt(nodeid, worker, when, facts)

    def finish(self, exit_code: int) -> None:
        with self._in_order():
            for test in tuple(self._running.values()):
                if test.phases:
                    self._claim(test.worker, test.nodeid)
            super().finish(exit_code)
        self._later.end()


def worker_that_runs(dsession: Any, nodeid: str) -> str:
    """The worker whose next test this is: the hook that a test starts does not say it. Empty where it cannot be told.

    It matters only if the test never reports: the id of its span depends on the worker. The schedulers of xdist
    (3.6 to 3.8) keep the tests of a worker in two ways, and other plugins may bring others.
    """
    scheduler: Any = getattr(dsession, "sched", None)
    try:
        if hasattr(scheduler, "assigned_work"):
            waiting = [(node, _unfinished(work)) for node, work in scheduler.assigned_work.items()]
            return next((str(node.gateway.id) for node, first in waiting if first == nodeid), "")
        collections = getattr(scheduler, "node2collection", {})
        for node, pending in scheduler.node2pending.items():
            if pending and (collections.get(node) or scheduler.collection)[pending[0]] == nodeid:
                return str(node.gateway.id)
    except (AttributeError, LookupError, TypeError, RuntimeError):
        pass  # the last of them: it is at work in another thread
    return ""


def _unfinished(work: Mapping[str, Mapping[str, bool]]) -> str:
    """The first test that is not over among those that are assigned by scope."""
    return next((nodeid for tests in work.values() for nodeid, over in tests.items() if not over), "")
