"""OTLP requests into the store. Only the writer's thread calls it, within a transaction."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from functools import partial

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

from pytest_otlp import semconv
from pytest_otlp.viewer import spans
from pytest_otlp.viewer.body import refuse_hollow
from pytest_otlp.viewer.brief import Part, parts_of
from pytest_otlp.viewer.ledger import Ledger, RunRecord
from pytest_otlp.viewer.otlp import attributes_of, parsed, parsed_json
from pytest_otlp.viewer.schema import signed


class Kind(Enum):
    """What a request is; the value is its path under `/v1/`."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


Content = list[Part] | ExportLogsServiceRequest | ExportMetricsServiceRequest
"""Of a request."""


def content_of(kind: Kind, body: bytes, *, json: bool) -> Content:
    """Raises:
    BrokenError: the body is no such message.
    TooLargeError: it would be far larger when it is read.
    """
    if not json:
        refuse_hollow(body)
    if kind is Kind.TRACES:
        return parts_of(parsed_json(ExportTraceServiceRequest, body).SerializeToString() if json else body)
    if kind is Kind.LOGS:
        return (parsed_json if json else parsed)(ExportLogsServiceRequest, body)
    return (parsed_json if json else parsed)(ExportMetricsServiceRequest, body)


def take(ledger: Ledger, content: Content, *, live: bool = True) -> int:
    """Writes what a request holds; the number of spans or log records in it. `live`: as it happens."""
    ledger.live = live
    if isinstance(content, ExportLogsServiceRequest):
        seen: Counter[_Log] = Counter()
        for logs in content.resource_logs:
            _take_logs(ledger, logs, seen)
        return sum(len(scope.log_records) for part in content.resource_logs for scope in part.scope_logs)
    if isinstance(content, ExportMetricsServiceRequest):
        for metrics in content.resource_metrics:
            _feel_pulse(ledger, metrics)
        return 0
    for part in content:
        spans.take(ledger, part)
    return sum(len(part.spans) for part in content)


def _feel_pulse(ledger: Ledger, metrics: ResourceMetrics) -> None:
    """Metrics are kept by nobody here. That they come says that the run goes on.

    One of them tells how many tests there are, long before the root does: a marker that did not wait for a long
    collection knew no number.
    """
    run = ledger.known_run(str(attributes_of(metrics.resource.attributes).get(semconv.RUN_ID, "")))
    if run is None:
        return
    run.state["pulse"] += 1
    run.changed = True
    if run.state["end"] is None:
        run.state["collected"] = _collected(metrics) or run.state["collected"]


def _collected(metrics: ResourceMetrics) -> int:
    for scope in metrics.scope_metrics:
        for metric in scope.metrics:
            if metric.name == semconv.METRIC_TESTS_COLLECTED:
                return max((point.as_int for point in metric.gauge.data_points), default=0)
    return 0


_Log = tuple[int, int, int, bytes]
"""Trace, span and resource by their numbers, and the record."""
_INSERT_LOG = (
    "INSERT INTO log (trace, span, resource, body) SELECT ?1, ?2, ?3, ?4 WHERE ?5 >= (SELECT count(*) FROM log"
    # The record begins with its time, which the index has.
    " WHERE trace = ?1 AND span = ?2 AND substr(body, 1, 9) = substr(?4, 1, 9) AND body = ?4 AND resource = ?3)"
)


def _take_logs(ledger: Ledger, logs: ResourceLogs, seen: Counter[_Log]) -> None:
    body = logs.resource.SerializeToString(deterministic=True)
    attributes = attributes_of(logs.resource.attributes)
    run_id = attributes.get(semconv.RUN_ID)
    for scope in logs.scope_logs:
        for record in scope.log_records:
            if len(record.trace_id) != 16:
                continue  # it belongs to no test and to no trace, so it has no place on the page
            resource = ledger.resource(body)
            if run_id and _is_ours(record):
                start = record.time_unix_nano // 1000
                _note_event(ledger, ledger.run(str(run_id), resource, attributes, partial(int, start)), record)
            else:
                _store_log(ledger, resource, record, seen)


def _is_ours(record: LogRecord) -> bool:
    return _name(record) in _EVENTS


_EVENTS = (
    semconv.EVENT_RUN_STARTED,
    semconv.EVENT_RUN_FINISHED,
    semconv.EVENT_CASE_STARTED,
    semconv.EVENT_CASE_FINISHED,
)


def _name(record: LogRecord) -> str:
    """OTLP has the field since 1.5; before, and for backends that drop it, the name is an attribute."""
    name = getattr(record, "event_name", "")
    return name or next((pair.value.string_value for pair in record.attributes if pair.key == "event.name"), "")


def _note_event(ledger: Ledger, run: RunRecord, record: LogRecord) -> None:
    """What the spans tell as well, but for the tests that have begun."""
    if _name(record) != semconv.EVENT_CASE_STARTED:
        return
    attributes = attributes_of(record.attributes)
    nodeid, start = str(attributes.get(semconv.CASE_NAME, "")), record.time_unix_nano // 1000
    spans.note_running(ledger, run, nodeid, str(attributes.get(semconv.WORKER, "")), start)


def _store_log(ledger: Ledger, resource: int, record: LogRecord, seen: Counter[_Log]) -> None:
    """`seen`: how often the request had such a record before. Without ids, what is there more often is sent again."""
    trace = ledger.trace(record.trace_id)
    span = signed(record.span_id) if len(record.span_id) == 8 else 0
    log = (trace.no, span, resource, record.SerializeToString())
    new = ledger.connection.execute(_INSERT_LOG, (*log, seen[log])).rowcount
    seen[log] += 1
    if not new:
        return
    run = ledger.run_numbered(trace.run) if trace.run is not None else None
    if run is None:
        return
    run.state["logs"] += 1
    run.changed = True
    known = ledger.owners.get(span)
    number = known[1] if known and known[0] is run else ledger.row_of(run, span & ~0xF)
    if number is not None:
        ledger.changes.of(run.state["id"]).grown.add(number)
