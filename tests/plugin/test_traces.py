"""The checks of `support.traces` find what they are there for."""

from __future__ import annotations

from typing import Any

import pytest

from support.received import ReceivedEvent, ReceivedLink, ReceivedSpan
from support.traces import counted, problems, tree

RESOURCE = {"service.name": "shop"}
ROOT = {"test.suite.run.status": "failure"}
TEST = {"test.case.result.status": "fail", "pytest.outcome": "failed"}


def span(name: str, span_id: str, parent_id: str, start: int, end: int, **changes: Any) -> ReceivedSpan:
    plain = ReceivedSpan(
        trace_id="t", span_id=span_id, parent_id=parent_id, name=name, start=start * 10**6, end=end * 10**6,
        attributes={}, events=[], links=[], status=0, message="", kind=1, trace_state="", resource=RESOURCE,
        scope=("pytest-otlp", "1"), arrival=0,
    )  # fmt: skip
    return plain._replace(**changes)


def good() -> dict[str, ReceivedSpan]:
    error = ReceivedEvent("exception", 25 * 10**6, {"exception.type": "ValueError"})
    marker = {"test.suite.run.status": "in_progress"}
    phase = {"pytest.phase": "setup", "pytest.outcome": "passed"}
    failed = {"pytest.phase": "call", "pytest.outcome": "failed"}
    return {
        "root": span("pytest", "r", "", 0, 100, attributes=ROOT, status=2, message="1 failed"),
        "marker": span("pytest", "m", "", 0, 1, attributes=marker),
        "collection": span("collection", "c", "r", 1, 10),
        "test": span("a::b", "1", "r", 10, 30, attributes=TEST, status=2, message="no"),
        "setup": span("setup", "2", "1", 10, 20, attributes=phase),
        "call": span("call", "3", "1", 20, 30, attributes=failed, status=2, message="no", events=[error]),
        "running": span("a::b running", "4", "1", 10, 11),
    }


def test_a_good_trace_has_no_problems() -> None:
    spans = list(good().values())
    assert problems(spans) == []
    assert counted(spans) == {"failed": 1}
    assert (
        tree(spans)
        == """\
pytest failure !1 failed
  collection
  a::b failed !no (setup, call failed ! *ValueError)"""
    )


@pytest.mark.parametrize(
    ("which", "changes", "problem"),
    [
        ("call", {"trace_id": "other"}, "0 roots of the trace other"),
        ("call", {"trace_id": "other"}, "call is an orphan"),
        ("call", {"span_id": "2"}, "2 spans with the id 2"),
        ("call", {"resource": {}}, "another resource"),
        ("root", {"attributes": {"test.suite.run.status": "in_progress"}}, "0 roots"),
        ("marker", {"attributes": ROOT}, "2 roots"),
        ("marker", {"name": "other"}, "does not stand after the root"),
        ("marker", {"parent_id": "r"}, "has the parent 'r'"),
        ("call", {"parent_id": "9"}, "call is an orphan"),
        ("call", {"parent_id": ""}, "call is an orphan"),
        ("call", {"parent_id": "m"}, "call is an orphan"),
        ("call", {"end": 32 * 10**6}, "call is not within a::b"),
        ("call", {"start": 8 * 10**6}, "call is not within a::b"),
        ("call", {"end": 20 * 10**6}, "call takes 0 ns"),
        ("call", {"end": 0}, "call takes -20000000 ns"),
        ("call", {"events": [ReceivedEvent("late", 10**9, {})]}, "has an event at another time"),
        ("call", {"kind": 2}, "is of the kind 2"),
        ("call", {"status": 1}, "has the status 1"),
        ("call", {"status": 0}, "has the status 0 'no'"),
        ("call", {"links": [ReceivedLink("t", "1", {})]}, "has links"),
        ("running", {"attributes": {"pytest.outcome": "passed"}}, "has a result"),
    ],
)
def test_a_broken_rule_is_found(which: str, changes: dict[str, Any], problem: str) -> None:
    spans = good()
    spans[which] = spans[which]._replace(**changes)
    assert any(problem in found for found in problems(list(spans.values())))


def test_a_second_marker_is_found() -> None:
    spans = good()
    assert "2 markers of the start" in problems([*spans.values(), spans["marker"]._replace(span_id="n")])


def test_a_given_parent() -> None:
    spans = good()
    given = [one._replace(parent_id=one.parent_id or "p") for one in spans.values()]
    assert problems(given, "p") == []
    assert problems(given) != []
