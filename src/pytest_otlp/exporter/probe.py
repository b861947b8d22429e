"""Finds out what an endpoint speaks that closed the connection without an answer.

A server killed in mid-answer looks the same as one that was addressed in the wrong protocol. Only asking tells.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from enum import Enum

from pytest_otlp.exporter.connection import Address, CannotConnectError, Connection, Deadline

LONGEST = 1.0
"""Seconds for each question."""


class Protocol(Enum):
    HTTP1 = "HTTP/1"
    HTTP2 = "HTTP/2"
    TLS = "TLS"


def protocol_of(address: Address, timeout: float) -> Protocol | None:
    """What is spoken there to someone who does not speak TLS, or that TLS is spoken; None where that stays open."""
    if _speaks_tls(address, timeout):
        return Protocol.TLS
    return _answer(address, None, timeout)


def protocol_inside_tls(address: Address, context: ssl.SSLContext, timeout: float) -> Protocol | None:
    """What is spoken within a TLS connection."""
    return _answer(address, context, timeout)


def classify(start: bytes) -> Protocol | None:
    """What an answer is that begins so."""
    if start.startswith(b"HTTP/1"):
        return Protocol.HTTP1
    # The first frame of an HTTP/2 server: length, type SETTINGS, flags, stream 0 (RFC 9113, 3.4 and 6.5).
    if start[3:4] == b"\x04" and start[5:9] == bytes(4):
        return Protocol.HTTP2
    # A TLS record with an alert, of any version (RFC 8446, 5.1).
    if start.startswith(b"\x15\x03"):
        return Protocol.TLS
    return None


def _speaks_tls(address: Address, timeout: float) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection = Connection.open(address, Deadline(min(timeout, LONGEST)))
    except CannotConnectError:
        return False
    try:
        connection.start_tls(context, address.host)
    except ssl.SSLError as error:
        # An alert is TLS as well: a server may want a certificate of ours, or only HTTP/2.
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
    finally:
        connection.close()
    return True


def _answer(address: Address, context: ssl.SSLContext | None, timeout: float) -> Protocol | None:
    with suppress(OSError):
        connection = Connection.open(address, Deadline(min(timeout, LONGEST)))
        try:
            if context:
                connection.start_tls(context, address.host)
            connection.send(_HTTP2_PREFACE)
            return classify(connection.receive(64))
        finally:
            connection.close()
    return None


_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
