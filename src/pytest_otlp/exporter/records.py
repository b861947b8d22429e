"""What the exporter sends, before it has a wire format: spans, log records and metrics as plain records.

Times are nanoseconds since the Unix epoch. Attribute values are OpenTelemetry's: str, bool, int, float, or a
sequence of one of them.
"""

# No `from __future__ import annotations`: see `pytest_otlp.events`.

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, TypeAlias

AttributeValue: TypeAlias = str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]
Attributes: TypeAlias = Mapping[str, AttributeValue]


class Signal(Enum):
    """An OTLP signal; the value is the path that OTLP/HTTP appends to a base endpoint (`v1/<value>`)."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


class SpanEvent(NamedTuple):
    name: str
    time: int
    attributes: Attributes


class Link(NamedTuple):
    """A pointer to a span of another trace."""

    trace_id: bytes
    span_id: bytes
    attributes: Attributes


class Span(NamedTuple):
    """One finished span, in the only form in which it is ever sent."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    """Empty for a span without a parent."""
    name: str
    start: int
    end: int
    attributes: Attributes
    error: str | None = None
    """None leaves the status unset; a text (also an empty one) is status ERROR with that description."""
    events: Sequence[SpanEvent] = ()
    links: Sequence[Link] = ()
    trace_state: str = ""
    kind: int = 1
    """SpanKind of OTLP; ours are all INTERNAL."""
    ok: bool = False
    """Status OK, which is left to the application."""


class SharedSpan(NamedTuple):
    """A span that has much in common with others: what is common is encoded once."""

    common: Span
    """What is common, in a span that stays the same object; its ids and times do not count."""
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start: int
    end: int
    name: str = ""
    """Empty where it is the common one."""
    attributes: Attributes = {}  # noqa: RUF012  nobody changes it
    """Beside the common ones."""


def whole(span: Span | SharedSpan) -> Span:
    """The same span, all in one."""
    if isinstance(span, Span):
        return span
    common, trace_id, span_id, parent_id, start, end, name, attributes = span
    return common._replace(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        start=start,
        end=end,
        name=name or common.name,
        attributes={**attributes, **common.attributes},
    )


class LogRecord(NamedTuple):
    time: int
    event_name: str
    """Empty for a plain log record."""
    severity: int
    """SeverityNumber of the logs data model: 9 INFO, 13 WARN, 17 ERROR."""
    body: str
    attributes: Attributes
    trace_id: bytes = b""
    span_id: bytes = b""


class NumberPoint(NamedTuple):
    attributes: Attributes
    value: int | float


class HistogramPoint(NamedTuple):
    attributes: Attributes
    number: int
    """Of values."""
    sum: float
    min: float
    max: float
    bucket_counts: Sequence[int]
    """One more than the bounds of the metric."""


class MetricKind(Enum):
    COUNTER = "counter"
    UP_DOWN_COUNTER = "up-down counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """A metric with its cumulative points; `start` and `time` hold for all of them."""

    name: str
    description: str
    unit: str
    kind: MetricKind
    start: int
    time: int
    points: Sequence[NumberPoint | HistogramPoint]
    bounds: Sequence[float] = ()
    """Explicit bucket bounds, of a histogram only."""


Record: TypeAlias = Span | SharedSpan | LogRecord | Metric
