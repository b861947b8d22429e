"""What is read of a request has to be what the generated messages read."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pytest_otlp.viewer import otlp
from pytest_otlp.viewer.brief import attributes_of, parts_of
from pytest_otlp.viewer.otlp import BrokenError

BRIEF = ("trace_id", "span_id", "parent_span_id", "name", "start_time_unix_nano", "end_time_unix_nano")


def request() -> ExportTraceServiceRequest:
    """Of two services; the first has two scopes."""
    message = ExportTraceServiceRequest()
    for service, scopes in (("shop", 2), ("stock", 1)):
        part = message.resource_spans.add()
        part.resource.attributes.add(key="service.name").value.string_value = service
        for scope in range(scopes):
            spans = part.scope_spans.add(schema_url="somewhere").spans
            for number in range(3):
                span = spans.add(trace_id=b"t" * 16, span_id=bytes([number + 1]) * 8, name=f"{service} {scope} \u00e9")
                span.start_time_unix_nano, span.end_time_unix_nano = 2**63 + number, 2**63 + 5
                span.attributes.add(key="text").value.string_value = "x" * 10**number
                span.attributes.add(key="number").value.int_value = number
                span.attributes.add(key="list").value.array_value.values.add().bool_value = True
            spans[1].parent_span_id = b"\1" * 8
            spans[1].events.add(name="exception")
            spans[2].status.code = Status.STATUS_CODE_ERROR
            spans[0].status.code = Status.STATUS_CODE_OK
    return message


def test_all_of_each_span_is_there() -> None:
    message = request()
    parts = parts_of(message.SerializeToString())
    assert [part.resource for part in parts] == [part.resource for part in message.resource_spans]
    for part, whole in zip(parts, message.resource_spans, strict=True):
        spans = [span for scope in whole.scope_spans for span in scope.spans]
        for item, span in zip(part.spans, spans, strict=True):
            assert item.whole == span
            assert [getattr(item.brief, name) for name in BRIEF] == [getattr(span, name) for name in BRIEF]
            assert attributes_of(item.brief) == otlp.attributes_of(span.attributes)
            assert item.failed == (span.status.code == Status.STATUS_CODE_ERROR)
            assert bool(item.brief.events) == bool(span.events)


@pytest.mark.parametrize("number", [9, 11, 13, 15], ids=["attribute", "event", "link", "status"])
def test_what_is_left_as_bytes_is_sound(number: int) -> None:
    """Else it would fail whoever looks at the test later."""
    torn = Span(trace_id=b"t" * 16).SerializeToString() + bytes([number << 3 | 2, 1, 0xFF])
    span = bytes([0x12, len(torn)]) + torn
    scope = bytes([0x12, len(span)]) + span
    with pytest.raises(BrokenError):
        parts_of(bytes([0x0A, len(scope)]) + scope)
