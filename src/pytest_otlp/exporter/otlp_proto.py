"""Records as OTLP protobuf messages.

Field numbers are those of opentelemetry-proto 1.x (`trace/v1/trace.proto`, `metrics/v1/metrics.proto`,
`logs/v1/logs.proto`, `common/v1/common.proto`), which never change. The field `flags` is left unset: whether a parent
is remote is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct, calcsize, pack
from typing import Any, NamedTuple, cast

from pytest_otlp.exporter.records import (
    Attributes,
    HistogramPoint,
    Link,
    LogRecord,
    Metric,
    MetricKind,
    NumberPoint,
    Record,
    SharedSpan,
    Span,
    SpanEvent,
)
from pytest_otlp.exporter.text import decimal, plain_value
from pytest_otlp.exporter.wire import (
    FIXED64,
    LENGTH,
    VARINT,
    VARINTS,
    chunk,
    double,
    fixed64,
    signed_fixed64,
    tag,
    varint,
)
from pytest_otlp.version import __version__

SCOPE_NAME = "pytest-otlp"
SEVERITIES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""Short names of severity numbers, four numbers each, from 1 (logs data model, "Displaying Severity")."""

TRACE_ID_SIZE = 16
SPAN_ID_SIZE = 8
_TRACE_ID = varint(TRACE_ID_SIZE)
_SPAN_ID = varint(SPAN_ID_SIZE)


def encode_record(record: Record) -> bytes:
    """One record as an element of its scope's list.

    Raises where it has no form in OTLP: an id of a wrong length, a time outside of 64 bits.
    """
    return _ELEMENTS[type(record)](record)


def encode_request(resource: Attributes, records: Sequence[bytes]) -> bytes:
    """An export request of encoded records; the numbers of its fields are the same for each signal."""
    scope = chunk(_SCOPE_SCOPE, _SCOPE) + b"".join(records)
    of_resource = chunk(_RESOURCE, _attributes(_RESOURCE_ATTRIBUTE, resource)) + chunk(_RESOURCE_SCOPE, scope)
    return chunk(_REQUEST_RESOURCE, of_resource)


_REQUEST_RESOURCE = tag(1, LENGTH)
_RESOURCE = tag(1, LENGTH)
_RESOURCE_ATTRIBUTE = tag(1, LENGTH)
_RESOURCE_SCOPE = tag(2, LENGTH)
_SCOPE_SCOPE = tag(1, LENGTH)
_SCOPE_RECORD = tag(2, LENGTH)
_SCOPE = chunk(tag(1, LENGTH), SCOPE_NAME.encode()) + chunk(tag(2, LENGTH), __version__.encode())


