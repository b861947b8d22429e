"""OTLP/gRPC: the same three requests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc

from pytest_otlp.viewer import connection
from pytest_otlp.viewer.body import MOST_UNPACKED, TooLargeError
from pytest_otlp.viewer.guard import Guard
from pytest_otlp.viewer.intake import Kind
from pytest_otlp.viewer.otlp import BrokenError
from pytest_otlp.viewer.receiver import RESPONSES
from pytest_otlp.viewer.store import FullError, Store, WriteError

_SERVICES = {
    Kind.TRACES: "opentelemetry.proto.collector.trace.v1.TraceService",
    Kind.METRICS: "opentelemetry.proto.collector.metrics.v1.MetricsService",
    Kind.LOGS: "opentelemetry.proto.collector.logs.v1.LogsService",
}
_THREADS = 8
_OPTIONS = (
    ("grpc.max_receive_message_length", MOST_UNPACKED),
    # Else a second receiver would share the port with the first, each getting a part.
    ("grpc.so_reuseport", 0),
    ("grpc.server_handshake_timeout_ms", int(connection.HEAD * 1000)),
    ("grpc.max_allowed_incoming_connections", connection.MOST),
)


class PortError(OSError):
    """The port cannot be had."""


def serve(store: Store, guard: Guard, address: str) -> tuple[grpc.Server, int]:
    """A server that runs already, and its port; `address` is `host:port`, with port 0 for any that is free.

    Raises:
        PortError: the port cannot be had.
    """
    server = grpc.server(ThreadPoolExecutor(_THREADS, "view-grpc"), options=_OPTIONS, maximum_concurrent_rpcs=256)
    for kind, service in _SERVICES.items():
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_export(store, guard, kind))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise PortError(str(error)) from error
    if not port:
        raise PortError(address)
    server.start()
    return server, port


def _export(store: Store, guard: Guard, kind: Kind) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    """Takes and gives bytes: the writer reads them."""
    answer = RESPONSES[kind]().SerializeToString()

    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        metadata = dict(context.invocation_metadata())
        if not guard.may_send(str(metadata.get("authorization", ""))):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "authorization has to be Bearer and the token of the page")
        try:
            store.offer(kind, body).result()
        except (FullError, WriteError) as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error) or "the store is behind; send it again later")
        except TooLargeError:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the request is larger than what is taken")
        except BrokenError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return answer

    return export
