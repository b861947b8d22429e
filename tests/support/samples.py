"""Records as a run makes them."""

from __future__ import annotations

from pytest_otlp.exporter.records import (
    Attributes,
    HistogramPoint,
    Link,
    LogRecord,
    Metric,
    MetricKind,
    NumberPoint,
    Span,
    SpanEvent,
)

TRACE_ID = bytes(range(16))
TIME = 1_700_000_000_000_000_000
RESOURCE: Attributes = {"service.name": "shop", "process.pid": 42}


def span(
    number: int = 1,
    parent: int = 0,
    name: str = "tests/test_cart.py::test_total",
    attributes: Attributes | None = None,
    error: str | None = None,
) -> Span:
    """A span of 5 ms, each number 10 ms after the one before it."""
    start = TIME + number * 10_000_000
    own, above = number.to_bytes(8, "big"), parent.to_bytes(8, "big") if parent else b""
    return Span(TRACE_ID, own, above, name, start, start + 5_000_000, attributes or {}, error)


FULL_SPAN = Span(
    trace_id=TRACE_ID,
    span_id=b"\x01" * 8,
    parent_id=b"\x02" * 8,
    name="tests/test_cart.py::test_total[€]",
    start=TIME,
    end=TIME + 1000,
    attributes={
        "text": "née",
        "flag": True,
        "off": False,
        "number": -12,
        "zero": 0,
        "large": 2**62,
        "ratio": 0.5,
        "texts": ["a", "b"],
        "numbers": (1, 2),
        "empty": [],
    },
    error="AssertionError: 1 == 2",
    events=(SpanEvent("exception", TIME + 500, {"exception.type": "AssertionError"}),),
    links=(Link(b"\x03" * 16, b"\x04" * 8, {"why": "a test's own trace"}),),
    trace_state="vendor=value",
)

EVENT = LogRecord(TIME, "test.case.finished", 17, "failed", {"test.case.name": "t"}, TRACE_ID, b"\x01" * 8)
PLAIN_LOG = LogRecord(TIME + 1, "", 10, "", {})

COUNTER = Metric(
    "test.case.result.count",
    "Tests that ended",
    "{test}",
    MetricKind.COUNTER,
    TIME,
    TIME + 5,
    [NumberPoint({"pytest.outcome": "passed"}, 7), NumberPoint({"pytest.outcome": "failed"}, 0)],
)
UP_DOWN = Metric("test.case.active", "", "{test}", MetricKind.UP_DOWN_COUNTER, TIME, TIME + 5, [NumberPoint({}, -2)])
GAUGE = Metric("pytest.run.last_progress", "", "s", MetricKind.GAUGE, TIME, TIME + 5, [NumberPoint({}, 1.5)])
HISTOGRAM = Metric(
    "test.case.duration",
    "Duration of tests",
    "s",
    MetricKind.HISTOGRAM,
    TIME,
    TIME + 5,
    [
        HistogramPoint({"test.suite.name": "a"}, 3, 0.6, 0.1, 0.3, [1, 2, 0]),
        HistogramPoint({}, 0, 0.0, 0.0, 0.0, [0, 0, 0]),
    ],
    bounds=[0.1, 1.0],
)
METRICS = [COUNTER, UP_DOWN, GAUGE, HISTOGRAM]
