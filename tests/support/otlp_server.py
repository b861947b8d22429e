"""A real OTLP server for tests, and the one to be cruel with.

It listens on an ephemeral port, over HTTP/1.1 or gRPC, plain or with TLS, decodes what arrives with the official
protobuf classes, and answers as a *behaviour* says: a function from a `Request` to a `Reply`::

    with OtlpServer("http", behaviour=failing(2, Reply(503, {"Retry-After": "0"}))) as server:
        ...  # send to server.endpoint
        server.wait_for(lambda s: len(s.spans()) == 10, timeout=5)
        assert [r.reply.status for r in server.requests] == [503, 503, 200]

`requests` has every request in the order of arrival, whatever was answered; `spans()`, `metrics()` and `logs()` have
the content of those that were taken, which are the ones answered with success (for `silent` and `reset` replies:
nothing). Times of arrival are `time.time_ns()` when the last byte was there.

Behaviours for both protocols: `accept`, `failing`, `in_order`, `only`, `partial_success`, `SILENT`, `slow`.
Replies for HTTP: any status, headers and body; `slow_head`, `slow_body`, `redirect`, `login_page`, `huge`, `reset`.
For gRPC: `grpc_error`, with or without RetryInfo. `tls=` takes a certificate of `support.certificates`, also one that
is not trusted or for another host. What is no OTLP server at all, or lets nobody connect: `support.raw_server`.

| cruelty | |
|---|---|
| codes | `always(Reply(503, {"Retry-After": "2"}))`, `always(grpc_error(StatusCode.UNAVAILABLE, retry_after=2))` |
| flaky | `failing(3, Reply(503))`, `in_order(Reply(), Reply(503), Reply())`, any function of the request |
| late | `slow(3)`, `slow_head(0.1)`, `slow_body(0.1)`, `always(Reply(until=event))` |
| silent | `always(SILENT)` reads the request; `raw_server.full_backlog()` accepts nothing |
| not OTLP | `redirect(url)`, `login_page`, `huge(10**8)`, `raw_server.saying(data)` |
| broken off | `reset(after=60)` in the answer, `raw_server.resetting` in the request, `server.stop()` at any time |
| taken in part | `partial_success(7, "too old")`, `only("traces")` |

A delay ends when the server stops, so that leaving the `with` block never waits for a cruelty.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, NamedTuple

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from typing_extensions import Self

from support.received import (
    ReceivedLog,
    ReceivedMetric,
    ReceivedSpan,
    logs_in,
    metrics_in,
    spans_in,
)

SignalName = Literal["traces", "metrics", "logs"]
SIGNALS: tuple[SignalName, ...] = ("traces", "metrics", "logs")


class _Service(NamedTuple):
    request: type[Message]
    response: type[Message]
    grpc_name: str
    rejected: str
    """Name of the field in `partial_success`."""


_SERVICES: dict[SignalName, _Service] = {
    "traces": _Service(
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
        "opentelemetry.proto.collector.trace.v1.TraceService",
        "rejected_spans",
    ),
    "metrics": _Service(
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
        "rejected_data_points",
    ),
    "logs": _Service(
        ExportLogsServiceRequest,
        ExportLogsServiceResponse,
        "opentelemetry.proto.collector.logs.v1.LogsService",
        "rejected_log_records",
    ),
}


@dataclass(frozen=True)
class Reply:
    """What a request is answered with."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    code: grpc.StatusCode = grpc.StatusCode.OK
    """Over gRPC, instead of `status`."""
    details: str = ""
    trailers: tuple[tuple[str, str | bytes], ...] = ()
    delay: float = 0.0
    """Seconds before anything is answered."""
    until: threading.Event | None = None
    """Nothing is answered before it is set."""
    head_pause: float = 0.0
    """Seconds between two bytes of the head (HTTP)."""
    body_pause: float = 0.0
    """Seconds between two bytes of the body (HTTP)."""
    silent: bool = False
    """Nothing is ever answered."""
    reset_after: int | None = None
    """The connection is reset after so many bytes of the answer (HTTP)."""

    @property
    def takes(self) -> bool:
        """Whether the sender may count the request as delivered."""
        broken = self.silent or self.reset_after is not None
        return not broken and 200 <= self.status < 300 and self.code is grpc.StatusCode.OK


