"""Headers for every request, from `OTEL_EXPORTER_OTLP_HEADERS` and its like. Their values are secrets, never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from pytest_otlp.endpoints import SIGNALS

_GENERAL = "OTEL_EXPORTER_OTLP_"


def variable(env: Mapping[str, str], signal: str, name: str) -> tuple[str, str]:
    """Name and value of a signal's own `OTEL_EXPORTER_OTLP_*` variable, or of the general one.

    An empty one counts as not set (OpenTelemetry specification, "Configuration: Parsing empty value").
    """
    own, general = f"{_GENERAL}{signal.upper()}_{name}", f"{_GENERAL}{name}"
    return (own, env[own]) if env.get(own) else (general, env.get(general, ""))


def parse(text: str) -> dict[str, str]:
    """Reads `name=value,name=value` with percent-encoded values (W3C Baggage, without its properties).

    Names become lower-case. Raises ValueError; the message names the header, never the value.
    """
    headers = {}
    for member in filter(str.strip, text.split(",")):
        name, equals, value = member.partition("=")
        name, value = name.strip().lower(), unquote(value).strip(_BLANK)
        # What is no name may be a secret that was pasted without one.
        if not equals or not _NAME.fullmatch(name):
            raise ValueError("has an entry that is no name=value")
        if _CONTROL.search(value):
            raise ValueError(f"has a line break or other control character in the value of {name}")
        headers[name] = value
    return headers


_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
"""A token (RFC 9110, 5.6.2)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BLANK = " \t"
"""White space around a value (RFC 9110, 5.6.3): a line break at its end is one in it."""


def problems(env: Mapping[str, str]) -> list[str]:
    """What cannot be sent of the variables, one line a variable, without any value."""
    names = (f"{_GENERAL}HEADERS", *(f"{_GENERAL}{signal.upper()}_HEADERS" for signal in SIGNALS))
    return [problem for name in names if (problem := _problem(name, env.get(name, "")))]


def _problem(name: str, text: str) -> str:
    try:
        parse(text)
    except ValueError as error:
        return f"{name} {error}; ignored (values are not shown)"
    return ""
