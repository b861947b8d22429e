"""Text of others made fit to be shown, and values made fit to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_otlp.safe import text_of

LONGEST_REASON = 200


def printable(text: str) -> str:
    """`text` with each character that a terminal might obey, or cannot show, as its Python escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def one_line(text: str, longest: int = LONGEST_REASON) -> str:
    """The printable beginning of a text: at most `longest` characters and an ellipsis."""
    shown = printable(text[: longest + 1].strip())
    return shown if len(shown) <= longest else shown[:longest] + "…"


def decimal(number: int) -> str:
    """An integer as text; hexadecimal where Python refuses to write so many decimal digits."""
    try:
        return str(number)
    except ValueError:
        return hex(number)


def plain_value(value: Any) -> str | bool | int | float | list[Any]:
    """The attribute value nearest to a value of a type that is none: its base type, a list, or its text."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return list(value)
    return text_of(value)
