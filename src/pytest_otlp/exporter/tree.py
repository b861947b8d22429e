"""Spans as a tree to be read in a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from pytest_otlp import semconv
from pytest_otlp.exporter.records import Span
from pytest_otlp.exporter.text import one_line

_SIGNS = {
    "passed": "✓",
    "failed": "✗",
    "error": "✗",
    "crashed": "✗",
    "interrupted": "✗",
    "skipped": "-",
    "xfailed": "x",
    "xpassed": "!",
    "rerun": "↻",
    "success": "✓",
    "failure": "✗",
    "aborted": "✗",
    "timed_out": "✗",
    semconv.IN_PROGRESS: "…",
}
"""By a test's outcome or a run's status."""

_Children = Mapping[bytes, Sequence[Span]]


def render(spans: Sequence[Span]) -> list[str]:
    """Lines of the trees that the spans form by their parents, in the order of their starts.

    A span whose parent is not among them stands at the left. Text of tests is escaped.
    """
    known = {span.span_id for span in spans}
    children: defaultdict[bytes, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        children[span.parent_id if span.parent_id in known else b""].append(span)
    return [line for top in children[b""] for line in _tree(top, children)]


def _tree(span: Span, children: _Children) -> Iterator[str]:
    below = children.get(span.span_id, ())
    yield _title(span)
    for line in _said(span, below):
        yield ("│   " if below else "    ") + line
    for child in below:
        last = child is below[-1]
        for number, line in enumerate(_tree(child, children)):
            if number == 0:
                yield ("└ " if last else "├ ") + line
            else:
                yield ("  " if last else "│ ") + line


def _title(span: Span) -> str:
    return "  ".join(part for part in (_name(span), _duration(span), _counts(span)) if part)


def _name(span: Span) -> str:
    name = one_line(span.name)
    sign = _sign(span)
    return f"{sign} {name}" if sign else name


def _sign(span: Span) -> str:
    """A test and a run have one; a part of a test only where it did not pass."""
    attributes = span.attributes
    word = str(attributes.get(semconv.OUTCOME) or attributes.get(semconv.SUITE_RUN_STATUS) or "")
    if word == "passed" and semconv.CASE_NAME not in attributes:
        return ""
    if not word and semconv.CASE_NAME in attributes:
        word = semconv.IN_PROGRESS
    return _SIGNS.get(word, "✗" if span.error is not None else "")


def _duration(span: Span) -> str:
    if _sign(span) == _SIGNS[semconv.IN_PROGRESS]:
        return ""
    seconds = (span.end - span.start) / 1e9
    if seconds < 0.01:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _counts(span: Span) -> str:
    """How many tests of each category, of a run."""
    if semconv.SUITE_RUN_STATUS not in span.attributes:
        return ""
    names = {key.removeprefix(semconv.TESTS): value for key, value in span.attributes.items() if value}
    return ", ".join(
        f"{names[category]} {category}" for category in (*semconv.OUTCOMES, "deselected") if category in names
    )


def _said(span: Span, below: Sequence[Span]) -> Iterator[str]:
    """Why a test was skipped, and an error where it happened: a test repeats that of its phase, a run its counts."""
    reason = span.attributes.get(semconv.REASON)
    if reason:
        yield one_line(str(reason))
    if span.error and span.error not in _counts(span) and all(child.error != span.error for child in below):
        yield one_line(span.error.strip().partition("\n")[0])
