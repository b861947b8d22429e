"""How much a trace holds below its tests' phases: what is beyond that is counted instead of told.

How many tests a trace has is decided before they run. Their fixtures, subtests and steps are known as they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from pytest_otlp.events import Fixture, Phase, Step, Subtest
from pytest_otlp.traces import Plan

MOST_DETAILS = 10_000
"""Spans of fixtures, subtests and steps in one trace: with those of 2,000 tests and their phases it stays below
20,000 spans and about 4 MB, which backends still store and show."""
FOR_FAILURES = 1_500
"""Beyond that, for those that failed."""

_Detail = TypeVar("_Detail", Fixture, Step, Subtest)


class Room:
    """Of the traces of one run."""

    def __init__(self, plan: Plan) -> None:
        self.left_out = 0
        self._plan = plan
        self._taken: Counter[tuple[str, ...]] = Counter()

    def fit(self, worker: str, nodeid: str, attempt: int, phases: Sequence[Phase]) -> tuple[tuple[Phase, ...], int]:
        """The phases of an attempt with what still has room in its trace, and how much had not."""
        if not any(phase.fixtures or phase.subtests or phase.steps for phase in phases):
            return tuple(phases), 0
        if self._plan.per == "test":
            self._taken.clear()
        key = self._plan.key_of(worker, nodeid, attempt)
        before = self.left_out
        fitting = tuple(
            phase._replace(
                fixtures=tuple(self._fitting(key, phase.fixtures)),
                subtests=tuple(self._fitting(key, phase.subtests)),
                steps=tuple(self._fitting(key, phase.steps)),
            )
            for phase in phases
        )
        return fitting, self.left_out - before

    def _fitting(self, key: tuple[str, ...], details: Iterable[_Detail]) -> Iterable[_Detail]:
        for detail in details:
            if self._taken[key] < MOST_DETAILS + (FOR_FAILURES if detail.failure is not None else 0):
                self._taken[key] += 1
                yield detail
            else:
                self.left_out += 1
