"""Records as OTLP/JSON, one request a line, as the Collector's file exporter writes them.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids in hexadecimal, enumerations as numbers, 64-bit
integers as texts, names in lowerCamelCase.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from pytest_otlp.exporter.encode import Format
from pytest_otlp.exporter.otlp_proto import SCOPE_NAME, check_ids, check_parent, severity_text
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
    Signal,
    Span,
    SpanEvent,
    whole,
)
from pytest_otlp.exporter.text import decimal, plain_value
from pytest_otlp.version import __version__

LONGEST_LINE = 1_000_000
"""Bytes: the Collector's receiver of such files reads lines of 1 MiB, unless told otherwise."""

_Json = dict[str, Any]


def json_lines(signal: Signal) -> Format:
    """The format of one signal's lines."""
    return Format(encode_record, lambda resource, records: _line(signal, resource, records), LONGEST_LINE)


def encode_record(record: Record) -> bytes:
    """Raises where it has no form in OTLP."""
    return _dumped(_OBJECTS[type(record)](record))


def _line(signal: Signal, resource: Attributes, records: Sequence[bytes]) -> bytes:
    outer, scopes, inner = _LISTS[signal]
    head = _dumped({"attributes": _attributes(resource)})
    return b"".join(
        [
            b'{"%b":[{"resource":%b,"%b":[{"scope":%b,"%b":[' % (outer, head, scopes, _SCOPE, inner),
            b",".join(records),
            b"]}]}]}\n",
        ]
    )


_LISTS = {
    Signal.TRACES: (b"resourceSpans", b"scopeSpans", b"spans"),
    Signal.METRICS: (b"resourceMetrics", b"scopeMetrics", b"metrics"),
    Signal.LOGS: (b"resourceLogs", b"scopeLogs", b"logRecords"),
}


def _dumped(value: Any) -> bytes:
    text = _dumps(value)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _dumps(_without_surrogates(value)).encode()


_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_SCOPE = _dumped({"name": SCOPE_NAME, "version": __version__})


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def _attributes(attributes: Attributes) -> list[_Json]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> _Json:
    convert = _VALUES.get(type(value))
    return convert(value) if convert else _value(plain_value(value))


def _int(value: int) -> _Json:
    return {"intValue" if -(2**63) <= value < 2**63 else "stringValue": decimal(value)}


def _array(values: Sequence[Any]) -> _Json:
    return {"arrayValue": {"values": [_value(value) for value in values]}}


def _double(value: float) -> float | str:
    if isfinite(value):
        return value
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[str(value)]


_VALUES: Mapping[type, Callable[[Any], _Json]] = {
    str: lambda value: {"stringValue": value},
    bool: lambda value: {"boolValue": value},
    int: _int,
    float: lambda value: {"doubleValue": _double(value)},
    list: _array,
    tuple: _array,
}


def _uint64(number: int) -> str:
    if not 0 <= number < 2**64:
        raise ValueError("outside of 64 bits")
    return str(number)


def _span(span: Span) -> _Json:
    check_ids(span.trace_id, span.span_id)
    check_parent(span.parent_id)
    parts: _Json = {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
    if span.trace_state:
        parts["traceState"] = span.trace_state
    parts["parentSpanId"] = span.parent_id.hex()
    parts |= {"name": span.name, "kind": span.kind}
    parts |= {"startTimeUnixNano": _uint64(span.start), "endTimeUnixNano": _uint64(span.end)}
    parts["attributes"] = _attributes(span.attributes)
    if span.events:
        parts["events"] = [_event(event) for event in span.events]
    if span.links:
        parts["links"] = [_link(link) for link in span.links]
    parts["status"] = _status(span)
    return parts


def _status(span: Span) -> _Json:
    if span.error is not None:
        return {"message": span.error, "code": 2}
    return {"code": 1} if span.ok else {}


def _event(event: SpanEvent) -> _Json:
    return {"timeUnixNano": _uint64(event.time), "name": event.name, "attributes": _attributes(event.attributes)}


def _link(link: Link) -> _Json:
    check_ids(link.trace_id, link.span_id)
    ids = {"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()}
    return {**ids, "attributes": _attributes(link.attributes)}


def _log_record(record: LogRecord) -> _Json:
    time = _uint64(record.time)
    parts: _Json = {"timeUnixNano": time, "observedTimeUnixNano": time}
    parts |= {"severityNumber": record.severity, "severityText": severity_text(record.severity)}
    if record.body:
        parts["body"] = {"stringValue": record.body}
    parts["attributes"] = _attributes(record.attributes)
    if record.trace_id:
        parts |= {"traceId": record.trace_id.hex()}
    if record.span_id:
        check_ids(record.trace_id, record.span_id)
        parts |= {"spanId": record.span_id.hex()}
    if record.event_name:
        parts["eventName"] = record.event_name
    return parts


def _metric(metric: Metric) -> _Json:
    field, after = _METRIC_DATA[metric.kind]
    data = {"dataPoints": [_point(metric, point) for point in metric.points], **after}
    return {"name": metric.name, "description": metric.description, "unit": metric.unit, field: data}


_METRIC_DATA: Mapping[MetricKind, tuple[str, _Json]] = {
    MetricKind.GAUGE: ("gauge", {}),
    MetricKind.COUNTER: ("sum", {"aggregationTemporality": 2, "isMonotonic": True}),
    MetricKind.UP_DOWN_COUNTER: ("sum", {"aggregationTemporality": 2}),
    MetricKind.HISTOGRAM: ("histogram", {"aggregationTemporality": 2}),
}


def _point(metric: Metric, point: NumberPoint | HistogramPoint) -> _Json:
    parts: _Json = {"attributes": _attributes(point.attributes)}
    if metric.kind is not MetricKind.GAUGE:
        parts["startTimeUnixNano"] = _uint64(metric.start)
    parts["timeUnixNano"] = _uint64(metric.time)
    return parts | (_number(point) if isinstance(point, NumberPoint) else _histogram(point, metric.bounds))


def _number(point: NumberPoint) -> _Json:
    if isinstance(point.value, float):
        return {"asDouble": _double(point.value)}
    if not -(2**63) <= point.value < 2**63:
        raise ValueError("outside of 64 bits")
    return {"asInt": str(point.value)}


def _histogram(point: HistogramPoint, bounds: Sequence[float]) -> _Json:
    if len(point.bucket_counts) != len(bounds) + 1:
        raise ValueError("one more bucket than bounds is needed")
    parts: _Json = {"count": _uint64(point.number), "sum": _double(point.sum)}
    parts["bucketCounts"] = [_uint64(count) for count in point.bucket_counts]
    parts["explicitBounds"] = [_double(bound) for bound in bounds]
    if point.number:
        parts |= {"min": _double(point.min), "max": _double(point.max)}
    return parts


_OBJECTS: Mapping[type, Callable[[Any], _Json]] = {
    Span: _span,
    SharedSpan: lambda span: _span(whole(span)),
    LogRecord: _log_record,
    Metric: _metric,
}
