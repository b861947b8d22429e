"""Spans of the files of a run that is more than one trace: each in the run's own trace, and as the root of its own."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_otlp import ids, semconv
from pytest_otlp.exporter.files import FileFinished, FilePart
from pytest_otlp.exporter.records import Attributes, AttributeValue, Link, Span
from pytest_otlp.exporter.trace import SHORTEST, Trace, span_id, test_id

_BAD = ("failed", "error")


def spans_of(trace: Trace, file: FileFinished) -> list[Span]:
    """The span with the file's counts in the run's trace, and a root for each trace that has its tests."""
    if trace.plan.per == "test":
        return [_in_run(trace, file, [_link_to_test(trace, *test) for test in file.tests])]
    roots = [_root(trace, file, part) for part in file.parts]
    links = [Link(root.trace_id, root.span_id, {}) for root in roots]
    return [_in_run(trace, file, links), *roots]


def span_count(trace: Trace, file: FileFinished) -> int:
    """`len(spans_of(trace, file))`, without making them."""
    return 1 if trace.plan.per == "test" else 1 + len(file.parts)


def marker(trace: Trace, path: str, part: int, start: int) -> Span:
    """What gives a file's trace its name before its root can be sent: beside the root, and without a result."""
    own_id = span_id(trace.session, ids.MARKER, path, str(part))
    time = start + SHORTEST
    attributes = {semconv.SUITE_NAME: path}
    own = trace.of_file(path, part)
    return own.span(own_id, b"", _name(trace, path, part), (time, time + SHORTEST), attributes)


def counts_of(counts: Mapping[str, int]) -> dict[str, AttributeValue]:
    """By the categories of pytest's summary, its usual ones always."""
    known = dict.fromkeys(semconv.SUMMARY_CATEGORIES, 0) | dict(counts)
    return {semconv.TESTS + category.replace(" ", "_"): count for category, count in known.items()}


def span_in_run(trace: Trace, path: str) -> bytes:
    """The id of a file's span in the run's own trace."""
    return span_id(trace.session, ids.FILE, path)


def _in_run(trace: Trace, file: FileFinished, links: list[Link]) -> Span:
    whole = file.whole
    attributes = {**_attributes(file.path, whole), semconv.TESTS_COLLECTED: file.collected}
    times = (whole.start, whole.end)
    own_id = span_in_run(trace, file.path)
    return trace.span(own_id, trace.root_id, file.path, times, attributes, _error(whole), links=links)


def _root(trace: Trace, file: FileFinished, part: FilePart) -> Span:
    own = trace.of_file(file.path, part.number)
    name = _name(trace, file.path, part.number)
    back = Link(trace.trace_id, span_in_run(trace, file.path), {})
    attributes = _attributes(file.path, part)
    return own.span(own.root_id, b"", name, (part.start, part.end), attributes, _error(part), links=(back,))


def _name(trace: Trace, path: str, part: int) -> str:
    parts = trace.plan.parts(path)
    return path if parts == 1 else f"{path} ({part + 1} of {parts})"


def _attributes(path: str, part: FilePart) -> Attributes:
    return {semconv.SUITE_NAME: path, semconv.CODE_FILE_PATH: path, **counts_of(part.counts)}


def _error(part: FilePart) -> str | None:
    counts = [f"{part.counts[word]} {word}" for word in _BAD if part.counts[word]]
    if part.interrupted:
        counts.append(f"{part.interrupted} interrupted")
    return ", ".join(counts) or None


def _link_to_test(trace: Trace, worker: str, nodeid: str, attempt: int) -> Link:
    own = trace.of_test(worker, nodeid, attempt)
    return Link(own.trace_id, test_id(trace.session, worker, nodeid, attempt), {})
