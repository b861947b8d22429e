"""The body of a request, as much of it as is sound to hold."""

from __future__ import annotations

import re
import zlib

MOST_SENT = 16 * 1024 * 1024
"""Bytes of a request's body as it is sent."""
MOST_UNPACKED = 16 * 1024 * 1024
"""Bytes of it without compression."""
_PIECE = 1024 * 1024


_EMPTY = re.compile(rb"[\x0a\x12\x1a\x22\x2a\x32\x3a\x42\x4a\x52\x5a\x62\x6a\x72\x7a]\x00")
"""A field of protobuf's that holds an empty message: two bytes that become more than a hundred in memory."""
_DENSE = 24
"""Bytes for each of these that a sound request has at least: a span has more in its ids alone."""
_SMALL = 64 * 1024


class TooLargeError(ValueError):
    """More than is taken."""


class EncodingError(ValueError):
    """It is not compressed as it says."""


def refuse_hollow(body: bytes) -> None:
    """Raises:
    TooLargeError: it is made of empty messages, and would be a hundred times as large when it is read.
    """
    if len(body) <= _SMALL or body.count(0) * _DENSE <= len(body):  # which takes a tenth of the time of the next
        return
    if sum(1 for _ in _EMPTY.finditer(body)) * _DENSE > len(body):
        raise TooLargeError


def unpacked(body: bytes, encoding: str, most: int = MOST_UNPACKED) -> bytes:
    """The body without its `Content-Encoding`: gzip, deflate, or none.

    Raises:
        TooLargeError: there would be more of it than `most` bytes; no more than that is ever unpacked.
        EncodingError: it is not what the encoding says, or the encoding is another.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise EncodingError(f"Content-Encoding {encoding[:40]!r} is not understood; use gzip or none")
    window = zlib.MAX_WBITS | 32  # finds out by itself whether it is gzip or zlib
    pieces, size, rest = [], 0, body
    try:
        while rest:
            stream = zlib.decompressobj(window)
            while rest and not stream.eof:
                piece = stream.decompress(rest, _PIECE)
                pieces.append(piece)
                size += len(piece)
                if size > most:
                    raise TooLargeError
                rest = stream.unconsumed_tail or stream.unused_data
            if not stream.eof:
                raise EncodingError("the compressed body is cut off")
    except zlib.error as error:
        raise EncodingError("the body is not compressed as it says") from error
    return b"".join(pieces)
