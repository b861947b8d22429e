"""A test's span and what comes with it, as a row of the table of tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pytest_otlp import semconv
from pytest_otlp.viewer.otlp import attributes_of

LONGEST_MESSAGE = 200
"""Characters."""
COLUMNS = (
    "file",
    "name",
    "outcome",
    "start",
    "duration",
    "worker",
    "attempt",
    "flaky",
    "markers",
    "phase",
    "type",
    "message",
    "place",
    "line",
    "setup",
    "call",
    "teardown",
)
"""Of a table of tests, in the order of the rows."""
DELTAS = ("start",)
PHASES = ("setup", "call", "teardown")
_PLACE = re.compile(r"^(\S[^\n:]*:\d+): ", re.MULTILINE)
"""How pytest ends each entry of a traceback."""
_ERROR = 2
"""StatusCode."""


class Row(NamedTuple):
    """One attempt of a test, without its node id and its times."""

    outcome: str
    duration: int
    worker: str
    attempt: int
    flaky: int
    markers: str
    phase: str
    type: str
    message: str
    place: str
    line: int
    setup: int
    call: int
    teardown: int


def row_of(test: Span, attributes: Mapping[str, Any], below: Iterable[Span]) -> Row:
    """`attributes`: the test's, as plain values; `below`: its phases and what hangs below them."""
    times = dict.fromkeys(PHASES, 0)
    place = ""
    for span in below:
        if span.name in times and span.parent_span_id == test.span_id:
            times[span.name] = length(span)
        if not place and span.events:
            place = _place(span)
    seconds = attributes.get(semconv.DURATION)
    return Row(
        outcome=_text(attributes, semconv.OUTCOME) or "passed",
        duration=round(seconds * 1e6) if isinstance(seconds, (int, float)) else length(test),
        worker=_text(attributes, semconv.WORKER),
        attempt=_number(attributes, semconv.ATTEMPT) or 1,
        flaky=int(attributes.get(semconv.FLAKY) is True),
        markers=",".join(map(str, _many(attributes.get(semconv.MARKERS)))),
        phase=_text(attributes, semconv.FAILED_PHASE),
        type=_text(attributes, semconv.ERROR_TYPE),
        message=_message(test, attributes),
        place=place or (_place(test) if test.events else ""),
        line=_number(attributes, semconv.CODE_LINE_NUMBER),
        **times,
    )


def length(span: Span) -> int:
    """In microseconds."""
    return max(0, span.end_time_unix_nano - span.start_time_unix_nano) // 1000


def split(nodeid: str) -> tuple[str, str]:
    """File and the rest of a node id."""
    file, _, name = nodeid.partition("::")
    return file, name


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name, "")
    return value if isinstance(value, str) else str(value)


def _number(attributes: Mapping[str, Any], name: str) -> int:
    value = attributes.get(name, 0)
    return value if isinstance(value, int) else 0


def _message(test: Span, attributes: Mapping[str, Any]) -> str:
    text = test.status.message if test.status.code == _ERROR else _text(attributes, semconv.REASON)
    return text.strip().partition("\n")[0][:LONGEST_MESSAGE]


def _place(span: Span) -> str:
    """Where the exception of a span was raised: the last entry of its traceback."""
    for event in span.events:
        if event.name == semconv.EXCEPTION_EVENT:
            trace = attributes_of(event.attributes).get(semconv.EXCEPTION_STACKTRACE, "")
            found = _PLACE.findall(trace) if isinstance(trace, str) else []
            return found[-1] if found else ""
    return ""
