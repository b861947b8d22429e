"""One HTTP/1.1 connection on which nothing takes longer than its deadline.

A socket gives each read and each write its timeout anew, so that an endpoint which sends one byte a second holds it
forever. Here the time that is left is set before each of them. Only looking up a host's name, which the system does,
takes as long as it takes.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pytest_otlp.exporter.http1 import BrokenOffError, NoHttpError, Response, read_response

if TYPE_CHECKING:
    from ssl import SSLContext

    from _typeshed import WriteableBuffer


class Deadline:
    """A point in time, `timeout` seconds from now."""

    def __init__(self, timeout: float) -> None:
        self._end = time.monotonic() + timeout

    def left(self) -> float:
        """Seconds, more than 0. Raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("no time left")
        return left


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class CannotConnectError(OSError):
    """There is no connection; the message says why."""


class Connection:
    """A socket with a deadline, which the owner moves before each exchange."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self.deadline = deadline
        self.closed = False

    @classmethod
    def open(cls, address: Address, deadline: Deadline) -> Connection:
        """Raises CannotConnectError, also where the time runs out."""
        try:
            sock = _connected(address, deadline)
        except (OSError, UnicodeError) as error:
            raise CannotConnectError(_why(error)) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(sock, deadline)

    def start_tls(self, context: SSLContext, host: str) -> str | None:
        """Returns the protocol agreed on by ALPN. Raises ssl.SSLError, OSError."""
        self._sock.settimeout(self.deadline.left())
        encrypted = context.wrap_socket(self._sock, server_hostname=host)
        self._sock = encrypted
        return encrypted.selected_alpn_protocol()

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(self.deadline.left())
            rest = rest[self._sock.send(rest) :]

    def receive(self, size: int) -> bytes:
        """At most `size` bytes, none at the end."""
        self._sock.settimeout(self.deadline.left())
        return self._sock.recv(size)

    def response(self, *, tunnel: bool = False) -> Response:
        """Reads an answer. The connection is closed afterwards where it cannot be used again.

        `tunnel`: to a CONNECT. Raises ConnectionError where there is none, BrokenOffError, NoHttpError, OSError.
        """
        reader = io.BufferedReader(_Reader(self._receive_into))
        start = reader.peek(1)[:1]
        if not start:
            raise ConnectionResetError("closed")
        if start != b"H":
            raise NoHttpError(reader.read1(64))
        try:
            response = read_response(reader, tunnel=tunnel)
        except ConnectionError as error:
            raise BrokenOffError from error
        if not response.lasting:
            self.close()
        return response

    def _receive_into(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self.deadline.left())
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self.closed = True
        with suppress(OSError):
            self._sock.close()


def _connected(address: Address, deadline: Deadline) -> socket.socket:
    found = socket.getaddrinfo(_encoded(address.host), address.port, type=socket.SOCK_STREAM)
    error: OSError = OSError("no address")
    for index, (family, kind, protocol, _, where) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            # A silent first address (often IPv6) leaves time for the others.
            sock.settimeout(deadline.left() / (len(found) - index))
            sock.connect(where)
        except OSError as failed:
            sock.close()
            error = failed
        else:
            return sock
    raise error


def _encoded(host: str) -> str | bytes:
    """Of most names nothing has to be encoded, and `encodings.idna` takes 5 ms to import."""
    return host.encode("ascii") if host.isascii() and max(map(len, host.split("."))) < _LONGEST_LABEL else host


_LONGEST_LABEL = 64


def _why(error: OSError | UnicodeError) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, UnicodeError):
        return "no valid host name"
    return error.strerror or "no connection"


class _Reader(io.RawIOBase):
    """Reads from a connection; closing it leaves the connection open."""

    def __init__(self, receive_into: Callable[[WriteableBuffer], int]) -> None:
        self._receive_into = receive_into

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        return self._receive_into(buffer)
