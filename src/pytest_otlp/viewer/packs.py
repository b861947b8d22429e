"""A test's span, gathered with those of the same request that hang below it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pytest_otlp import semconv
from pytest_otlp.exporter.wire import LENGTH, chunk, tag
from pytest_otlp.viewer import otlp
from pytest_otlp.viewer.brief import Brief, Item
from pytest_otlp.viewer.rows import PHASES, Row, failed_by, is_failed_subtest, length, row_of

_SPANS = tag(2, LENGTH)
"""`ScopeSpans.spans`."""
_PLACE = re.compile(r"^(\S[^\n:]*:\d+): ", re.MULTILINE)
"""How pytest ends each entry of a traceback."""


class Pack:
    """What is known of it grows with each span that is added."""

    def __init__(self, test: Item, attributes: Mapping[str, Any]) -> None:
        span = test.brief
        self.test = test
        self.attributes = attributes
        self.nodeid = str(attributes.get(semconv.CASE_NAME) or span.name)
        self.id = span.span_id
        self.ids = {self.id}
        """Of all its spans."""
        self.start = span.start_time_unix_nano
        """ns since the epoch, as is the end."""
        self.end = span.end_time_unix_nano
        self.below: list[Item] = []
        self.times = dict.fromkeys(PHASES, 0)
        """us of each phase."""
        self.errors = int(test.failed)
        self._place = ""
        self._subtest: Item | None = None
        """The first that failed."""

    def add(self, item: Item, span: Brief) -> None:
        """`span`: what is read of the item."""
        self.below.append(item)
        self.ids.add(span.span_id)
        name = span.name
        if name in self.times and span.parent_span_id == self.id:
            self.times[name] = length(span)
        if span.status and item.failed:
            self.errors += 1
            if self._subtest is None and is_failed_subtest(item):
                self._subtest = item
        if span.events and not self._place:
            self._place = _place(item.whole)

    @property
    def uneventful(self) -> bool:
        """Three phases, and none of them failed."""
        return not self.errors and len(self.below) == len(PHASES)

    def row(self) -> Row:
        place = self._place or (_place(self.test.whole) if self.test.brief.events else "")
        row = row_of(self.test, self.attributes, self.times, place)
        if self._subtest is None or row.outcome != "passed":
            return row
        return row._replace(**failed_by(self._subtest))

    def body(self) -> bytes:
        """As a `ScopeSpans`."""
        return b"".join([chunk(_SPANS, item.body) for item in (self.test, *self.below)])


def _place(span: Span) -> str:
    """Where the exception of a span was raised: the last entry of its traceback."""
    for event in span.events:
        if event.name == semconv.EXCEPTION_EVENT:
            trace = otlp.attributes_of(event.attributes).get(semconv.EXCEPTION_STACKTRACE, "")
            found = _PLACE.findall(trace) if isinstance(trace, str) else []
            return found[-1] if found else ""
    return ""
