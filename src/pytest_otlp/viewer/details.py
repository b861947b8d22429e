"""Spans and log records as the page's `Details` and plain traces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pytest_otlp import semconv
from pytest_otlp.viewer import columns
from pytest_otlp.viewer.otlp import attributes_of, plain
from pytest_otlp.viewer.rows import PHASES, split

MOST_TOLD = 2_000
"""Spans of one answer that tell everything of each."""
_COLUMNS = ("id", "parent", "name", "resource", "kind", "start", "duration", "status", "more")
_ERROR = 2
_IN_THE_ROW = frozenset(
    {
        semconv.CASE_NAME,
        semconv.SUITE_NAME,
        semconv.CASE_RESULT_STATUS,
        semconv.OUTCOME,
        semconv.ATTEMPT,
        semconv.DURATION,
        semconv.MARKERS,
        semconv.WORKER,
        semconv.FLAKY,
        semconv.FAILED_PHASE,
        semconv.ERROR_TYPE,
        semconv.CODE_LINE_NUMBER,
    }
)
"""Attributes of a test that its row has."""


class StoredSpan(NamedTuple):
    """A span and the number of its resource in the store."""

    span: Span
    resource: int


class StoredLog(NamedTuple):
    record: LogRecord
    resource: int


class Resources:
    """The resources of one answer, numbered anew."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def number(self, stored: int) -> int:
        return self._numbers.setdefault(stored, len(self._numbers))

    @property
    def stored(self) -> list[int]:
        """In the order of their numbers."""
        return list(self._numbers)


class Tree:
    """The spans of one test, or of one trace, in the order in which they are shown."""

    def __init__(self, spans: Iterable[StoredSpan], root: bytes = b"") -> None:
        """`root`: the id of the span below which all are shown; empty where there are as many roots as there are."""
        self._by_id = {stored.span.span_id: stored for stored in spans}
        self._root = root
        self.orphans: set[bytes] = set()
        self._children: defaultdict[bytes, list[StoredSpan]] = defaultdict(list)
        for stored in self._by_id.values():
            if stored.span.span_id != root:
                self._children[self._parent(stored.span)].append(stored)
        self.spans: list[StoredSpan] = []
        self.parents: list[int] = []
        self._order()

    def _parent(self, span: Span) -> bytes:
        if span.parent_span_id in self._by_id and span.parent_span_id != span.span_id:
            return span.parent_span_id
        if span.parent_span_id:
            self.orphans.add(span.span_id)
        return self._root

    def _order(self) -> None:
        """Depth first, by start; what hangs in a circle comes last, as if it had no parent."""
        waiting: list[tuple[StoredSpan, int]]
        waiting = [(self._by_id[self._root], -1)] if self._root else [(top, -1) for top in self._below(b"")]
        seen: set[bytes] = set()
        self._walk(waiting, seen)
        if len(seen) < len(self._by_id):
            top = 0 if self._root else -1
            for span_id, stored in self._by_id.items():
                if span_id not in seen:
                    self.orphans.add(span_id)
                    self._walk([(stored, top)], seen)

    def _walk(self, waiting: list[tuple[StoredSpan, int]], seen: set[bytes]) -> None:
        while waiting:
            stored, parent = waiting.pop()
            span_id = stored.span.span_id
            if span_id in seen:
                continue
            seen.add(span_id)
            number = len(self.spans)
            self.spans.append(stored)
            self.parents.append(parent)
            if below := self._below(span_id):
                waiting.extend((child, number) for child in below)

    def _below(self, span_id: bytes) -> list[StoredSpan]:
        """The last first, as a stack wants them."""
        below = self._children.get(span_id, [])
        below.sort(key=lambda stored: stored.span.start_time_unix_nano, reverse=True)
        return below


