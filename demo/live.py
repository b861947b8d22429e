"""The run as it arrives."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from demo.screen import Screen

from pytest_otlp.exporter.records import Span
from pytest_otlp.exporter.tree import render
from support.received import ReceivedSpan


class Live:
    """Shows each test when its spans are there, with what the application did in it."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._below: defaultdict[str, list[ReceivedSpan]] = defaultdict(list)
        self._began = 0
        self._tests = "?"
        self._outcomes: Counter[str] = Counter()

    def show(self, spans: list[ReceivedSpan]) -> None:
        """Takes the spans of one request; those of the application wait for their test."""
        for span in spans:
            self._below[span.parent_id].append(span)
        for span in spans:
            if is_shown(span):
                self._show(span)
        self._screen.status(self._status())

    def _show(self, span: ReceivedSpan) -> None:
        self._began = self._began or span.start
        self._tests = str(span.attributes.get("pytest.tests.collected", self._tests))
        if "test.case.result.status" in span.attributes:
            self._outcomes[span.attributes["pytest.outcome"]] += 1
        seconds = f"{(span.arrival - self._began) / 1e9:6.2f} s  "
        title, *rest = render([as_record(span), *map(as_record, interesting(span, self._below))])
        worker = span.attributes.get("pytest.worker", "")
        self._screen.line(f"{seconds}{title}  {worker}".rstrip())
        for line in rest:
            self._screen.line(" " * len(seconds) + line)

    def _status(self) -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self._outcomes.items())
        return f"{self._outcomes.total()} of {self._tests} tests: {counts}" if self._outcomes else ""


def is_shown(span: ReceivedSpan) -> bool:
    """Whether a span begins a tree of its own here: a run, a test, a marker, a collection."""
    return bool(span.attributes.keys() & {"test.case.name", "test.suite.run.status"}) or span.name == "collection"


def interesting(span: ReceivedSpan, below: dict[str, list[ReceivedSpan]]) -> Iterator[ReceivedSpan]:
    """What hangs below a span, without phases that passed and have nothing below them, and without markers."""
    if "test.suite.run.status" in span.attributes:
        return
    for child in below.get(span.span_id, ()):
        if is_shown(child):
            continue
        inner = list(interesting(child, below))
        if inner or child.attributes.get("pytest.phase") is None or child.message:
            yield child
            yield from inner


def as_record(span: ReceivedSpan) -> Span:
    """A received span as the plugin's own renderer takes it; one of another service says so."""
    service = span.resource["service.name"]
    return Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_id=bytes.fromhex(span.parent_id),
        name=span.name if "pytest.run.id" in span.resource else f"{span.name} [{service}]",
        start=span.start,
        end=span.end,
        attributes=span.attributes,
        error=span.message if span.status == 2 else None,
    )
