"""The workers of xdist: how long each lived, and how many tests it ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from pytest_otlp.events import Failure, WorkerFinished, WorkerStarted


class WorkerOver(NamedTuple):
    """A worker that is gone, or whose run is."""

    worker: str
    start: int
    end: int
    tests: int
    """How many it ran; the attempts of one test count once."""
    failure: Failure | None


class Workers:
    """Those whose last word is not yet spoken."""

    def __init__(self) -> None:
        self._open: dict[str, WorkerOver] = {}
        self._tests: Counter[str] = Counter()

    def begin(self, event: WorkerStarted) -> None:
        self._open[event.worker] = WorkerOver(event.worker, event.time, 0, 0, None)

    def count(self, worker: str, outcome: str) -> None:
        """A test of this worker is over."""
        if outcome != "rerun":
            self._tests[worker] += 1

    def end(self, event: WorkerFinished) -> None:
        known = self._open.get(event.worker)
        if known is not None:
            self._open[event.worker] = known._replace(end=event.time, failure=event.failure)

    def over(self, worker: str) -> Iterable[WorkerOver]:
        """The worker if it has ended; it is forgotten here."""
        known = self._open.get(worker)
        if known is None or not known.end:
            return ()
        del self._open[worker]
        return (self._counted(known),)

    def close(self, time: int) -> Iterable[WorkerOver]:
        """All that are left when the run ends at `time`, ns."""
        left, self._open = self._open, {}
        return [self._counted(worker._replace(end=worker.end or time)) for worker in left.values()]

    def _counted(self, worker: WorkerOver) -> WorkerOver:
        return worker._replace(tests=self._tests[worker.worker])
