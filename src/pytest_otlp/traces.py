"""Which trace a test's spans belong to: every process finds the same answer, so that no id has to be passed around."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from zlib import crc32

from pytest_otlp.namedtuple import NamedTuple
from pytest_otlp.nodeids import file_of

MOST_TESTS = 2_000
"""In one trace: Tempo cuts a trace at 5 MB without a word, and pages grow slow long before their limit."""


class Plan(NamedTuple):
    """How a run is divided into traces."""

    per: str = "run"
    """`run` (one trace for all), `file` or `test`."""
    tests: Mapping[str, int] = MappingProxyType({})
    """How many tests each file has; not counted where one trace holds all."""

    @property
    def whole(self) -> bool:
        return self.per == "run"

    def parts(self, path: str) -> int:
        """How many traces the tests of one file take."""
        return max(1, -(-self.tests.get(path, 0) // MOST_TESTS)) if self.per == "file" else 1

    def part_of(self, path: str, nodeid: str) -> int:
        """Which of its file's a test is in, from 0: by its name, since workers run the tests of a file in any order."""
        if self.per != "file":
            return 0
        if self.tests.get(path, 0) <= MOST_TESTS:
            return 0
        parts = self.parts(path)
        return crc32(nodeid.encode("utf-8", "surrogatepass")) % parts if parts > 1 else 0

    def key_of(self, worker: str, nodeid: str, attempt: int) -> tuple[str, ...]:
        """What the trace's id is derived from, beside the run's id; empty for the run's own trace."""
        if self.whole:
            return ()
        if self.per == "test":
            return "test", worker, nodeid, str(attempt)
        path = file_of(nodeid)
        return key_of_file(path, self.part_of(path, nodeid))


WHOLE = Plan()


def key_of_file(path: str, part: int) -> tuple[str, ...]:
    return "file", path, str(part)


def plan(per: str, nodeids: Sequence[str], copies: int) -> Plan:
    """The plan for the tests that were collected, each of which runs `copies` times (xdist's `--dist=each`)."""
    if per == "auto":
        per = "run" if len(nodeids) * copies <= MOST_TESTS else "file"
    if per == "run":
        return WHOLE
    tests = Counter(file_of(nodeid) for nodeid in dict.fromkeys(nodeids))
    return Plan(per, {path: number * copies for path, number in tests.items()})