def _text(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


# Attributes: common.proto


def _string(value: str) -> bytes:
    return chunk(_ANY_STRING, value.encode("utf-8", "backslashreplace"))


def _bool(value: bool) -> bytes:
    return _ANY_TRUE if value else _ANY_FALSE


def _int(value: int) -> bytes:
    if -(2**63) <= value < 2**63:
        return _ANY_INT + varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    return _string(decimal(value))


def _float(value: float) -> bytes:
    return _ANY_DOUBLE + double(value)


def _array(values: Sequence[Any]) -> bytes:
    return chunk(_ANY_ARRAY, b"".join([chunk(_ARRAY_VALUE, _value(value)) for value in values]))


def _value(value: Any) -> bytes:
    encode = _VALUES.get(type(value))
    return encode(value) if encode else _value(plain_value(value))


_ANY_STRING = tag(1, LENGTH)
_ANY_TRUE = tag(2, VARINT) + b"\1"
_ANY_FALSE = tag(2, VARINT) + b"\0"
_ANY_INT = tag(3, VARINT)
_ANY_DOUBLE = tag(4, FIXED64)
_ANY_ARRAY = tag(5, LENGTH)
_ARRAY_VALUE = tag(1, LENGTH)
_VALUES: dict[type, Callable[[Any], bytes]] = {
    str: _string,
    bool: _bool,
    int: _int,
    float: _float,
    list: _array,
    tuple: _array,
}


@lru_cache(maxsize=1024)
def _key(key: str) -> bytes:
    """A pair's key and the tag of its value."""
    return chunk(_PAIR_KEY, _text(key)) + _PAIR_VALUE


_PAIR_KEY = tag(1, LENGTH)
_PAIR_VALUE = tag(2, LENGTH)


def _attributes(field: bytes, attributes: Attributes) -> bytes:
    """The pairs of a mapping. Many are those of the mapping before it, and then not encoded again."""
    last = _last.get(field)
    if last is None:
        last = _last[field] = {}
    out = []
    for key, value in attributes.items():
        kind = type(value)
        known = last.get(key)
        if known is not None and known[0] is kind and known[1] == value:
            out.append(known[2])
            continue
        encoded = _pair(field, key, value)
        if kind in _REMEMBERED and len(encoded) < _SMALL:
            last[key] = kind, value, encoded
        out.append(encoded)
    return b"".join(out)


def _pair(field: bytes, key: str, value: Any) -> bytes:
    """The same as `chunk(field, chunk(_key(key), _value(value)))`, without calls for what most values are."""
    kind = type(value)
    if kind is str and len(value) < _SHORT:
        data = _text(value)
        return _before_text(field, key, len(data)) + data
    if kind is float:
        return _before_value(field, key, _DOUBLE_SIZE) + _ANY_DOUBLE + double(value)
    if kind is int and 0 <= value < len(VARINTS):
        number: bytes = VARINTS[value]
        return _before_value(field, key, 1 + len(number)) + _ANY_INT + number
    return chunk(field, chunk(_key(key), _value(value)))


@lru_cache(maxsize=4096)
def _before_text(field: bytes, key: str, size: int) -> bytes:
    """What stands before a text of so many bytes in a pair."""
    text = _ANY_STRING + varint(size)
    return _before_value(field, key, len(text) + size) + text


@lru_cache(maxsize=1024)
def _before_value(field: bytes, key: str, size: int) -> bytes:
    """The same for any value (an `AnyValue`)."""
    pair = _key(key) + varint(size)
    return field + varint(len(pair) + size) + pair


_last: dict[bytes, dict[str, tuple[type, object, bytes]]] = {}
"""By the mapping's field and the pair's key."""
_REMEMBERED = (str, bool, int)
"""Not sequences, which others may change, nor floats, of which 0.0 and -0.0 are equal."""
_SMALL = 512
_SHORT = 256
"""Characters: longer texts are of too many lengths to remember what stands before each."""
_DOUBLE_SIZE = 9


# Spans: trace.proto


def _span(span: Span) -> bytes:
    check_ids(span.trace_id, span.span_id)
    parts = [_SPAN_TRACE_ID, span.trace_id, _SPAN_SPAN_ID, span.span_id, _parent(span.parent_id)]
    parts += chunk(_SPAN_NAME, _text(span.name)), _KINDS[span.kind]
    parts += _SPAN_START, fixed64(span.start), _SPAN_END, fixed64(span.end)
    parts.append(_attributes(_SPAN_ATTRIBUTE, span.attributes))
    parts += [chunk(_SPAN_EVENT, _event(event)) for event in span.events]
    parts += [chunk(_SPAN_LINK, _link(link)) for link in span.links]
    if span.error is not None:
        parts.append(chunk(_SPAN_STATUS, chunk(_STATUS_MESSAGE, _text(span.error)) + _STATUS_ERROR))
    elif span.ok:
        parts.append(_SPAN_OK)
    if span.trace_state:
        parts.append(chunk(_SPAN_TRACE_STATE, _text(span.trace_state)))
    return b"".join(parts)


class _Known(NamedTuple):
    """Of spans that have much in common."""

    common: Span
    """Kept, so that its id stays its own."""
    before: bytes
    """What stands before the times."""
    after: bytes
    """What stands after them."""
    head: bytes
    """What stands before the ids of one that has no name, no attributes of its own, and a parent."""
    pack: Callable[..., bytes]
    """Puts such a one together."""


def _shared_span(shared: SharedSpan) -> bytes:
    """As an element of its scope's list."""
    common, trace_id, span_id, parent_id, start, end, name, attributes = shared
    known = _shared.get(id(common)) or _remember(common)
    _, before, after, head, pack = known
    check_ids(trace_id, span_id)
    if len(parent_id) == SPAN_ID_SIZE and not name and not attributes:
        ids = trace_id, _SPAN_SPAN_ID, span_id, _SPAN_PARENT, parent_id
        return pack(head, *ids, before, _START_TAG, start, _END_TAG, end, after)
    parts = [_SPAN_TRACE_ID, trace_id, _SPAN_SPAN_ID, span_id, _parent(parent_id)]
    if name:
        parts.append(chunk(_SPAN_NAME, _text(name)))
    parts += before, _SPAN_TIMES(_START_TAG, start, _END_TAG, end)
    parts += [_pair(_SPAN_ATTRIBUTE, key, value) for key, value in attributes.items()]
    parts.append(after)
    return chunk(_SCOPE_RECORD, b"".join(parts))


def _remember(common: Span) -> _Known:
    name = chunk(_SPAN_NAME, _text(common.name)) if common.name else b""
    state = chunk(_SPAN_TRACE_STATE, _text(common.trace_state)) if common.trace_state else b""
    before, after = name + _KINDS[common.kind], _attributes(_SPAN_ATTRIBUTE, common.attributes) + state
    ids = f"{TRACE_ID_SIZE}s{len(_SPAN_SPAN_ID)}s{SPAN_ID_SIZE}s{len(_SPAN_PARENT)}s{SPAN_ID_SIZE}s"
    rest = f"{ids}{len(before)}sBQBQ{len(after)}s"
    head = _SCOPE_RECORD + varint(len(_SPAN_TRACE_ID) + calcsize(f"<{rest}")) + _SPAN_TRACE_ID
    if len(_shared) >= _MOST_SHARED:
        _shared.clear()
    known = _shared[id(common)] = _Known(common, before, after, head, Struct(f"<{len(head)}s{rest}").pack)
    return known


_shared: dict[int, _Known] = {}
"""By the id of the span that is common."""
_MOST_SHARED = 512


def check_ids(trace_id: bytes, span_id: bytes) -> None:
    """Raises ValueError where they are no ids: an endpoint would throw away the whole batch."""
    if len(trace_id) != TRACE_ID_SIZE or len(span_id) != SPAN_ID_SIZE:
        raise ValueError("an id of a wrong length")


def check_parent(span_id: bytes) -> None:
    """Raises ValueError where it is neither an id nor empty."""
    if len(span_id) not in (0, SPAN_ID_SIZE):
        raise ValueError("a parent's id of a wrong length")


def _parent(span_id: bytes) -> bytes:
    check_parent(span_id)
    return _SPAN_PARENT + span_id if span_id else b""


def _event(event: SpanEvent) -> bytes:
    time = _EVENT_TIME + fixed64(event.time)
    return time + chunk(_EVENT_NAME, _text(event.name)) + _attributes(_EVENT_ATTRIBUTE, event.attributes)


def _link(link: Link) -> bytes:
    check_ids(link.trace_id, link.span_id)
    ids = _LINK_TRACE_ID + link.trace_id + _LINK_SPAN_ID + link.span_id
    return ids + _attributes(_LINK_ATTRIBUTE, link.attributes)


_SPAN_TRACE_ID = tag(1, LENGTH) + _TRACE_ID
_SPAN_SPAN_ID = tag(2, LENGTH) + _SPAN_ID
_SPAN_TRACE_STATE = tag(3, LENGTH)
_SPAN_PARENT = tag(4, LENGTH) + _SPAN_ID
_SPAN_NAME = tag(5, LENGTH)
_KINDS = [tag(6, VARINT) + bytes([kind]) for kind in range(6)]
_SPAN_START = tag(7, FIXED64)
_SPAN_END = tag(8, FIXED64)
_START_TAG, _END_TAG = _SPAN_START[0], _SPAN_END[0]
_SPAN_TIMES = Struct("<BQBQ").pack
_SPAN_ATTRIBUTE = tag(9, LENGTH)
_SPAN_EVENT = tag(11, LENGTH)
_SPAN_LINK = tag(13, LENGTH)
_SPAN_STATUS = tag(15, LENGTH)
_SPAN_OK = chunk(_SPAN_STATUS, tag(3, VARINT) + b"\1")
_EVENT_TIME = tag(1, FIXED64)
_EVENT_NAME = tag(2, LENGTH)
_EVENT_ATTRIBUTE = tag(3, LENGTH)
_LINK_TRACE_ID = tag(1, LENGTH) + _TRACE_ID
_LINK_SPAN_ID = tag(2, LENGTH) + _SPAN_ID
_LINK_ATTRIBUTE = tag(4, LENGTH)
_STATUS_MESSAGE = tag(2, LENGTH)
_STATUS_ERROR = tag(3, VARINT) + b"\2"


# Log records: logs.proto


def _log_record(record: LogRecord) -> bytes:
    time = fixed64(record.time)
    parts = [_LOG_TIME, time, _LOG_OBSERVED_TIME, time, _LOG_SEVERITY, varint(record.severity)]
    parts.append(chunk(_LOG_SEVERITY_TEXT, _text(severity_text(record.severity))))
    if record.body:
        parts.append(chunk(_LOG_BODY, _string(record.body)))
    parts.append(_attributes(_LOG_ATTRIBUTE, record.attributes))
    if record.trace_id:
        parts += _LOG_TRACE_ID, record.trace_id
    if record.span_id:
        check_ids(record.trace_id, record.span_id)
        parts += _LOG_SPAN_ID, record.span_id
    if record.event_name:
        parts.append(chunk(_LOG_EVENT_NAME, _text(record.event_name)))
    return b"".join(parts)


def severity_text(number: int) -> str:
    """The short name of a severity number from 1 to 24: 9 is INFO, 10 is INFO2. Raises ValueError for others."""
    if not 1 <= number <= 4 * len(SEVERITIES):
        raise ValueError(f"no severity {number}")
    name, step = divmod(number - 1, 4)
    return SEVERITIES[name] + (str(step + 1) if step else "")


_LOG_TIME = tag(1, FIXED64)
_LOG_SEVERITY = tag(2, VARINT)
_LOG_SEVERITY_TEXT = tag(3, LENGTH)
_LOG_BODY = tag(5, LENGTH)
_LOG_ATTRIBUTE = tag(6, LENGTH)
_LOG_TRACE_ID = tag(9, LENGTH) + _TRACE_ID
_LOG_SPAN_ID = tag(10, LENGTH) + _SPAN_ID
_LOG_OBSERVED_TIME = tag(11, FIXED64)
_LOG_EVENT_NAME = tag(12, LENGTH)


# Metrics: metrics.proto


def _metric(metric: Metric) -> bytes:
    head = chunk(_METRIC_NAME, _text(metric.name)) + chunk(_METRIC_DESCRIPTION, _text(metric.description))
    unit = chunk(_METRIC_UNIT, _text(metric.unit))
    field, after = _METRIC_DATA[metric.kind]
    return head + unit + chunk(field, b"".join([chunk(_DATA_POINT, point) for point in _points(metric)]) + after)


def _points(metric: Metric) -> list[bytes]:
    times = (b"" if metric.kind is MetricKind.GAUGE else _POINT_START + fixed64(metric.start)) + _POINT_TIME
    times += fixed64(metric.time)
    if metric.kind is MetricKind.HISTOGRAM:
        bounds = chunk(_POINT_BOUNDS, pack(f"<{len(metric.bounds)}d", *metric.bounds))
        points = cast("Sequence[HistogramPoint]", metric.points)
        return [times + bounds + _histogram_point(point, len(metric.bounds)) for point in points]
    return [times + _number_point(point) for point in cast("Sequence[NumberPoint]", metric.points)]


def _number_point(point: NumberPoint) -> bytes:
    value = point.value
    number = _POINT_DOUBLE + double(value) if isinstance(value, float) else _POINT_INT + signed_fixed64(value)
    return number + _attributes(_POINT_ATTRIBUTE, point.attributes)


def _histogram_point(point: HistogramPoint, bounds: int) -> bytes:
    if len(point.bucket_counts) != bounds + 1:
        raise ValueError("one more bucket than bounds is needed")
    counts = pack(f"<{bounds + 1}Q", *point.bucket_counts)
    parts = [_POINT_COUNT, fixed64(point.number), _POINT_SUM, double(point.sum), chunk(_POINT_BUCKETS, counts)]
    parts.append(_attributes(_HISTOGRAM_ATTRIBUTE, point.attributes))
    if point.number:
        parts += _POINT_MIN, double(point.min), _POINT_MAX, double(point.max)
    return b"".join(parts)


_METRIC_NAME = tag(1, LENGTH)
_METRIC_DESCRIPTION = tag(2, LENGTH)
_METRIC_UNIT = tag(3, LENGTH)
_CUMULATIVE = tag(2, VARINT) + b"\2"
_MONOTONIC = tag(3, VARINT) + b"\1"
_METRIC_DATA = {
    MetricKind.GAUGE: (tag(5, LENGTH), b""),
    MetricKind.COUNTER: (tag(7, LENGTH), _CUMULATIVE + _MONOTONIC),
    MetricKind.UP_DOWN_COUNTER: (tag(7, LENGTH), _CUMULATIVE),
    MetricKind.HISTOGRAM: (tag(9, LENGTH), _CUMULATIVE),
}
_DATA_POINT = tag(1, LENGTH)
_POINT_START = tag(2, FIXED64)
_POINT_TIME = tag(3, FIXED64)
_POINT_DOUBLE = tag(4, FIXED64)
_POINT_INT = tag(6, FIXED64)
_POINT_ATTRIBUTE = tag(7, LENGTH)
_POINT_COUNT = tag(4, FIXED64)
_POINT_SUM = tag(5, FIXED64)
_POINT_BUCKETS = tag(6, LENGTH)
_POINT_BOUNDS = tag(7, LENGTH)
_POINT_MIN = tag(11, FIXED64)
_POINT_MAX = tag(12, FIXED64)
_HISTOGRAM_ATTRIBUTE = tag(9, LENGTH)


_ELEMENTS: dict[type, Callable[[Any], bytes]] = {
    Span: lambda span: chunk(_SCOPE_RECORD, _span(span)),
    SharedSpan: _shared_span,
    LogRecord: lambda record: chunk(_SCOPE_RECORD, _log_record(record)),
    Metric: lambda metric: chunk(_SCOPE_RECORD, _metric(metric)),
}
