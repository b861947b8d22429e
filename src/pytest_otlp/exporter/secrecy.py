"""Credentials, and keeping them out of what is shown."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress


def basic(user_info: str) -> str:
    """The value of an Authorization header for a decoded `user:password` (RFC 7617)."""
    return "Basic " + b64encode(user_info.encode("utf-8", "surrogateescape")).decode("ascii")


def secrets_of(headers: Mapping[str, str]) -> list[str]:
    """What must never be shown: header values, what follows a word like `Bearer`, passwords; the longest first."""
    values = {part for value in headers.values() for part in (value, *_parts(value))}
    return sorted((value for value in values if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)


def _parts(value: str) -> Iterator[str]:
    scheme, _, credentials = value.rpartition(" ")
    yield credentials
    if scheme.lower() == "basic":
        with suppress(ValueError):
            user_info = b64decode(credentials, validate=True).decode()
            yield user_info
            yield user_info.partition(":")[2]


_SHORTEST_SECRET = 4
"""Shorter ones are no secrets, and would tear holes in any text."""


def without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
