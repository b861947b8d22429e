"""What pytest-otlp is to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks import figures
from benchmarks.figures import Figure, Results
from benchmarks.peers import OURS
from benchmarks.session import Sample
from benchmarks.suites import Suite

Suites = Mapping[str, Suite]


@dataclass(frozen=True)
class Target:
    """One row. `low` to `high` are the bounds of the median; `digits` those shown after the point."""

    suites: tuple[str, ...]
    label: str
    measured: Callable[[Results, Suites], Figure | None]
    high: float
    low: float | None = None
    unit: str = ""
    digits: int = 2
    fastest: Callable[[Results], float | None] = lambda _: None
    """The same figure from the fastest runs, where it is one of time."""

    def reached(self, figure: Figure) -> bool:
        """Whether the median, as measured and not as rounded, is within the bounds."""
        return figure.median <= self.high and (self.low is None or figure.median >= self.low)


def _compared(
    suite: str, label: str, compare: Callable[[Sample, Sample], float], high: float, *, unit: str = "", digits: int = 2
) -> Target:
    """Held against pytest alone."""
    return Target(
        (suite,),
        label,
        lambda results, _: results.paired(suite, OURS.name, compare),
        high,
        unit=unit,
        digits=digits,
        fastest=lambda results: results.fastest(suite, OURS.name, compare),
    )


def _wall(suite: str) -> Target:
    return _compared(suite, "wall / pytest alone", figures.wall_ratio, 1.06)


def _added(suite: str, limit: float) -> Target:
    return _compared(suite, "wall added", figures.added_ms, limit, unit="ms", digits=1)


def _delay(label: str, value: Callable[[Sample], float], limit: float) -> Target:
    return Target(("latency",), label, lambda results, _: results.single("latency", OURS.name, value), limit, unit="s")


def _scale(results: Results, suites: Suites) -> Figure | None:
    large, small = (figures.added_values(results, suites[name]) for name in ("large", "small"))
    return figures.quotient(large, small)


def _lost(results: Results, suites: Suites) -> Figure | None:
    """Worst of every run that sends; not a median."""
    counts = [
        float(figures.lost(suite, sample))
        for suite in suites.values()
        if suite.on
        for sample in results.of(suite.name, OURS.name)
    ]
    return Figure(max(counts), min(counts), max(counts), len(counts)) if counts else None


TARGETS = (
    _wall("empty"),
    _compared("empty", "CPU of all processes / pytest alone", figures.cpu_ratio, 1.30),
    Target(
        ("empty",),
        "bytes a test on the wire, gzip",
        lambda results, suites: results.single("empty", OURS.name, lambda sample: sample.sent / suites["empty"].tests),
        90,
        unit="B",
        digits=1,
    ),
    _wall("fixtures"),
    _wall("xdist"),
    _added("off", 3),
    _added("one", 130),
    _delay("test's end to arrival, median", figures.median_delay, 0.3),
    _delay("test's end to arrival, worst", figures.worst_delay, 0.6),
    Target(("small", "large"), "added loop time a test, 20,000 tests / 500 tests", _scale, 1.10, low=0.90),
    Target((), "tests that did not arrive whole, worst run of all", _lost, 0, digits=0),
)
