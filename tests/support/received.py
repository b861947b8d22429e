"""What an OTLP receiver got, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1 import metrics_pb2


class ReceivedEvent(NamedTuple):
    name: str
    time: int
    attributes: dict[str, Any]


class ReceivedLink(NamedTuple):
    trace_id: str
    span_id: str
    attributes: dict[str, Any]


class ReceivedSpan(NamedTuple):
    """Ids in hexadecimal, an empty parent for none; times in nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    attributes: dict[str, Any]
    events: list[ReceivedEvent]
    links: list[ReceivedLink]
    status: int
    """0 unset, 1 ok, 2 error."""
    message: str
    kind: int
    trace_state: str
    resource: dict[str, Any]
    scope: tuple[str, str]
    arrival: int


@dataclass(frozen=True)
class ReceivedPoint:
    """A data point of a metric; a histogram's `value` is its sum."""

    attributes: dict[str, Any]
    value: float
    start: int
    time: int
    count: int = 0
    min: float = 0.0
    max: float = 0.0
    buckets: tuple[int, ...] = ()
    bounds: tuple[float, ...] = ()


class ReceivedMetric(NamedTuple):
    name: str
    description: str
    unit: str
    kind: Literal["gauge", "sum", "histogram"]
    monotonic: bool
    cumulative: bool
    points: list[ReceivedPoint]
    resource: dict[str, Any]
    arrival: int


class ReceivedLog(NamedTuple):
    event_name: str
    time: int
    severity: int
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    trace_id: str
    span_id: str
    resource: dict[str, Any]
    arrival: int


def value_of(value: AnyValue) -> Any:
    """An attribute's value as Python has it; None for an empty one."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes_of(value.kvlist_value.values)
    return getattr(value, kind)


def attributes_of(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    """Attributes as a dictionary; fails where a key stands twice, which OTLP forbids."""
    found = {pair.key: value_of(pair.value) for pair in pairs}
    assert len(found) == len(pairs), f"a key stands twice: {[pair.key for pair in pairs]}"
    return found


def spans_in(message: ExportTraceServiceRequest, arrival: int = 0) -> list[ReceivedSpan]:
    """The spans of a request, also of one that was read from a file."""
    return [
        ReceivedSpan(
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            name=span.name,
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            attributes=attributes_of(span.attributes),
            events=[ReceivedEvent(e.name, e.time_unix_nano, attributes_of(e.attributes)) for e in span.events],
            links=[
                ReceivedLink(li.trace_id.hex(), li.span_id.hex(), attributes_of(li.attributes)) for li in span.links
            ],
            status=span.status.code,
            message=span.status.message,
            kind=span.kind,
            trace_state=span.trace_state,
            resource=attributes_of(group.resource.attributes),
            scope=(scope.scope.name, scope.scope.version),
            arrival=arrival,
        )
        for group in message.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def metrics_in(message: ExportMetricsServiceRequest, arrival: int = 0) -> list[ReceivedMetric]:
    """The metrics of a request."""
    return [
        _metric(metric, attributes_of(group.resource.attributes), arrival)
        for group in message.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
    ]


def _metric(metric: metrics_pb2.Metric, resource: dict[str, Any], arrival: int) -> ReceivedMetric:
    kind = metric.WhichOneof("data")
    assert kind in ("gauge", "sum", "histogram"), kind
    data = getattr(metric, kind)
    return ReceivedMetric(
        name=metric.name,
        description=metric.description,
        unit=metric.unit,
        kind=kind,
        monotonic=kind == "sum" and data.is_monotonic,
        cumulative=kind != "gauge" and data.aggregation_temporality == metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE,
        points=[_histogram(p) if kind == "histogram" else _number(p) for p in data.data_points],
        resource=resource,
        arrival=arrival,
    )


def _number(point: metrics_pb2.NumberDataPoint) -> ReceivedPoint:
    which = point.WhichOneof("value")
    assert which is not None
    times = point.start_time_unix_nano, point.time_unix_nano
    return ReceivedPoint(attributes_of(point.attributes), getattr(point, which), *times)


def _histogram(point: metrics_pb2.HistogramDataPoint) -> ReceivedPoint:
    return ReceivedPoint(
        attributes_of(point.attributes),
        point.sum,
        point.start_time_unix_nano,
        point.time_unix_nano,
        count=point.count,
        min=point.min,
        max=point.max,
        buckets=tuple(point.bucket_counts),
        bounds=tuple(point.explicit_bounds),
    )


def logs_in(message: ExportLogsServiceRequest, arrival: int = 0) -> list[ReceivedLog]:
    """The log records of a request."""
    return [
        ReceivedLog(
            event_name=_event_name(record),
            time=record.time_unix_nano,
            severity=record.severity_number,
            severity_text=record.severity_text,
            body=value_of(record.body),
            attributes=attributes_of(record.attributes),
            trace_id=record.trace_id.hex(),
            span_id=record.span_id.hex(),
            resource=attributes_of(group.resource.attributes),
            arrival=arrival,
        )
        for group in message.resource_logs
        for scope in group.scope_logs
        for record in scope.log_records
    ]


def _event_name(record: LogRecord) -> str:
    """Its event's name, which the messages of an older opentelemetry-proto do not know."""
    if "event_name" in record.DESCRIPTOR.fields_by_name:
        return record.event_name
    unknown = UnknownFieldSet(record)
    found = [unknown[index].data for index in range(len(unknown)) if unknown[index].field_number == EVENT_NAME_FIELD]
    return found[0].decode() if found else ""


EVENT_NAME_FIELD = 12
