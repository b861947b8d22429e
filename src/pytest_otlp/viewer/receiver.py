"""OTLP/HTTP: bodies in, what became of them out."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from functools import partial

from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_otlp.viewer.body import MOST_SENT, EncodingError, TooLargeError
from pytest_otlp.viewer.guard import Guard
from pytest_otlp.viewer.intake import Kind
from pytest_otlp.viewer.otlp import BrokenError
from pytest_otlp.viewer.store import FullError, Store, WriteError

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
RESPONSES: dict[Kind, type[Message]] = {
    Kind.TRACES: ExportTraceServiceResponse,
    Kind.METRICS: ExportMetricsServiceResponse,
    Kind.LOGS: ExportLogsServiceResponse,
}
_PATIENCE = 30.0
"""s that a body may take to come."""
_RETRY_AFTER = "1"
"""s"""


def application(store: Store, guard: Guard) -> Starlette:
    """The ASGI application of the port that telemetry is sent to."""

    async def export(kind: Kind, request: Request) -> Response:
        sent_as = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if sent_as not in (PROTOBUF, JSON):
            return _refused(415, f"Content-Type has to be {PROTOBUF} or {JSON}", PROTOBUF)
        if not guard.may_send(request.headers.get("authorization", "")):
            return _refused(401, "set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20<token>", sent_as)
        try:
            body = await asyncio.wait_for(_body(request), _PATIENCE)
            encoding = request.headers.get("content-encoding", "")
            await written(store.offer(kind, body, json=sent_as == JSON, encoding=encoding))
        except Exception as error:  # noqa: BLE001  each has its own answer
            return _answer_to(error, sent_as)
        answer = b"{}" if sent_as == JSON else RESPONSES[kind]().SerializeToString()
        return Response(answer, media_type=sent_as)

    return Starlette(routes=[Route(f"/v1/{kind.value}", partial(export, kind), methods=["POST"]) for kind in Kind])


async def written(done: Future[int]) -> int:
    """Waits until a request is in the store."""
    return await asyncio.wrap_future(done)


async def _body(request: Request) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_SENT:
            raise TooLargeError
        pieces.append(piece)
    return b"".join(pieces)


def _answer_to(error: Exception, sent_as: str) -> Response:
    match error:
        case TooLargeError():
            return _refused(413, "the request is larger than what is taken; send smaller batches", sent_as)
        case EncodingError() | BrokenError():
            return _refused(400, str(error), sent_as)
        case FullError():
            return _refused(429, "the store is behind; send it again later", sent_as, {"Retry-After": _RETRY_AFTER})
        case WriteError():
            return _refused(503, f"the store cannot be written: {error}", sent_as, {"Retry-After": _RETRY_AFTER})
        case TimeoutError() | asyncio.TimeoutError() | ClientDisconnect():
            return _refused(408, "the body did not come", sent_as)
        case _:
            raise error


def _refused(status: int, reason: str, sent_as: str, headers: dict[str, str] | None = None) -> Response:
    """OTLP/HTTP tells failures as a `Status` message in the encoding of the request."""
    message = Status(message=reason)
    if sent_as == JSON:
        from google.protobuf.json_format import MessageToJson  # noqa: PLC0415  rarely needed

        return Response(MessageToJson(message), status, headers, media_type=JSON)
    return Response(message.SerializeToString(), status, headers, media_type=PROTOBUF)
