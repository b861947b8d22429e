"""OTLP over HTTP/1.1 with protobuf bodies: what is sent, and what becomes of a connection that fails."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pytest_otlp.exporter.connection import Address, CannotConnectError, Connection, Deadline
from pytest_otlp.exporter.destination import Destination, TlsFilesError
from pytest_otlp.exporter.encode import encode
from pytest_otlp.exporter.http1 import BrokenOffError, NoHttpError, Response
from pytest_otlp.exporter.http_answer import judge
from pytest_otlp.exporter.mismatch import USE_GRPC, USE_HTTPS, tls_failure
from pytest_otlp.exporter.probe import Protocol, classify, protocol_of
from pytest_otlp.exporter.records import Attributes, Record, Signal
from pytest_otlp.exporter.secrecy import basic, secrets_of, without
from pytest_otlp.exporter.transport import Answer, Encoded, Payload, Verdict
from pytest_otlp.version import __version__

if TYPE_CHECKING:
    from ssl import SSLContext

GZIP_LEVEL = 4
"""Measured on batches of test spans: 9 % smaller than level 1 for 0.4 us a span more; level 6 gains nothing on it."""


class HttpTransport:
    """Kept-alive connections, those of each signal its own."""

    one_by_one = False

    def __init__(self, destinations: Mapping[Signal, Destination]) -> None:
        self._channels = {signal: _Channel(destination) for signal, destination in destinations.items()}

    @property
    def target(self) -> str:
        """Host and port that the first signal goes to."""
        return next((channel.target for channel in self._channels.values()), "")

    def encode(self, _signal: Signal, resource: Attributes, records: Sequence[Record]) -> Encoded:
        return encode(resource, records)

    def send(self, signal: Signal, payload: Payload, timeout: float) -> Answer:
        channel = self._channels.get(signal)
        if channel is None:
            return Answer(Verdict.REFUSED, f"no endpoint for {signal.value}")
        assert isinstance(payload.data, bytes)
        return channel.send(payload.data, payload.size, timeout)

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()


class _Channel:
    """The state of one signal; used by several threads, each with a connection of its own."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._url = urlsplit(destination.url)
        self._encrypted = self._url.scheme == "https"
        self._address = address_of(self._url)
        self._open: list[Connection] = []
        """Connections that nobody uses at the moment."""
        self._context: SSLContext | None = None
        self._secrets = secrets_of(destination.headers)
        self.target = str(self._address)

    def send(self, data: bytes, count: int, timeout: float) -> Answer:
        deadline = Deadline(timeout)
        try:
            response = self._exchange(self._request(data), deadline)
            answer = judge(response, count, encrypted=self._encrypted)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
            answer = _failure(error, timeout) or self._closed(deadline)
        return answer._replace(reason=without(self._secrets, answer.reason))

    def close(self) -> None:
        for connection in self._open:
            connection.close()
        self._open = []

    def _request(self, data: bytes) -> bytes:
        body = gzipped(data) if self._destination.gzip else data
        proxied = self._destination.proxy and not self._encrypted
        target = quote(self._url.path or "/", _PATH_SAFE) + (f"?{self._url.query}" if self._url.query else "")
        headers = {
            "host": self._url.netloc,
            "user-agent": f"pytest-otlp/{__version__}",
            **self._destination.headers,
            "content-type": "application/x-protobuf",
            "content-length": str(len(body)),
            **({"content-encoding": "gzip"} if self._destination.gzip else {}),
            **(_proxy_authorization(self._destination.proxy) if proxied else {}),
        }
        return _head("POST", f"http://{self._url.netloc}{target}" if proxied else target, headers) + body

    def _exchange(self, request: bytes, deadline: Deadline) -> Response:
        """Sends on the open connection, or, where that turns out to be stale, once more on a new one."""
        if connection := self._unused():
            connection.deadline = deadline
            with suppress(ConnectionError):
                return self._exchange_on(connection, request)
        connection = Connection.open(self._first_hop(), deadline)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return self._exchange_on(connection, request)

    def _unused(self) -> Connection | None:
        try:
            return self._open.pop()
        except IndexError:
            return None

    def _exchange_on(self, connection: Connection, request: bytes) -> Response:
        """Keeps the connection where it can be used again."""
        try:
            response = _exchanged(connection, request)
        except BaseException:
            connection.close()
            raise
        if not connection.closed:
            self._open.append(connection)
        return response

    def _first_hop(self) -> Address:
        return address_of(urlsplit(self._destination.proxy)) if self._destination.proxy else self._address

    def _prepare(self, connection: Connection) -> None:
        if self._encrypted:
            if self._destination.proxy:
                _open_tunnel(connection, self._address, self._destination.proxy)
            self._context = self._context or self._context_for("http/1.1")
            connection.start_tls(self._context, self._address.host)

    def _closed(self, deadline: Deadline) -> Answer:
        """Closed without an answer: by a server that goes down, or that wants to be spoken to otherwise."""
        reason = ""
        try:
            if not self._destination.proxy:
                reason = _OTHER_PROTOCOL.get(self._spoken(deadline), "")
        except OSError as error:
            reason = tls_failure(error)  # Else it goes down.
        except TlsFilesError:
            pass
        if reason:
            return Answer(Verdict.REFUSED, reason)
        return Answer(Verdict.RETRY, "closed the connection without an answer")

    def _spoken(self, deadline: Deadline) -> Protocol | None:
        context = self._context_for("h2") if self._encrypted else None
        return protocol_of(self._address, deadline.left(), context)

    def _context_for(self, alpn: str) -> SSLContext:
        from pytest_otlp.exporter.tls import client_context  # noqa: PLC0415  with `ssl`, which takes 12 ms

        return client_context(self._destination.tls, alpn)