@dataclass(frozen=True)
class Request:
    """One export request as it came in."""

    signal: SignalName
    number: int
    """From 0, for each signal on its own."""
    headers: Mapping[str, str]
    """With lower-case names; of gRPC, the metadata."""
    body: bytes
    """Uncompressed."""
    wire_bytes: int
    """Size of the body as it was sent; over gRPC, which hides that, uncompressed."""
    arrival: int
    connection: int
    """Number of the connection, from 0 (HTTP); 0 for gRPC."""
    reply: Reply = Reply()

    @property
    def taken(self) -> bool:
        return self.reply.takes

    @cached_property
    def spans(self) -> list[ReceivedSpan]:
        if self.signal != "traces":
            return []
        return spans_in(ExportTraceServiceRequest.FromString(self.body), self.arrival)

    @cached_property
    def metrics(self) -> list[ReceivedMetric]:
        if self.signal != "metrics":
            return []
        return metrics_in(ExportMetricsServiceRequest.FromString(self.body), self.arrival)

    @cached_property
    def logs(self) -> list[ReceivedLog]:
        if self.signal != "logs":
            return []
        return logs_in(ExportLogsServiceRequest.FromString(self.body), self.arrival)


Behaviour = Callable[[Request], Reply]


def accept(_request: Request) -> Reply:
    """Takes everything."""
    return Reply()


SILENT = Reply(silent=True)
"""Accepts and never answers."""


def always(reply: Reply) -> Behaviour:
    """The same reply to everything."""
    return lambda _: reply


def failing(times: int, reply: Reply, then: Behaviour = accept) -> Behaviour:
    """That reply to the first requests of each signal, then another behaviour."""
    return lambda request: reply if request.number < times else then(request)


def in_order(*replies: Reply) -> Behaviour:
    """One reply after the other for each signal; the last one stays."""
    return lambda request: replies[min(request.number, len(replies) - 1)]


