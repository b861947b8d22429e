"""Text from objects that may do anything when they are asked for it."""

from __future__ import annotations

MESSAGE_LIMIT = 8 * 1024
"""Bytes."""


def text_of(value: object) -> str:
    """`str(value)`, or a placeholder where that raises."""
    if type(value) is str:
        return value
    try:
        return str(value)
    except KeyboardInterrupt:
        raise  # somebody's, who wants the run to end
    except BaseException:  # noqa: BLE001  a test's __str__ may raise anything: `pytest.fail`, `SystemExit`
        return f"<unprintable {type(value).__name__} object>"


def is_plain(value: object) -> bool:
    """Whether it is a text, a truth value or a number as OpenTelemetry has them, and JSON too: of at most 64 bits."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, str | float)


def time_of(value: object, otherwise: int) -> int:
    """A time in ns since the epoch, as OpenTelemetry wants it; `otherwise` where it is none, as one in s."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63:
        return int(value)
    return otherwise


def qualified_name(cls: type) -> str:
    """The class as `exception.type` wants it: with its module, but for builtins."""
    name = text_of(getattr(cls, "__qualname__", cls.__name__))
    module = text_of(getattr(cls, "__module__", ""))
    return name if module in ("builtins", "") else f"{module}.{name}"


def exception_message(exception: BaseException) -> str:
    """It stands on the phase, on the test and in the event: a message of megabytes is cut."""
    return cut_middle(text_of(exception), MESSAGE_LIMIT)


def cut_middle(text: str, limit: int) -> str:
    """At most about `limit` bytes of UTF-8 of a text: its begin and its end, and how much was left out."""
    return _cut(text, limit // 2, limit - limit // 2)


def cut_top(text: str, limit: int) -> str:
    """The last `limit` bytes of UTF-8 of a text, and how much was left out before them."""
    return _cut(text, 0, limit)


def _cut(text: str, head: int, tail: int) -> str:
    """Bytes, not characters: backends have limits in bytes (Jaeger's badger refuses a whole batch above 65,000)."""
    if len(text) * _WIDEST <= head + tail:
        return text
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= head + tail:
        return text
    begin, end = (part.decode("utf-8", "ignore") for part in (data[:head], data[len(data) - tail :]))
    note = f"[... {len(data) - head - tail} of {len(data)} bytes left out ...]\n"
    return f"{begin}\n{note}{end}" if head else note + end


_WIDEST = 6
"""Bytes that one character can take: a lone surrogate becomes `\\udc80`."""
