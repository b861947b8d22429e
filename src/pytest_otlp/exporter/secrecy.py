"""Credentials, and keeping them out of what is shown."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence


def basic(user_info: str) -> str:
    """The value of an Authorization header for a decoded `user:password` (RFC 7617)."""
    return "Basic " + b64encode(user_info.encode("utf-8", "surrogateescape")).decode("ascii")


def secrets_of(headers: Mapping[str, str]) -> list[str]:
    """What must never be shown: header values, and what follows a word like `Bearer`; the longest first."""
    values = {part for value in headers.values() for part in (value, value.rpartition(" ")[2])}
    return sorted((value for value in values if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)


_SHORTEST_SECRET = 4
"""Shorter ones are no secrets, and would tear holes in any text."""


def without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
