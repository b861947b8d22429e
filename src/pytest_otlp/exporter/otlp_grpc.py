"""OTLP over gRPC. The generic method takes the encoded request as it is, so that no generated stub is imported.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-response says which status codes may be tried again.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

import grpc

from pytest_otlp.exporter.connection import CannotConnectError, Deadline
from pytest_otlp.exporter.destination import Destination, TlsFilesError
from pytest_otlp.exporter.encode import encode
from pytest_otlp.exporter.mismatch import USE_HTTP_PROTOBUF, USE_HTTPS, tls_failure
from pytest_otlp.exporter.otlp_answer import accepted, read_protobuf_answer, retry_delay
from pytest_otlp.exporter.otlp_http import address_of
from pytest_otlp.exporter.probe import Protocol, protocol_of
from pytest_otlp.exporter.records import Attributes, Record, Signal
from pytest_otlp.exporter.secrecy import secrets_of, without
from pytest_otlp.exporter.text import one_line
from pytest_otlp.exporter.tls import client_context, read_pem
from pytest_otlp.exporter.transport import Answer, Encoded, Payload, Verdict
from pytest_otlp.version import __version__


class GrpcTransport:
    """A channel a signal."""

    one_by_one = False

    def __init__(self, destinations: Mapping[Signal, Destination]) -> None:
        self._clients = {signal: _Client(signal, destination) for signal, destination in destinations.items()}

    @property
    def target(self) -> str:
        """Host and port that the first signal goes to."""
        return next((client.target for client in self._clients.values()), "")

    def encode(self, _signal: Signal, resource: Attributes, records: Sequence[Record]) -> Encoded:
        return encode(resource, records)

    def send(self, signal: Signal, payload: Payload, timeout: float) -> Answer:
        client = self._clients.get(signal)
        if client is None:
            return Answer(Verdict.REFUSED, f"no endpoint for {signal.value}")
        assert isinstance(payload.data, bytes)
        return client.send(payload.data, payload.size, timeout)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


_METHODS = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


class _Client:
    """The state of one signal; used by several threads."""

    def __init__(self, signal: Signal, destination: Destination) -> None:
        self._signal = signal
        self._destination = destination
        url = urlsplit(destination.url)
        self._encrypted = url.scheme == "https"
        self._address = address_of(url)
        self._metadata = tuple((key.lower(), value) for key, value in destination.headers.items())
        self._bad_headers = [key for key, value in self._metadata if not _METADATA.fullmatch(f"{key}={value}")]
        self._secrets = secrets_of(destination.headers)
        self._channel: grpc.Channel | None = None
        self._opening = threading.Lock()
        self.target = str(self._address)

    def send(self, data: bytes, count: int, timeout: float) -> Answer:
        deadline = Deadline(timeout)
        if self._bad_headers:
            return Answer(Verdict.REFUSED, f"header {one_line(self._bad_headers[0])} cannot be sent over gRPC")
        try:
            answer = _success(self._call(data, timeout), count)
        except grpc.RpcError as error:
            # What is raised by a call is the call.
            answer = self._failure(cast("grpc.Call", error), timeout, deadline)
        except TlsFilesError as error:
            answer = Answer(Verdict.REFUSED, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
            # Its text may hold anything, a header's value too.
            answer = Answer(Verdict.REJECTED, f"could not be sent ({type(error).__name__})")
        return answer._replace(reason=without(self._secrets, answer.reason))

    def close(self) -> None:
        if self._channel:
            self._channel.close()
            self._channel = None

    def _call(self, data: bytes, timeout: float) -> bytes:
        with self._opening:
            channel = self._channel = self._channel or self._opened()
        # Without serializers, bytes go in and out.
        export: Callable[..., bytes] = channel.unary_unary(_METHODS[self._signal])
        compression = grpc.Compression.Gzip if self._destination.gzip else grpc.Compression.NoCompression
        return export(data, timeout=timeout, metadata=self._metadata, compression=compression)

    def _opened(self) -> grpc.Channel:
        options = [*_OPTIONS, ("grpc.enable_http_proxy", int(bool(self._destination.proxy)))]
        if not self._encrypted:
            return grpc.insecure_channel(str(self._address), options)
        files = self._destination.tls
        # For its checks: what gRPC says of a file that it cannot read is nothing.
        client_context(files, "h2")
        credentials = grpc.ssl_channel_credentials(
            read_pem(files.certificate),
            read_pem(files.client_key or files.client_certificate),
            read_pem(files.client_certificate),
        )
        return grpc.secure_channel(str(self._address), credentials, options)

    def _failure(self, error: grpc.Call, timeout: float, deadline: Deadline) -> Answer:
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return Answer(Verdict.RETRY, f"no answer within {timeout:.3g} s")
        if code is grpc.StatusCode.UNAVAILABLE and (answer := self._unavailable(details, deadline)):
            return answer
        wait = _asked_to_wait(error)
        reason = f"answered {code.name}" + (f": {one_line(details)}" if details else "")
        return Answer(_verdict(code, wait), reason, retry_after=wait)

    def _unavailable(self, details: str, deadline: Deadline) -> Answer | None:
        """Why there is no connection; None where that is not what is wrong.

        gRPC tries again behind the scenes and says UNAVAILABLE to all; a connection of our own shows what it meets.
        """
        if match := _NOT_TRUSTED.search(details):
            return Answer(Verdict.REFUSED, f"certificate not trusted: {match[1] or match[2]}")
        reason = ""
        try:
            if not self._destination.proxy:
                reason = _OTHER_PROTOCOL.get(self._spoken(deadline), "")
        except CannotConnectError as error:
            return Answer(Verdict.RETRY, f"cannot connect: {error}", unreachable=True)
        except OSError as error:
            reason = tls_failure(error)
        return Answer(Verdict.REFUSED, reason) if reason else None

    def _spoken(self, deadline: Deadline) -> Protocol | None:
        context = client_context(self._destination.tls, "h2") if self._encrypted else None
        return protocol_of(self._address, deadline.left(), context)


_METADATA = re.compile(r"[0-9a-z_.-]+=[ -~]*")
"""What gRPC allows, a key and a value (PROTOCOL-HTTP2.md, "Custom-Metadata")."""
_OPTIONS = (
    ("grpc.primary_user_agent", f"pytest-otlp/{__version__}"),
    # Retries are counted, and end in time, where they are decided.
    ("grpc.enable_retries", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", 1 << 20),
    # How soon the return of a backend is noticed; the defaults are 1 s and 120 s.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # How long a connection attempt may take; the default is 20 s.
    ("grpc.min_reconnect_backoff_ms", 5000),
)
_OTHER_PROTOCOL: dict[Protocol | None, str] = {Protocol.HTTP1: USE_HTTP_PROTOBUF, Protocol.TLS: USE_HTTPS}
_NOT_TRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED: ([\w ]+)|(Hostname Verification Check failed)")
_RETRYABLE = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
)
_REFUSING = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED)


def _verdict(code: grpc.StatusCode, wait: float | None) -> Verdict:
    if code in _RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and wait is not None):
        return Verdict.RETRY
    return Verdict.REFUSED if code in _REFUSING else Verdict.REJECTED


def _success(data: bytes, count: int) -> Answer:
    try:
        return accepted(read_protobuf_answer(data), count)
    except ValueError:
        return Answer(Verdict.REFUSED, "answered OK with what is no OTLP answer")


def _asked_to_wait(error: grpc.Call) -> float | None:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return retry_delay(value)
    return None
