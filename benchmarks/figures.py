"""From samples to figures: medians, quartiles, and what they are measured against. Pure functions."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.peers import ALONE, OURS
from benchmarks.session import Sample
from benchmarks.suites import Suite


@dataclass(frozen=True)
class Figure:
    """A median and its spread: the quartiles of `number` values, or, where a docstring says so, another interval."""

    median: float
    low: float
    high: float
    number: int


def figure(values: Sequence[float]) -> Figure | None:
    """Median and quartiles (inclusive method); None without values."""
    if not values:
        return None
    if len(values) == 1:
        return Figure(values[0], values[0], values[0], 1)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Figure(statistics.median(values), low, high, len(values))


class Results:
    """The usable samples, by suite and peer."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        """Faulty samples stay in `faults`."""
        self.faults = [sample for sample in samples if sample.fault]
        self._good = [sample for sample in samples if not sample.fault]

    def of(self, suite: str, peer: str) -> list[Sample]:
        """The samples of one peer in one suite."""
        return [sample for sample in self._good if (sample.suite, sample.peer) == (suite, peer)]

    def peers(self, suite: str) -> list[str]:
        """Who ran."""
        return list(
            {sample.peer: None for sample in sorted(self._good, key=lambda one: one.turn) if sample.suite == suite}
        )

    def paired(self, suite: str, peer: str, compare: Callable[[Sample, Sample], float]) -> Figure | None:
        """`compare(the peer's, pytest's alone)` over the turns: neighbours in time, so that a drift cancels out."""
        alone = {sample.turn: sample for sample in self.of(suite, ALONE.name)}
        both = [(sample, alone[sample.turn]) for sample in self.of(suite, peer) if sample.turn in alone]
        return figure([compare(ours, theirs) for ours, theirs in both])

    def fastest(self, suite: str, peer: str, compare: Callable[[Sample, Sample], float]) -> float | None:
        """`compare(the peer's, pytest's alone)` of the fastest run of each: others' work can only make a run slower."""
        ours, alone = self.of(suite, peer), self.of(suite, ALONE.name)
        if not ours or not alone:
            return None
        return compare(*(min(samples, key=lambda sample: sample.wall) for samples in (ours, alone)))

    def single(self, suite: str, peer: str, value: Callable[[Sample], float]) -> Figure | None:
        """A figure of the peer alone."""
        return figure([value(sample) for sample in self.of(suite, peer)])


def wall_ratio(mine: Sample, alone: Sample) -> float:
    """Wall time as a multiple of pytest's alone."""
    return mine.wall / alone.wall


def cpu_ratio(mine: Sample, alone: Sample) -> float:
    """CPU time of all processes as a multiple of pytest's alone."""
    return mine.cpu / alone.cpu


def added_ms(mine: Sample, alone: Sample) -> float:
    """Wall time more than pytest's alone, in ms."""
    return (mine.wall - alone.wall) * 1e3


def added_loop_us(mine: Sample, alone: Sample, tests: int) -> float:
    """Time of the test loop more than pytest's alone, in µs a test: start-up and the end of the run are not in it."""
    return (mine.loop - alone.loop) * 1e6 / tests


def median_delay(sample: Sample) -> float:
    """Median time from a test's end to the arrival of its last span, in s."""
    return statistics.median(sample.delays) if sample.delays else float("inf")


def worst_delay(sample: Sample) -> float:
    """The longest of these times, in s."""
    return max(sample.delays, default=float("inf"))


def lost(suite: Suite, sample: Sample) -> int:
    """Tests of which not every span arrived."""
    return suite.tests - sample.complete


def quotient(upper: Sequence[float], lower: Sequence[float], draws: int = 2000) -> Figure | None:
    """Quotient of two medians; the spread is the middle 90 % of a bootstrap (resampling each side, fixed seed)."""
    if not upper or not lower:
        return None
    chance = random.Random(0)
    drawn = []
    for _ in range(draws):
        below = statistics.median(chance.choices(lower, k=len(lower)))
        drawn.append(statistics.median(chance.choices(upper, k=len(upper))) / below if below else float("inf"))
    drawn.sort()
    middle = statistics.median(lower)
    value = statistics.median(upper) / middle if middle else float("inf")
    return Figure(value, drawn[draws // 20], drawn[-draws // 20], min(len(upper), len(lower)))


def added_values(results: Results, suite: Suite) -> list[float]:
    """`added_loop_us` of pytest-otlp, turn by turn."""
    alone = {sample.turn: sample for sample in results.of(suite.name, ALONE.name)}
    mine = [sample for sample in results.of(suite.name, OURS.name) if sample.turn in alone]
    return [added_loop_us(sample, alone[sample.turn], suite.tests) for sample in mine]
