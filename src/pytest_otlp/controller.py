"""The recorder of xdist's controller: what most reports tell is written down some of it at a time.

The controller gets four messages of each test, one by one, between much other work, and its threads wait for each
other's turn: with two workers on two processors that cost its process 200 to 300 us a test. About 100 are left where a
thread of our own takes what a plain pass tells from a queue, a few times a second.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_otlp.namedtuple import NamedTuple
from pytest_otlp.recorder import Attempt, Policy, Recorder
from pytest_otlp.reports import FACTS, PlainReport, plain_report_of

if TYPE_CHECKING:
    import warnings
    from collections.abc import Mapping

    from pytest_otlp.journal import Journal
    from pytest_otlp.reports import Facts

DELAY = 0.03
"""s for which a fact may wait for company: the exporter lets spans wait six times as long."""


class _Start(NamedTuple):
    """A test of a worker is about to run."""

    nodeid: str
    time: int


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
    """Writes each fact down in the order in which it came, what is more than a plain pass at once."""

    def __init__(self, config: pytest.Config, journal: Journal, now: Callable[[], int], policy: Policy) -> None:
        super().__init__(config, journal, now, policy)
        self._append = journal.hold
        self._waiting: deque[_Start | PlainReport] = deque()
        self._turn = threading.RLock()
        """Of who takes from what waits; to put something there needs none."""
        self._starts: list[Attempt] = []
        """Tests that began, in their order: one that has passed before we come to it needs no line for its start."""
        self._stuck: PlainReport | None = None
        """What comes before all that waits, and is more than a plain pass after all: other plugins may have to be asked
        about it, in their own thread."""
        self._later = DelayedWork(self._write_plain)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._wait(_Start(nodeid, self._now()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        try:
            plain = plain_report_of(report) if self._plainly or self.tells_plainly() else None
        except Exception:  # noqa: BLE001  a report that another plugin made may have any shape
            plain = None
        if plain is None or self._stuck is not None or isinstance(plain.facts, tuple):
            with self._in_order():
                super().pytest_runtest_logreport(report)
        else:
            # Other plugins may change the report, or write all of it down.
            report.__dict__.pop(FACTS, None)
            self._wait(plain)

    def _wait(self, fact: _Start | PlainReport) -> None:
        waiting = self._waiting
        waiting.append(fact)
        # Who finds something there has been told to take all of it.
        if len(waiting) == 1:
            self._later.want()

    def _write_plain(self) -> None:
        """In the thread of its own."""
        with self._turn:
            self._stuck = self._stuck or self._tell_waiting()
            self._announce_all()
            self._journal.flush()

    @contextmanager
    def _in_order(self) -> Generator[None]:
        """For what is told at once, after all that waits."""
        with self._turn:
            while (fact := self._stuck or self._tell_waiting()) is not None:
                self._stuck = None
                self._announce_all()
                self._tell_more(fact)
            self._announce_all()
            try:
                yield
            finally:
                self._journal.flush()

    def _tell_waiting(self) -> PlainReport | None:
        """Up to what is more than a plain pass, which then waits no more."""
        while self._waiting:
            fact = self._waiting.popleft()
            try:
                if isinstance(fact, _Start):
                    self._take_start(fact)
                elif not self._take_from_afar(fact):
                    return fact
            except Exception as error:  # noqa: BLE001  see `Recorder.pytest_runtest_logreport`
                self._note_defect(fact.nodeid, error)
        return None

    def _take_start(self, start: _Start) -> None:
        attempt = self.start_elsewhere(start.nodeid, start.time)
        if attempt is not None:
            self._starts.append(attempt)

    def _announce_all(self) -> None:
        """Who runs a test nobody says at its start; most have reported by now."""
        for attempt in self._starts:
            if attempt.untold:
                self.announce(attempt, attempt.announced or worker_that_runs(self._dsession, attempt.nodeid))
        self._starts.clear()

    @property
    def _dsession(self) -> Any:
        return self._config.pluginmanager.getplugin("dsession")

    def _tell_more(self, plain: PlainReport) -> None:
        try:
            if plain.facts is not None:
                plain.report.__dict__[FACTS] = plain.facts
            self._record(plain.report)
        except Exception as error:  # noqa: BLE001  see `Recorder.pytest_runtest_logreport`
            self._note_defect(plain.nodeid, error)

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