class SpanTable:
    """The spans of an answer: of one test, of a hundred, or of a trace."""

    def __init__(self, *, ids: bool) -> None:
        self.resources = Resources()
        self._ids = ids
        self.rows: list[tuple[Any, ...]] = []

    def add(self, tree: Tree, base: int, *, nodeid: str | None = None) -> None:
        """`base`: ns since the epoch from which times count; `nodeid`: of the test that the first span is."""
        brief = len(tree.spans) > MOST_TOLD
        for number, ((span, resource), parent) in enumerate(zip(tree.spans, tree.parents, strict=True)):
            span_id, name, status, start = span.span_id, span.name, span.status.code, span.start_time_unix_nano
            is_test = number == 0 and nodeid is not None
            left_out = brief and not is_test and status != _ERROR and name not in PHASES
            told = {"left": 1} if left_out else more_of(span, base, nodeid if is_test else None)
            if span_id in tree.orphans:
                told["orphan"] = True
            self.rows.append(
                (
                    span_id.hex() if self._ids else "",
                    parent,
                    "" if is_test else name,
                    self.resources.number(resource),
                    span.kind,
                    (start - base) // 1000,
                    max(0, span.end_time_unix_nano - start) // 1000,
                    status,
                    told or None,
                )
            )

    def table(self) -> dict[str, Any]:
        return columns.table(_COLUMNS, self.rows)


def more_of(span: Span, base: int, nodeid: str | None = None) -> dict[str, Any]:
    """What a span says beyond its columns; `nodeid` where it is a test, whose row says the rest."""
    attributes = attributes_of(span.attributes)
    if nodeid is not None:
        attributes = _of_test(attributes, nodeid)
    elif attributes.get(semconv.PHASE) == span.name and attributes.get(semconv.OUTCOME) == "passed":
        attributes = {key: value for key, value in attributes.items() if key not in (semconv.PHASE, semconv.OUTCOME)}
    found = {
        "attributes": attributes,
        "events": [event(item.name, item.time_unix_nano, item.attributes, base) for item in span.events],
        "links": [
            {"trace": link.trace_id.hex(), "span": link.span_id.hex(), "attributes": attributes_of(link.attributes)}
            for link in span.links
        ],
        "message": span.status.message,
        "state": span.trace_state,
    }
    return {key: value for key, value in found.items() if value}


def event(name: str, time: int, attributes: Any, base: int) -> dict[str, Any]:
    """A span event; times in ns since the epoch."""
    return {"name": name, "time": (time - base) // 1000, "attributes": attributes_of(attributes)}


def _of_test(attributes: dict[str, Any], nodeid: str) -> dict[str, Any]:
    """Without what the row says, or what follows from the node id."""
    file, name = split(nodeid)
    function = f".{file.removesuffix('.py').replace('/', '.')}.{name.partition('[')[0].replace('::', '.')}"
    known = {
        semconv.CODE_FILE_PATH: attributes.get(semconv.CODE_FILE_PATH) == file,
        semconv.CODE_FUNCTION_NAME: function.endswith(f".{attributes.get(semconv.CODE_FUNCTION_NAME)}"),
    }
    return {key: value for key, value in attributes.items() if key not in _IN_THE_ROW and not known.get(key)}


def log_of(stored: StoredLog, test: int, span: int, base: int, resources: Resources) -> dict[str, Any]:
    """`test` and `span`: where it belongs, -1 where to none; `base`: ns since the epoch."""
    record = stored.record
    time = record.time_unix_nano or record.observed_time_unix_nano
    body = plain(record.body)
    return {
        "test": test,
        "span": span,
        "time": (time - base) // 1000,
        "severity": record.severity_number,
        "text": body if isinstance(body, str) else "" if body is None else str(body),
        "event": getattr(record, "event_name", ""),
        "resource": resources.number(stored.resource),
        "attributes": attributes_of(record.attributes),
    }


def is_running_marker(span: Span) -> bool:
    """What stood in for a test that took long: of no interest once the test is there."""
    if not span.name.endswith(" running"):
        return False
    keys = {pair.key for pair in span.attributes}
    return semconv.CASE_NAME in keys and semconv.CASE_RESULT_STATUS not in keys
