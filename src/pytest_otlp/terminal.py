"""The two lines that a run prints, as pure functions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_otlp.launch import Result


def escaped(text: str) -> str:
    """One line of text from elsewhere, without control characters."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def header(*, target: str, protocol: str, service: str, trace_id: str, link: str) -> str:
    line = f"otlp: {target} ({protocol}), service {service}, trace {trace_id}"
    return escaped(f"{line}, {link}" if link else line)


def quoted(path: str) -> str:
    """As a shell takes it for one word."""
    if sys.platform == "win32":
        return f'"{path}"' if " " in path else path
    import shlex  # noqa: PLC0415  where something went wrong only

    return shlex.quote(path)


def notice(text: str) -> str:
    return escaped(f"otlp: {text}")


def summary(result: Result, *, target: str, journal: str, link: str) -> str:
    """How the delivery ended: all delivered, or what became of the rest and what to do about it.

    `journal` is empty where it is gone. `target` is empty where nothing is sent, for a report that is all that was
    asked for; a notice says where it is.
    """
    spans = result.spans
    head = f"otlp: {counted(result.tests, 'test')}, "
    if not target:
        text = f"{head}{counted(spans.produced, 'span')}"
    elif spans.delivered == spans.produced:
        text = f"{head}{counted(spans.produced, 'span')} delivered to {target}"
    else:
        text = f"{head}{spans.delivered} of {counted(spans.produced, 'span')} delivered to {target}{_rest(result)}"
    if result.problem:
        text += f" ({result.problem})"
    if spans.kept:
        text += f"; send them with: pytest-otlp replay {quoted(journal)}" if journal else f"; {_GONE}"
    elif link and spans.delivered:
        text += f" - {link}"
    return escaped("; ".join([text, *result.notices]))


def _rest(result: Result) -> str:
    parts = [f", {result.spans.rejected} rejected"] if result.spans.rejected else []
    if result.spans.kept:
        parts.append(f", {result.spans.kept} kept")
    return "".join(parts)


def counted(number: int, noun: str) -> str:
    """`1 test`, `2 tests`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def no_exporter(problem: str, journal: str) -> str:
    """The exporter could not be started, or left no word. `journal`: see `summary`."""
    kept = f"the run is kept: send it with: pytest-otlp replay {quoted(journal)}" if journal else _GONE
    return escaped(f"otlp: {problem}; {kept}")


def unheard(problem: str, journal: str) -> str:
    """The exporter was not waited for to its end. `journal` is empty where it has removed it."""
    if not journal:
        return escaped(f"otlp: {problem}, which is done: it has removed the journal")
    left = f"what it does not deliver can be sent with: pytest-otlp replay {quoted(journal)}"
    return escaped(f"otlp: {problem}, which goes on alone; {left}")


_GONE = "the journal is gone: it was removed while the run went on"