_PATH_SAFE = "/%:@!$&'()*+,;=~"
_NO_HTTP = "does not speak HTTP"
_OTHER_PROTOCOL: dict[Protocol | None, str] = {Protocol.HTTP2: USE_GRPC, Protocol.TLS: USE_HTTPS}


class _ProxyError(Exception):
    """The proxy opened no tunnel; the message says what it answered."""


def _exchanged(connection: Connection, request: bytes) -> Response:
    try:
        connection.send(request)
    except ConnectionError as error:
        # Some answer and hang up before they have read all of a request that they do not want.
        try:
            return connection.response()
        except (OSError, NoHttpError):
            raise error from None
    return connection.response()


def _open_tunnel(connection: Connection, address: Address, proxy: str) -> None:
    connection.send(_head("CONNECT", str(address), {"host": str(address), **_proxy_authorization(proxy)}))
    status = connection.response(tunnel=True).status
    if status != 200:
        raise _ProxyError(f"the proxy answered {status}")


def _proxy_authorization(proxy: str) -> dict[str, str]:
    user_info, at, _ = urlsplit(proxy).netloc.rpartition("@")
    return {"proxy-authorization": basic(unquote(user_info))} if at else {}


def _head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a header")
    return "\r\n".join([*lines, "", ""]).encode()


def _failure(error: Exception, timeout: float) -> Answer | None:
    """The answer that an error stands for; None where the connection was closed without one."""
    if isinstance(error, CannotConnectError):
        return Answer(Verdict.RETRY, f"cannot connect: {error}", unreachable=True)
    if reason := _refusal(error):
        return Answer(Verdict.REFUSED, reason)
    if reason := _loss(error, timeout):
        return Answer(Verdict.RETRY, reason)
    if isinstance(error, OSError):
        return None
    # Its text may hold anything, a header's value too.
    return Answer(Verdict.REJECTED, f"could not be sent ({type(error).__name__})")


def _refusal(error: Exception) -> str:
    if isinstance(error, NoHttpError):
        return _OTHER_PROTOCOL.get(classify(error.start), _NO_HTTP)
    return str(error) if isinstance(error, TlsFilesError) else tls_failure(error)


def _loss(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:.3g} s"
    if isinstance(error, BrokenOffError):
        return "broke off its answer"
    return str(error) if isinstance(error, _ProxyError) else ""


def gzipped(data: bytes) -> bytes:
    """A gzip file without a time, so that equal data is equal bytes."""
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


def address_of(url: SplitResult) -> Address:
    """Host and port of a URL, the scheme's port where none is given."""
    return Address(url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
