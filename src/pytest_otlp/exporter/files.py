"""The files of a run that is more than one trace: which are under way, and what became of their tests."""

# No `from __future__ import annotations`: see `pytest_otlp.events`.

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pytest_otlp.nodeids import file_of
from pytest_otlp.traces import Plan

MOST_LINKS = 128
"""To the traces of single tests; the SDKs' limit too (`OTEL_SPAN_LINK_COUNT_LIMIT`)."""


class AttemptOver(NamedTuple):
    """What a file has to know of an attempt that is over."""

    nodeid: str
    worker: str
    number: int
    start: int
    end: int
    outcome: str
    categories: Sequence[str]
    """Under which pytest's summary counts it."""

    @property
    def bad(self) -> bool:
        return self.outcome in ("failed", "error", "crashed", "interrupted")


class FilePart(NamedTuple):
    """The tests of a file that are in one trace."""

    number: int
    start: int
    end: int
    counts: Counter[str]
    interrupted: int


class FileFinished(NamedTuple):
    """The tests of a file are over, or the run is."""

    path: str
    collected: int
    parts: tuple[FilePart, ...]
    tests: tuple[tuple[str, str, int], ...]
    """Worker, node id and attempt of those to link to, where each test has a trace of its own: failed ones first."""

    @property
    def whole(self) -> FilePart:
        counts = sum((part.counts for part in self.parts), Counter[str]())
        start, end = min(part.start for part in self.parts), max(part.end for part in self.parts)
        return FilePart(0, start, end, counts, sum(part.interrupted for part in self.parts))


class _Part:
    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self.counts: Counter[str] = Counter()
        self.interrupted = 0

    def add(self, test: AttemptOver) -> None:
        if test.start < self.start:  # noqa: PLR1730  a call takes three times as long
            self.start = test.start
        if test.end > self.end:  # noqa: PLR1730  a call takes three times as long
            self.end = test.end
        for category in test.categories:
            self.counts[category] += 1
        if test.outcome == "interrupted":
            self.interrupted += 1


class _File:
    def __init__(self, path: str, tests: int, *, divided: bool) -> None:
        self.path = path
        self.tests = tests
        self.divided = divided
        """Its tests may be in more than one part."""
        self.parts: dict[int, _Part] = {}
        self.over: set[tuple[str, str]] = set()
        self.bad: list[tuple[str, str, int]] = []
        self.good: list[tuple[str, str, int]] = []

    @property
    def complete(self) -> bool:
        return len(self.over) >= self.tests

    def finished(self, *, linked: bool) -> FileFinished:
        parts = [
            FilePart(number, part.start, part.end, part.counts, part.interrupted)
            for number, part in sorted(self.parts.items())
        ]
        tests = (*self.bad, *self.good)[:MOST_LINKS] if linked else ()
        return FileFinished(self.path, self.tests, tuple(parts), tests)


class Files:
    """The files of which tests have begun. A file is over when all its tests are, and a test of another one begins."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._linked = plan.per == "test"
        self._open: dict[str, _File] = {}
        self._complete: dict[str, _File] = {}
        """Of these, those whose tests are over."""
        self._closed: set[str] = set()

    def begin(self, nodeid: str, time: int) -> Iterable[FileFinished]:
        """A test begins: what is over with that.

        Not before: a plugin may run a test again that was reported as over.
        """
        path = file_of(nodeid)
        file = self._open.get(path)
        if file is None and path not in self._closed:
            divided = self._plan.parts(path) > 1
            file = self._open[path] = _File(path, self._plan.tests.get(path, 0), divided=divided)
        if file is not None:
            self._part(file, nodeid, time)
        return [self._close(other) for other in tuple(self._complete.values()) if other is not file]

    def _part(self, file: _File, nodeid: str, start: int) -> _Part:
        number = self._plan.part_of(file.path, nodeid) if file.divided else 0
        part = file.parts.get(number)
        if part is None:
            part = file.parts[number] = _Part(start)
        return part

    def end(self, test: AttemptOver) -> None:
        file = self._open.get(file_of(test.nodeid))
        if file is None:
            return
        self._part(file, test.nodeid, test.start).add(test)
        if test.outcome != "rerun":
            file.over.add((test.worker, test.nodeid))
            if file.complete:
                self._complete[file.path] = file
        if self._linked:
            known = file.bad if test.bad else file.good
            if len(known) < MOST_LINKS:
                known.append((test.worker, test.nodeid, test.number))

    def close(self) -> Iterable[FileFinished]:
        """The run is over."""
        return [self._close(file) for file in list(self._open.values())]

    def _close(self, file: _File) -> FileFinished:
        del self._open[file.path]
        self._complete.pop(file.path, None)
        self._closed.add(file.path)
        return file.finished(linked=self._linked)

    @property
    def begun(self) -> Iterable[tuple[str, int, int]]:
        """Path, part and start of what is under way."""
        return [(file.path, number, part.start) for file in self._open.values() for number, part in file.parts.items()]
