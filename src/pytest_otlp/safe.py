"""Text from objects that may do anything when they are asked for it."""

from __future__ import annotations

MESSAGE_LIMIT = 8 * 1024
"""Characters."""


def text_of(value: object) -> str:
    """`str(value)`, or a placeholder where that raises."""
    if type(value) is str:
        return value
    try:
        return str(value)
    except Exception:  # noqa: BLE001  a test's __str__ may raise anything
        return f"<unprintable {type(value).__name__} object>"


def is_plain(value: object) -> bool:
    """Whether it is a text, a truth value or a number as OpenTelemetry has them, and JSON too: of at most 64 bits."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, str | float)


def qualified_name(cls: type) -> str:
    """The class as `exception.type` wants it: with its module, but for builtins."""
    name = text_of(getattr(cls, "__qualname__", cls.__name__))
    module = text_of(getattr(cls, "__module__", ""))
    return name if module in ("builtins", "") else f"{module}.{name}"


def exception_message(exception: BaseException) -> str:
    """It stands on the phase, on the test and in the event: a message of megabytes is cut."""
    return cut_middle(text_of(exception), MESSAGE_LIMIT)


def cut_middle(text: str, limit: int) -> str:
    """At most about `limit` characters of a text: its begin and its end, and how much was left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    end = text[len(text) - half :]
    return f"{text[:half]}\n[... {len(text) - 2 * half} of {len(text)} characters left out ...]\n{end}"


def cut_top(text: str, limit: int) -> str:
    """The last `limit` characters of a text, and how much was left out before them."""
    if len(text) <= limit:
        return text
    return f"[... {len(text) - limit} of {len(text)} characters left out ...]\n{text[len(text) - limit :]}"
