"""Finds out what an endpoint speaks that closed the connection without an answer.

A server killed in mid-answer looks the same as one that was addressed in the wrong protocol. Only asking tells.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from pytest_otlp.exporter.connection import Address, Connection, Deadline

if TYPE_CHECKING:
    from ssl import SSLContext

LONGEST = 1.0
"""Seconds for all questions together."""


class Protocol(Enum):
    HTTP1 = "HTTP/1"
    HTTP2 = "HTTP/2"
    TLS = "TLS"


def protocol_of(address: Address, timeout: float, context: SSLContext | None = None) -> Protocol | None:
    """What is spoken there, within TLS where a context is given; None where that stays open.

    Raises CannotConnectError, ssl.SSLError, OSError.
    """
    deadline = Deadline(min(timeout, LONGEST))
    try:
        return _answer(address, deadline, context)
    except ConnectionError:
        if context is None and _speaks_tls(address, deadline):
            return Protocol.TLS
        return None


def classify(start: bytes) -> Protocol | None:
    """What an answer is that begins so."""
    # Some know so little of HTTP/2 that they send an error page without a head.
    if start.startswith((b"HTTP/1", b"<")):
        return Protocol.TLS if WANTS_TLS.search(start.decode("latin-1")) else Protocol.HTTP1
    # The first frame of an HTTP/2 server: length, type SETTINGS, flags, stream 0 (RFC 9113, 3.4 and 6.5).
    if start[3:4] == b"\x04" and start[5:9] == bytes(4):
        return Protocol.HTTP2
    # A TLS record with an alert, of any version (RFC 8446, 5.1).
    return Protocol.TLS if start.startswith(b"\x15\x03") else None


WANTS_TLS = re.compile(r"HTTPS (server|port)|SSL-enabled server port")
"""What Go, nginx and Apache say to plain HTTP on a TLS port."""


def _answer(address: Address, deadline: Deadline, context: SSLContext | None) -> Protocol | None:
    connection = Connection.open(address, deadline)
    try:
        start = _unasked(connection, address.host, context) if context else None
        if start is None:
            connection.deadline = deadline
            connection.send(_HTTP2_PREFACE)
            start = connection.receive(1024)
    finally:
        connection.close()
    if not start:
        raise ConnectionResetError("closed")
    return classify(start)


def _unasked(connection: Connection, host: str, context: SSLContext) -> bytes | None:
    """What a TLS endpoint says first, None where it waits for us.

    An alert, say that it wants a certificate of ours, may come only after the handshake (TLS 1.3), and is lost where
    something was sent that is not read any more.
    """
    connection.start_tls(context, host)
    connection.deadline = Deadline(min(_LISTENING, connection.deadline.left()))
    try:
        return connection.receive(1024)
    except TimeoutError:
        return None


_LISTENING = 0.3
"""Seconds."""
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)


def _speaks_tls(address: Address, deadline: Deadline) -> bool:
    import ssl  # noqa: PLC0415  takes 12 ms

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = Connection.open(address, deadline)
    try:
        connection.start_tls(context, address.host)
    except ssl.SSLError as error:
        # An alert is TLS as well: a server may want a certificate of ours, or only HTTP/2.
        return "ALERT" in (error.reason or "")
    except ConnectionError:
        return False
    finally:
        connection.close()
    return True
