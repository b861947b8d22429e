"""Requests of spans, read as far as each span needs it.

What the writer asks every span for has a field of its own here. The rest stays the bytes that came: they are what the
store keeps, so nothing is written out anew, and an attribute becomes an object only where somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pytest_otlp.viewer.otlp import parsed, plain

_PACKAGE = "pytest_otlp.viewer"
_LONGEST_REMEMBERED = 256
"""Bytes of an attribute: the short ones are the same from test to test."""
_MOST_REMEMBERED = 8_192
_ERROR = Status.STATUS_CODE_ERROR

_BYTES, _TEXT, _FIXED64, _MESSAGE = (
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_FIXED64,
    FieldDescriptorProto.TYPE_MESSAGE,
)


class Brief(Protocol):
    """What is read of each span: fields of OTLP's `Span`, some of them left as bytes."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    start_time_unix_nano: int
    end_time_unix_nano: int
    attributes: Sequence[bytes]
    events: bytes
    """The last of them; empty where there is none."""
    status: bytes


class Item(NamedTuple):
    """A span: what is read of it, and all of it."""

    brief: Brief
    body: bytes

    @property
    def whole(self) -> Span:
        """It is parsed each time that it is asked for."""
        return Span.FromString(self.body)

    @property
    def failed(self) -> bool:
        status = self.brief.status
        return bool(status) and Status.FromString(status).code == _ERROR


class Part(NamedTuple):
    """What one resource sent."""

    resource: Resource
    spans: list[Item]


def parts_of(body: bytes) -> list[Part]:
    """The parts of an `ExportTraceServiceRequest`.

    Raises:
        BrokenError: it is no such message.
    """
    request = parsed(ExportTraceServiceRequest, body)  # all of it, for what stays bytes has to be sound as well
    briefs, bodies = _BRIEFS.FromString(body).resource_spans, _BODIES.FromString(body).resource_spans
    return [
        Part(whole.resource, list(_items(brief.scope_spans, kept.scope_spans)))
        for whole, brief, kept in zip(request.resource_spans, briefs, bodies, strict=True)
    ]


def _items(briefs: Iterable[Any], bodies: Iterable[Any]) -> Iterable[Item]:
    for brief, kept in zip(briefs, bodies, strict=True):
        yield from map(Item, brief.spans, kept.spans)


def attributes_of(brief: Brief) -> dict[str, Any]:
    """As plain values."""
    return dict([_remembered(pair) if len(pair) < _LONGEST_REMEMBERED else _pair(pair) for pair in brief.attributes])


def _pair(body: bytes) -> tuple[str, Any]:
    pair = KeyValue.FromString(body)
    return pair.key, plain(pair.value)


_remembered = lru_cache(_MOST_REMEMBERED)(_pair)


def _messages() -> tuple[Any, Any]:
    """The request with its spans as `Brief`, and with its spans as bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="pytest_otlp/brief.proto", package=_PACKAGE, syntax="proto3")
    _describe(
        file,
        "Span",
        trace_id=(1, _BYTES),
        span_id=(2, _BYTES),
        parent_span_id=(4, _BYTES),
        name=(5, _TEXT),
        start_time_unix_nano=(7, _FIXED64),
        end_time_unix_nano=(8, _FIXED64),
        attributes=(9, [_BYTES]),
        events=(11, _BYTES),
        status=(15, _BYTES),
    )
    for kind, spans in (("Brief", "Span"), ("Whole", _BYTES)):
        _describe(file, f"{kind}Scope", spans=(2, [spans]))
        _describe(file, f"{kind}Resource", scope_spans=(2, [f"{kind}Scope"]))
        _describe(file, f"{kind}Request", resource_spans=(1, [f"{kind}Resource"]))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    briefs, bodies = (pool.FindMessageTypeByName(f"{_PACKAGE}.{kind}Request") for kind in ("Brief", "Whole"))
    return message_factory.GetMessageClass(briefs), message_factory.GetMessageClass(bodies)


def _describe(file: descriptor_pb2.FileDescriptorProto, message: str, **fields: tuple[int, Any]) -> None:
    """Adds a message. A field's type is a number or the name of another message, in a list where it is repeated."""
    described = file.message_type.add(name=message)
    for name, (number, of) in fields.items():
        repeated = isinstance(of, list)
        kind = of[0] if repeated else of
        field = described.field.add(name=name, number=number, label=3 if repeated else 1)
        if isinstance(kind, str):
            field.type, field.type_name = _MESSAGE, f".{_PACKAGE}.{kind}"
        else:
            field.type = kind


_BRIEFS, _BODIES = _messages()
