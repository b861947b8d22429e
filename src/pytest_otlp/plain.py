"""The phases of the test that runs, as long as nothing of them is to be told but their times. Most tests end so."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from pytest import TestReport

from pytest_otlp.events import PACK_TIMES
from pytest_otlp.reports import FACTS, LONG_PHASE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_otlp.worker import PhaseWatch, TestObserver


class PlainPhases:
    """Gathers them where the test runs, so that all three can be told at once. Every test pays for it."""

    __slots__ = ("_awaited", "_place", "_watches", "offset")

    def __init__(self, observer: TestObserver) -> None:
        self._place = observer.place
        self.offset = observer.offset
        """From the times of the watches to ns since the epoch."""
        self._watches = tuple(observer.watches.values())
        self._awaited: PhaseWatch | None = None
        """The phase that comes next; None where no test runs that passed plainly so far."""

    @property
    def attempt(self) -> int:
        """Of the test that runs."""
        return self._place.attempt

    def begin(self) -> None:
        """A test is about to run."""
        self._awaited = self._watches[0]

    def take(self, report: TestReport) -> PhaseWatch | None:
        """The phase that a report tells of, if there is nothing to tell of it and of those before it but the times.

        What it asks of the report is what `passed_plainly` asks, without a call for it.
        """
        watch = self._awaited
        if (
            watch is None
            or report.when != watch.when
            or report.outcome != "passed"
            or type(report) is not TestReport
            or report.location is not self._place.location
            or watch.extra is not None
            or watch.end - watch.start > LONG_PHASE
            or report.user_properties
            or type(report.duration) is not float
            or "wasxfail" in report.__dict__
            or FACTS in report.__dict__
        ):
            return None
        watch.duration = report.duration
        self._awaited = watch.following
        return watch

    @property
    def taken(self) -> Sequence[PhaseWatch]:
        """Of the test that runs, and as long as there is nothing else to tell of it."""
        awaited = self._awaited
        return tuple(takewhile(lambda watch: watch is not awaited, self._watches)) if awaited is not None else ()

    def packed(self) -> str:
        """The times of all three."""
        setup, call, teardown = self._watches
        return PACK_TIMES(
            self.offset,
            setup.start,
            setup.end,
            call.start,
            call.end,
            teardown.start,
            teardown.end,
            setup.duration,
            call.duration,
            teardown.duration,
        ).hex()

    def give_up(self) -> Sequence[PhaseWatch] | None:
        """Takes no more of this test; what was taken of it and not told. None where none was gathered."""
        if self._awaited is None:
            return None
        taken, self._awaited = self.taken, None
        return taken
