"""A test's span and what comes with it, as a row of the table of tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pytest_otlp import semconv
from pytest_otlp.viewer.brief import Brief, Item, attributes_of

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
SUBTEST = "subtest "
"""How the names of their spans begin."""
CUT_SHORT = ("interrupted", "crashed")
"""Outcomes of tests that never ended."""


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


def row_of(item: Item, attributes: Mapping[str, Any], times: Mapping[str, int], place: str) -> Row:
    """`attributes`: the test's, as plain values; `times`: us of its phases; `place`: where it failed."""
    outcome = _text(attributes, semconv.OUTCOME) or "passed"
    # The phases that came to an end are not how long such a test took.
    seconds = attributes.get(semconv.DURATION) if outcome not in CUT_SHORT else None
    return Row(
        outcome=outcome,
        duration=round(seconds * 1e6) if isinstance(seconds, (int, float)) else length(item.brief),
        worker=_text(attributes, semconv.WORKER),
        attempt=_number(attributes, semconv.ATTEMPT) or 1,
        flaky=int(attributes.get(semconv.FLAKY) is True),
        markers=",".join(map(str, _many(attributes.get(semconv.MARKERS)))),
        phase=_text(attributes, semconv.FAILED_PHASE),
        type=_text(attributes, semconv.ERROR_TYPE),
        message=_message(item, attributes),
        place=place,
        line=_number(attributes, semconv.CODE_LINE_NUMBER),
        **times,
    )


def is_failed_subtest(item: Item) -> bool:
    return item.brief.name.startswith(SUBTEST) and item.failed


def failed_by(subtest: Item) -> dict[str, Any]:
    """What a row is with it. pytest counts the subtest as failed, and the test around it as passed (9.0 to 9.2).

    Who looks for failures is to find that test.
    """
    reason = _text(attributes_of(subtest.brief), semconv.ERROR_TYPE)
    return {"outcome": "failed", "phase": "call", "type": reason, "message": _first_line(subtest)}


def length(span: Brief) -> int:
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


def _message(test: Item, attributes: Mapping[str, Any]) -> str:
    return _first_line(test) if test.failed else _shortened(_text(attributes, semconv.REASON))


def _first_line(failed: Item) -> str:
    """Of what a span failed with."""
    return _shortened(failed.whole.status.message)


def _shortened(text: str) -> str:
    return text.strip().partition("\n")[0][:LONGEST_MESSAGE]