def only(*signals: SignalName) -> Behaviour:
    """Takes these signals and does not know the others, as Jaeger does."""
    unknown = Reply(404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found\n")
    unknown = replace(unknown, code=grpc.StatusCode.UNIMPLEMENTED, details="unknown service")
    return lambda request: Reply() if request.signal in signals else unknown


def slow(seconds: float) -> Behaviour:
    """Takes everything, after that time."""
    return always(Reply(delay=seconds))


def partial_success(rejected: int, message: str = "", *, json: bool = False) -> Behaviour:
    """Takes everything but some records."""

    def behaviour(request: Request) -> Reply:
        if json:
            field_name = {"traces": "Spans", "metrics": "DataPoints", "logs": "LogRecords"}[request.signal]
            text = f'{{"partialSuccess": {{"rejected{field_name}": "{rejected}", "errorMessage": "{message}"}}}}'
            return Reply(headers={"Content-Type": "application/json"}, body=text.encode())
        service = _SERVICES[request.signal]
        response: Any = service.response()
        setattr(response.partial_success, service.rejected, rejected)
        response.partial_success.error_message = message
        return Reply(body=response.SerializeToString())

    return behaviour


def slow_head(pause: float) -> Behaviour:
    """Sends the answer's head byte by byte."""
    return always(Reply(head_pause=pause))


def slow_body(pause: float, size: int = 1000) -> Behaviour:
    """Sends the answer's body byte by byte."""
    return always(Reply(body=b"x" * size, headers={"Content-Type": "text/plain"}, body_pause=pause))


def redirect(location: str, status: int = 302) -> Behaviour:
    return always(Reply(status, {"Location": location}))


def login_page(_request: Request) -> Reply:
    """The page of a proxy that wants a login, with status 200."""
    return Reply(headers={"Content-Type": "text/html; charset=utf-8"}, body=b"<!doctype html><title>Log in</title>")


def huge(size: int) -> Behaviour:
    """An answer with so many bytes."""
    return always(Reply(headers={"Content-Type": "application/x-protobuf"}, body=bytes(size)))


def reset(after: int = 60) -> Behaviour:
    """Resets the connection in the middle of an answer."""
    return always(Reply(headers={"Content-Type": "text/plain"}, body=b"x" * 1000, reset_after=after))


def grpc_error(code: grpc.StatusCode, details: str = "", retry_after: float | None = None) -> Reply:
    """A gRPC status, with RetryInfo where a time is given."""
    if retry_after is None:
        return Reply(code=code, details=details)
    status = Status(code=code.value[0], message=details)
    delay = Duration()
    delay.FromNanoseconds(round(retry_after * 1e9))
    status.details.add().Pack(RetryInfo(retry_delay=delay))
    return Reply(code=code, details=details, trailers=(("grpc-status-details-bin", status.SerializeToString()),))


class Tls(NamedTuple):
    """Paths of PEM files."""

    certificate: Path
    key: Path
    client_authority: Path | None = None
    """Clients must have a certificate of this authority."""


class OtlpServer:
    """Receives OTLP within a `with` block; may be entered once. `behaviour` may be replaced at any time."""

    def __init__(
        self,
        protocol: Literal["http", "grpc"] = "http",
        port: int = 0,
        behaviour: Behaviour = accept,
        tls: Tls | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.protocol = protocol
        self.behaviour = behaviour
        self.host = host
        self.port = port
        self.tls = tls
        self.requests: list[Request] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._stop: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        start = _start_http if self.protocol == "http" else _start_grpc
        self.port, self._stop = start(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Closes the port and all connections, at once. What was received stays."""
        self._stopping.set()
        self._stop()

    @property
    def endpoint(self) -> str:
        """The base URL for `--otel-endpoint`."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def url(self, signal: SignalName) -> str:
        """The full URL of a signal: for gRPC, the endpoint."""
        return f"{self.endpoint}/v1/{signal}" if self.protocol == "http" else self.endpoint

    def spans(self) -> list[ReceivedSpan]:
        """All spans that were taken, in the order of arrival."""
        return [span for request in self._taken() for span in request.spans]

    def metrics(self) -> list[ReceivedMetric]:
        return [metric for request in self._taken() for metric in request.metrics]

    def logs(self) -> list[ReceivedLog]:
        return [record for request in self._taken() for record in request.logs]

    def _taken(self) -> list[Request]:
        return [request for request in self.requests if request.taken]

    @property
    def wire_bytes(self) -> dict[SignalName, int]:
        """Bytes of bodies as they were sent, a signal."""
        return {name: sum(r.wire_bytes for r in self.requests if r.signal == name) for name in SIGNALS}

    def wait_for(self, predicate: Callable[[OtlpServer], object], timeout: float) -> None:
        """Returns as soon as the predicate holds; it is asked after each request. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self), timeout):
                statuses = [(request.signal, request.reply.status) for request in self.requests]
                raise TimeoutError(f"not within {timeout} s; {len(self.spans())} spans, requests {statuses}")

    def received(
        self, signal: SignalName, headers: Mapping[str, str], body: bytes, wire_bytes: int, connection: int = 0
    ) -> Reply:
        """Notes a request and decides what to answer."""
        arrival = time.time_ns()
        with self._changed:
            number = sum(request.signal == signal for request in self.requests)
            request = Request(signal, number, headers, body, wire_bytes, arrival, connection)
            reply = self.behaviour(request)
            self.requests.append(replace(request, reply=reply))
            self._changed.notify_all()
        return reply

    def hold(self, reply: Reply) -> bool:
        """Waits until it is to be answered; returns True where the server is stopped meanwhile."""
        while reply.until and not reply.until.wait(0.01):
            if self._stopping.is_set():
                return True
        return self.pause(threading.TIMEOUT_MAX if reply.silent else reply.delay)

    def pause(self, seconds: float) -> bool:
        """Waits; returns True where the server is stopped meanwhile."""
        return self._stopping.wait(seconds)


class _Stopped(Exception):  # noqa: N818 - no error
    pass


class _HttpServer(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    # The threads of connections that a client keeps open would be waited for.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, otlp: OtlpServer) -> None:
        self.otlp = otlp
        self.context = _server_context(otlp.tls) if otlp.tls else None
        self.connections: set[socket.socket] = set()
        self.numbers = count()
        super().__init__((otlp.host, otlp.port), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread, so that a bad handshake holds up nobody.
        sock: socket.socket = request
        try:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            self.connections.add(sock)
            super().finish_request(sock, client_address)
        except (OSError, _Stopped):
            pass
        finally:
            self.connections.discard(sock)
            sock.close()

    def close_connections(self) -> None:
        for sock in list(self.connections):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _server_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    context.set_alpn_protocols(["http/1.1"])
    if tls.client_authority:
        context.load_verify_locations(tls.client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _start_http(otlp: OtlpServer) -> tuple[int, Callable[[], None]]:
    server = _HttpServer(otlp)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="otlp-http", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        server.close_connections()
        thread.join()

    return server.server_address[1], stop


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server_version = "otlp-test"
    sys_version = ""
    _paths: ClassVar[dict[str, SignalName]] = {f"/v1/{signal}": signal for signal in SIGNALS}

    def setup(self) -> None:
        super().setup()
        self.number = next(self.server.numbers)

    def log_message(self, *_args: object) -> None:
        pass

    def do_POST(self) -> None:
        wire = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = gzip.decompress(wire) if self.headers.get("Content-Encoding") == "gzip" else wire
        signal = self._paths.get(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if signal is None or headers.get("content-type") != "application/x-protobuf":
            reply = Reply(404 if signal is None else 415)
        else:
            reply = self.server.otlp.received(signal, headers, body, len(wire), self.number)
            reply = _checked(signal, body, reply)
        self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        if self.server.otlp.hold(reply):
            raise _Stopped
        headers = {"Content-Type": "application/x-protobuf", "Content-Length": str(len(reply.body)), **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} Said", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        if reply.reset_after is not None:
            self._reset((head + reply.body)[: reply.reset_after])
        self._write(head, reply.head_pause)
        self._write(reply.body, reply.body_pause)

    def _write(self, data: bytes, pause: float) -> None:
        for part in [data[i : i + 1] for i in range(len(data))] if pause else [data]:
            self.wfile.write(part)
            self.wfile.flush()
            if pause and self.server.otlp.pause(pause):
                raise _Stopped

    def _reset(self, data: bytes) -> None:
        self._write(data, 0)
        # Time for the client to read that much: a reset throws away what it has not read.
        self.server.otlp.pause(0.1)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise _Stopped


def _checked(signal: SignalName, body: bytes, reply: Reply) -> Reply:
    try:
        _SERVICES[signal].request.FromString(body)
    except DecodeError:
        return Reply(400, body=Status(code=3, message="not an export request").SerializeToString())
    return reply


def _start_grpc(otlp: OtlpServer) -> tuple[int, Callable[[], None]]:
    server = grpc.server(
        # Enough for all that a client has under way at a server that answers late.
        ThreadPoolExecutor(64, thread_name_prefix="otlp-grpc"),
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 4 * 1024 * 1024)],
    )
    for signal, service in _SERVICES.items():
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Export": grpc.unary_unary_rpc_method_handler(_grpc_method(otlp, signal))
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.grpc_name, methods),))
    address = f"{otlp.host}:{otlp.port}"
    port = server.add_secure_port(address, _credentials(otlp.tls)) if otlp.tls else server.add_insecure_port(address)
    server.start()

    def stop() -> None:
        server.stop(None).wait()

    return port, stop


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    authority = tls.client_authority.read_bytes() if tls.client_authority else None
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)


def _grpc_method(otlp: OtlpServer, signal: SignalName) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        headers = {key: str(value) for key, value in context.invocation_metadata()}
        reply = _checked(signal, body, otlp.received(signal, headers, body, len(body)))
        otlp.hold(reply)
        context.set_trailing_metadata(reply.trailers)
        if reply.code is not grpc.StatusCode.OK:
            context.abort(reply.code, reply.details)
        return reply.body

    return export
