from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given

from pytest_otlp import events
from pytest_otlp.events import Case, SessionFinished
from pytest_otlp.exporter.metrics import BOUNDS, RUN_BOUNDS, Tally
from pytest_otlp.exporter.records import HistogramPoint, Metric, MetricKind, NumberPoint
from pytest_otlp.exporter.run import Attempt, Passed, Run
from support import model
from support.model import BEGIN, Plan, a_session, a_test

SECOND = 1_000_000_000
NOW = BEGIN + 90 * SECOND


def measured(*told: events.Event) -> dict[str, Metric]:
    tally, run = Tally(), Run()
    for event in [a_session(), *told]:
        for final in run.apply(event):
            tally.add(final, run)
    return {metric.name: metric for metric in tally.metrics(run, NOW)}


def values(metric: Metric) -> dict[str, float]:
    """The numbers by the value of their only attribute."""
    return {
        str(next(iter(point.attributes.values()), "")): point.value
        for point in metric.points
        if isinstance(point, NumberPoint)
    }


def test_every_outcome_begins_with_zero() -> None:
    """So that the first failure counts as an increase."""
    metric = measured()["test.case.result.count"]
    words = ["passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun", "interrupted", "crashed"]
    assert values(metric) == dict.fromkeys(words, 0)
    assert all(set(point.attributes) == {"pytest.outcome"} for point in metric.points)
    assert (metric.kind, metric.unit, metric.start, metric.time) == (MetricKind.COUNTER, "{test}", BEGIN, NOW)


def test_outcomes_are_counted() -> None:
    told = [*a_test(1), *a_test(2), *a_test(3, "", "failed", ""), *a_test(4, "", "strange", "")]
    assert +Counter(values(measured(*told)["test.case.result.count"])) == {"passed": 2, "failed": 1, "strange": 1}


def test_what_runs() -> None:
    started, over = a_test(1)
    running, done = measured(started)["test.case.active"], measured(started, over)["test.case.active"]
    assert (running.points, done.points) == ((NumberPoint({}, 1),), (NumberPoint({}, 0),))
    assert running.kind is MetricKind.UP_DOWN_COUNTER


def test_progress_is_the_end_of_the_last_test() -> None:
    assert values(measured()["pytest.run.last_progress"]) == {"": BEGIN / 1e9}
    told = [*a_test(1, start=BEGIN + SECOND), *a_test(2)]
    assert values(measured(*told)["pytest.run.last_progress"]) == {"": (BEGIN + SECOND + 3_000_000) / 1e9}


def test_collected_is_told_when_it_is_known() -> None:
    assert "pytest.tests.collected" not in measured()
    assert values(measured(events.TestsCollected(BEGIN, 17))["pytest.tests.collected"]) == {"": 17}


def test_flaky_tests_by_suite_once_there_is_one() -> None:
    case = Case("a.py", 1, "t", "a.py")
    started, over = a_test(1, "", "rerun", "")
    assert isinstance(started, events.TestStarted)
    first = [started._replace(case=case), over]
    assert "pytest.tests.flaky" not in measured(*first)
    metric = measured(*first, a_test(1)[1])["pytest.tests.flaky"]
    assert metric.points == (NumberPoint({"test.suite.name": "a.py"}, 1),)
    assert (metric.kind, metric.unit) == (MetricKind.COUNTER, "{test}")


def test_durations_by_suite_and_status() -> None:
    case = Case("a.py", 1, "t", "a.py")
    started, over = a_test(1)
    assert isinstance(started, events.TestStarted)
    metric = measured(started._replace(case=case), over, *a_test(2, "", "failed", ""))["test.case.duration"]
    assert (metric.kind, metric.unit, metric.bounds) == (MetricKind.HISTOGRAM, "s", BOUNDS)
    first, second = metric.points
    assert first == HistogramPoint(
        {"test.suite.name": "a.py", "test.case.result.status": "pass"}, 1, 0.003, 0.003, 0.003, (1, *[0] * 14)
    )
    assert second.attributes == {"test.suite.name": "", "test.case.result.status": "fail"}


@pytest.mark.parametrize(("seconds", "bucket"), [(0.5, 0), (1.0, 0), (1.5, 1), (30.0, 3), (20_000.0, 11)])
def test_duration_of_the_run(seconds: float, bucket: int) -> None:
    """A value on a bound falls below it."""
    end = BEGIN + int(seconds * SECOND)
    metric = measured(SessionFinished(end, 1, 0, None, 0))["test.suite.run.duration"]
    (point,) = metric.points
    assert isinstance(point, HistogramPoint)
    assert point.attributes == {"test.suite.run.status": "failure"}
    assert (point.number, point.sum, point.min, point.max) == (1, seconds, seconds, seconds)
    assert [number for number, count in enumerate(point.bucket_counts) if count] == [bucket]
    assert len(point.bucket_counts) == len(RUN_BOUNDS) + 1
    assert metric.bounds == RUN_BOUNDS


def test_a_run_under_way_has_no_duration() -> None:
    assert "test.suite.run.duration" not in measured(*a_test(1))


@given(model.plans())
def test_any_run(plan: Plan) -> None:
    """All is consistent, and no point goes back."""
    tally, run = Tally(), Run()
    earlier: Counter[str] = Counter()
    attempts = 0
    for event in plan.in_sequence():
        for final in run.apply(event):
            tally.add(final, run)
            attempts += isinstance(final, Attempt | Passed)
        found = {metric.name: metric for metric in tally.metrics(run, NOW)}
        counts = Counter(values(found["test.case.result.count"]))
        assert all(counts[word] >= number for word, number in earlier.items())
        assert counts.total() == attempts == _counted(found.get("test.case.duration"))
        earlier = counts
    assert values(found["test.case.active"]) == {"": 0}


def _counted(metric: Metric | None) -> int:
    points = [point for point in metric.points if isinstance(point, HistogramPoint)] if metric else []
    assert all(point.number == sum(point.bucket_counts) for point in points)
    assert all(point.min * point.number <= point.sum * 1.001 and point.min <= point.max for point in points)
    return sum(point.number for point in points)


def test_bounds_rise() -> None:
    assert all(low < high for bounds in (BOUNDS, RUN_BOUNDS) for low, high in pairwise(bounds))
