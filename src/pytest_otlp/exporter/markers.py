"""Which markers are due: what stands in for spans that cannot be sent yet."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_otlp.exporter import file_spans
from pytest_otlp.exporter.records import Span
from pytest_otlp.exporter.run import Run, RunningTest
from pytest_otlp.exporter.spans import marker, running_marker
from pytest_otlp.exporter.trace import Trace

LONG_TEST = 5_000_000_000
"""ns after which a running test gets a marker of its own."""
LONG_COLLECTION = 1_000_000_000
"""ns after which the run's marker no longer waits for the number of tests."""


class Markers:
    """Remembers which markers went out. Each is sent once."""

    def __init__(self) -> None:
        self.begun = False
        """The run's marker was sent: the run shows, so its root must follow."""
        self._marked: set[tuple[str, str, int]] = set()
        self._files: set[tuple[str, int]] = set()

    def due(self, run: Run, trace: Trace, now: int) -> list[Span]:
        """The markers to send at `now`, ns since the epoch."""
        found = []
        if not self.begun and not run.closed and _shows(run, trace, now):
            self.begun = True
            found.append(marker(trace, run.collected))
        long = {_key(test): test for test in run.running if now - test.start >= LONG_TEST and _placed(test, trace)}
        tests = [running_marker(trace, test) for key, test in long.items() if key not in self._marked]
        if tests:
            found += self.of_files(run, trace)
        self._marked = set(long)
        return found + tests

    def of_files(self, run: Run, trace: Trace) -> Iterable[Span]:
        """Of the files that are under way: each before its tests, and before the marker of one of these."""
        if run.files is None or trace.plan.per != "file":
            return
        begun = {(path, part): start for path, part, start in run.files.begun}
        for path, part in begun.keys() - self._files:
            yield file_spans.marker(trace, path, part, begun[path, part])
        self._files = set(begun)


def _key(test: RunningTest) -> tuple[str, str, int]:
    return test.worker, test.nodeid, test.number


def _placed(test: RunningTest, trace: Trace) -> bool:
    """The id of its span to come depends on the worker, which its first report tells."""
    return bool(test.worker) or not trace.session.workers


def _shows(run: Run, trace: Trace, now: int) -> bool:
    return bool(run.collected) or now - trace.session.time >= LONG_COLLECTION
