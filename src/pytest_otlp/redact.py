"""What must not leave the machine: values whose names look like secrets, and user info within URLs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"
_BETWEEN_WORDS = re.compile(r"[\W_\d]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""`db_password`, `dbPassword`, `DB-Password2` and `HTTPToken` are two words each."""
_USER_INFO = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?#]*@")
"""Of a URI (RFC 3986, 3.2.1), up to the last @ before its path."""


def is_secret(name: str, redact: Sequence[str]) -> bool:
    """Whether a word of a name, its plural or the whole name matches a pattern (in lower case, with `*` and `?`)."""
    return _is_secret(name, tuple(redact))


@lru_cache(maxsize=1024)
def _is_secret(name: str, redact: tuple[str, ...]) -> bool:
    words = {word.lower() for word in _BETWEEN_WORDS.split(name) if word}
    forms = {name.lower(), *words, *(word.removesuffix("s") for word in words)}
    return any(fnmatchcase(form, pattern) for form in forms for pattern in redact)


def without_user_info(text: str) -> str:
    """`postgres://me:secret@host/db` as `postgres://host/db`, wherever it stands in a text."""
    return _USER_INFO.sub(r"\1", text) if "://" in text else text


def without_secrets(values: Mapping[str, Any], redact: Sequence[str]) -> dict[str, Any]:
    return {name: REDACTED if is_secret(name, redact) else _clean(value) for name, value in values.items()}


def _clean(value: Any) -> Any:
    """By its type: any code of the user's may run when an object is asked for its class."""
    if type(value) is str:
        return without_user_info(value)
    return [_clean(item) for item in value] if type(value) is list else value
