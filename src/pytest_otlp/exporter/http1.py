"""Reads an HTTP/1.1 answer (RFC 9112).

Written here because of what `http.client` imports: `email` and `ssl` take a third of the time in which the exporter
starts, and a short run waits for that.
"""

from __future__ import annotations

import io
from typing import NamedTuple

MOST_ANSWER_BYTES = 1 << 20
_ENOUGH = MOST_ANSWER_BYTES + 1
"""Bytes after which it is clear that there are too many."""
_LONGEST_LINE = 1 << 16
_MOST_FIELDS = 128
_MOST_DIGITS = 18
"""Of a length: one with more is too long anyway."""
_SWITCHING_PROTOCOLS = 101
_WITHOUT_BODY = (_SWITCHING_PROTOCOLS, 204, 304)


class BrokenOffError(Exception):
    """The connection ended within an answer."""


class NoHttpError(Exception):
    """What came back is no HTTP/1 answer; `start` is how it begins."""

    def __init__(self, start: bytes) -> None:
        super().__init__("no HTTP answer")
        self.start = start


class Headers(dict[str, str]):
    """By their names in lower case; those of the same name with commas between them (RFC 9110, 5.3)."""

    def extend(self, name: str, between: str, value: str) -> None:
        """Adds to what stands there, if anything does."""
        self[name] = f"{self[name]}{between}{value.strip()}" if name in self else value.strip()

    def tokens(self, name: str) -> list[str]:
        """The elements of a list, in lower case."""
        return [token.strip().lower() for token in self.get(name, "").split(",") if token.strip()]


class Response(NamedTuple):
    status: int
    headers: Headers
    body: bytes
    whole: bool
    """Whether the body was at most MOST_ANSWER_BYTES long."""
    lasting: bool
    """Whether the connection can be used again."""

    @property
    def content_type(self) -> str:
        """Without parameters; empty where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_response(stream: io.BufferedIOBase, *, tunnel: bool = False) -> Response:
    """`tunnel`: it answers a CONNECT, so that what follows the head of a success belongs to whoever is at its end.

    Raises BrokenOffError, NoHttpError, and what the stream raises.
    """
    version, status, headers = _head(stream)
    while 100 <= status < 200 and status != _SWITCHING_PROTOCOLS:
        version, status, headers = _head(stream)
    if tunnel and 200 <= status < 300:
        return Response(status, headers, b"", whole=True, lasting=True)
    body, delimited = (b"", True) if status in _WITHOUT_BODY else _body(stream, headers)
    whole = len(body) <= MOST_ANSWER_BYTES
    options = headers.tokens("connection")
    persistent = "close" not in options and (version != b"HTTP/1.0" or "keep-alive" in options)
    return Response(status, headers, body, whole, delimited and whole and persistent)


def _head(stream: io.BufferedIOBase) -> tuple[bytes, int, Headers]:
    line = _line(stream)
    version, _, rest = line.partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/1.") or not (len(status) == 3 and status.isdigit()) or rest[3:4].strip():
        raise NoHttpError(line)
    return version, int(status), _fields(stream)


def _fields(stream: io.BufferedIOBase) -> Headers:
    found, name = Headers(), ""
    for _ in range(_MOST_FIELDS):
        line = _line(stream).decode("latin-1")
        if not line:
            return found
        if line[0] in " \t":
            found.extend(name, " ", line)  # the line before goes on (RFC 9112, 5.2)
        else:
            before, _, value = line.partition(":")
            name = before.strip().lower()
            found.extend(name, ", ", value)
    raise NoHttpError(b"")


def _line(stream: io.BufferedIOBase) -> bytes:
    """Without its end."""
    line = stream.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise NoHttpError(line)
    if not line.endswith(b"\n"):
        raise BrokenOffError
    return line.rstrip(b"\r\n")


def _body(stream: io.BufferedIOBase, headers: Headers) -> tuple[bytes, bool]:
    """At most one byte more than is allowed, and whether it was told where it ends (RFC 9112, 6.3)."""
    codings, lengths = headers.tokens("transfer-encoding"), set(headers.tokens("content-length"))
    if codings[-1:] == ["chunked"]:
        return _chunked(stream), True
    if codings or not lengths:
        return stream.read(_ENOUGH), False
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit()):
        raise NoHttpError(b"")
    return _exactly(stream, min(int(length[:_MOST_DIGITS]), _ENOUGH)), True


def _chunked(stream: io.BufferedIOBase) -> bytes:
    """RFC 9112, 7.1; extensions and trailers are passed over."""
    body = bytearray()
    while len(body) < _ENOUGH:
        size = _chunk_size(_line(stream))
        if size == 0:
            _fields(stream)
            break
        body += _exactly(stream, min(size, _ENOUGH - len(body)))
        if len(body) < _ENOUGH:
            _line(stream)
    return bytes(body)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()[:_MOST_DIGITS]
    if not digits.isalnum():
        raise NoHttpError(line)
    try:
        return int(digits, 16)
    except ValueError:
        raise NoHttpError(line) from None


def _exactly(stream: io.BufferedIOBase, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BrokenOffError
    return data
