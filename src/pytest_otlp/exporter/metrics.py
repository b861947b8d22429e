"""Metrics of a run: cumulative, from what became final in it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import NamedTuple

from pytest_otlp import semconv
from pytest_otlp.exporter.records import HistogramPoint, Metric, MetricKind, NumberPoint
from pytest_otlp.exporter.run import Attempt, Final, Passed, Run, SessionClosed

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""s; the boundaries that the conventions advise for durations, continued for tests that take minutes."""
RUN_BOUNDS = (1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0)
_NANOSECONDS = 1e9


class _Number(NamedTuple):
    """What a metric of numbers says of itself."""

    name: str
    description: str
    unit: str
    kind: MetricKind


_RESULTS = _Number(semconv.METRIC_CASE_COUNT, "Tests that are over, by outcome", "{test}", MetricKind.COUNTER)
_ACTIVE = _Number(semconv.METRIC_CASE_ACTIVE, "Tests under way", "{test}", MetricKind.UP_DOWN_COUNTER)
_LAST_PROGRESS = _Number(
    semconv.METRIC_LAST_PROGRESS, "When a test was last over, in seconds since the epoch", "s", MetricKind.GAUGE
)
_FLAKY = _Number(semconv.METRIC_TESTS_FLAKY, "Tests that passed after a failed attempt", "{test}", MetricKind.COUNTER)
_COLLECTED = _Number(semconv.METRIC_TESTS_COLLECTED, "Tests that the run executes", "{test}", MetricKind.GAUGE)


class _Histogram:
    """Counts of values by bucket; a value on a bound falls below it, as OTLP has it."""

    __slots__ = ("bounds", "buckets", "largest", "smallest", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.smallest = float("inf")
        self.largest = 0.0

    def add(self, value: float) -> None:
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.sum += value
        if value < self.smallest:  # noqa: PLR1730  a call takes three times as long
            self.smallest = value
        if value > self.largest:  # noqa: PLR1730  a call takes three times as long
            self.largest = value

    def point(self, attributes: dict[str, str]) -> HistogramPoint:
        return HistogramPoint(attributes, sum(self.buckets), self.sum, self.smallest, self.largest, tuple(self.buckets))


class Tally:
    """What the metrics need of everything that became final so far."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter(dict.fromkeys(semconv.OUTCOMES, 0))
        self._flaky: Counter[str] = Counter()
        self._durations: dict[tuple[str, str], _Histogram] = {}
        self._run: tuple[str, _Histogram] | None = None

    def add(self, final: Final, run: Run) -> None:
        if isinstance(final, Attempt | Passed):
            self._add_attempt(final)
        elif isinstance(final, SessionClosed) and run.session is not None:
            histogram = _Histogram(RUN_BOUNDS)
            histogram.add((final.end - run.session.time) / _NANOSECONDS)
            self._run = (final.status, histogram)

    def _add_attempt(self, attempt: Attempt | Passed) -> None:
        self._outcomes[attempt.outcome] += 1
        suite = attempt.case.suite if attempt.case else ""
        key = (suite, semconv.RESULT_STATUS.get(attempt.outcome, "pass"))
        histogram = self._durations.get(key)
        if histogram is None:
            histogram = self._durations[key] = _Histogram(BOUNDS)
        histogram.add((attempt.end - attempt.start) / _NANOSECONDS)
        if attempt.flaky:
            self._flaky[suite] += 1

    def metrics(self, run: Run, time: int) -> list[Metric]:
        """All metrics as they stand at `time` (ns since the epoch)."""
        assert run.session is not None
        start = run.session.time
        outcomes = [NumberPoint({semconv.OUTCOME: outcome}, count) for outcome, count in self._outcomes.items()]
        progress = (run.last_progress or start) / _NANOSECONDS
        numbers: list[tuple[_Number, list[NumberPoint]]] = [
            (_RESULTS, outcomes),
            (_ACTIVE, [NumberPoint({}, run.active)]),
            (_LAST_PROGRESS, [NumberPoint({}, progress)]),
        ]
        if run.collected is not None:
            numbers.append((_COLLECTED, [NumberPoint({}, run.collected)]))
        if self._flaky:
            numbers.append((_FLAKY, [NumberPoint({semconv.SUITE_NAME: suite}, n) for suite, n in self._flaky.items()]))
        found = [Metric(*number, start, time, tuple(points)) for number, points in numbers]
        return [*found, *self._histograms(start, time)]

    def _histograms(self, start: int, time: int) -> list[Metric]:
        points = [
            histogram.point({semconv.SUITE_NAME: suite, semconv.CASE_RESULT_STATUS: status})
            for (suite, status), histogram in self._durations.items()
        ]
        found = []
        if points:
            description = "Duration of tests, setup and teardown included"
            kind = MetricKind.HISTOGRAM
            found.append(Metric(semconv.METRIC_CASE_DURATION, description, "s", kind, start, time, points, BOUNDS))
        if self._run is not None:
            status, histogram = self._run
            point = histogram.point({semconv.SUITE_RUN_STATUS: status})
            description, kind = "Duration of the run", MetricKind.HISTOGRAM
            found.append(Metric(semconv.METRIC_RUN_DURATION, description, "s", kind, start, time, [point], RUN_BOUNDS))
        return found
