from __future__ import annotations

from typing import Any

import pytest

from pytest_otlp import events
from pytest_otlp.events import Case, Failure, Phase, PhasesFinished, SessionFinished, SessionStarted
from pytest_otlp.exporter import logs
from pytest_otlp.exporter.records import LogRecord
from pytest_otlp.exporter.run import Run
from pytest_otlp.exporter.spans import spans_of
from pytest_otlp.exporter.trace import Trace
from support.model import BEGIN, a_session, a_test

CASE = Case("a.py", 1, "t", "a.py")


def records_of(*told: events.Event, **session: Any) -> list[LogRecord]:
    started = a_session(**session)
    trace, run = Trace.of(started), Run()
    found: list[LogRecord] = []
    for event in [started, *told]:
        found += logs.started(trace, event)
        for final in run.apply(event):
            found += logs.finished(trace, final)
    assert all(record.trace_id == trace.trace_id for record in found)
    assert all(record.attributes["event.name"] == record.event_name for record in found)
    return found


def root_of(session: SessionStarted) -> bytes:
    return Trace.of(session).root_id


def test_the_run() -> None:
    began, ended = records_of(events.TestsCollected(BEGIN, 1), SessionFinished(BEGIN + 5000, 0, 0, None, 0), run_id="r")
    root = root_of(a_session(run_id="r"))
    assert began == LogRecord(
        BEGIN,
        "test.suite.run.started",
        9,
        "run started",
        {"test.suite.name": "suite", "event.name": "test.suite.run.started"},
        bytes.fromhex("0af7651916cd43dd8448eb211c80319c"),
        root,
    )
    assert (ended.time, ended.event_name, ended.severity, ended.span_id) == (
        BEGIN + 5000,
        "test.suite.run.finished",
        9,
        root,
    )
    assert ended.body == "run finished: success"
    assert ended.attributes["test.suite.run.status"] == "success"


@pytest.mark.parametrize(("exit_code", "status"), [(1, "failure"), (2, "aborted"), (5, "skipped")])
def test_a_run_without_success(exit_code: int, status: str) -> None:
    *_, ended = records_of(events.TestsCollected(BEGIN, 1), SessionFinished(BEGIN + 5000, exit_code, 0, None, 0))
    assert (ended.severity, ended.body) == (17, f"run finished: {status}")


def test_a_test() -> None:
    started, over = a_test(1)
    assert isinstance(started, events.TestStarted)
    _, began, ended = records_of(started._replace(case=CASE), over)
    assert began.attributes == {
        "test.case.name": "test_it.py::test_1",
        "test.suite.name": "a.py",
        "event.name": "test.case.started",
    }
    assert (began.time, began.severity, began.body) == (BEGIN, 9, "test_it.py::test_1 started")
    assert ended.attributes == {
        "test.case.name": "test_it.py::test_1",
        "test.case.result.status": "pass",
        "pytest.outcome": "passed",
        "pytest.attempt": 1,
        "test.suite.name": "a.py",
        "event.name": "test.case.finished",
    }
    assert (ended.time, ended.severity, ended.body) == (BEGIN + 3_000_000, 9, "test_it.py::test_1 passed")


def test_a_test_whose_start_was_not_told_by_itself() -> None:
    times = (BEGIN, *range(BEGIN + 1, BEGIN + 6))
    passed = events.TestPassed(1, 1, "gw0", times, (1, 2, 3), CASE)
    apart = records_of(events.TestStarted(1, "a.py::t", BEGIN, CASE), passed, run_id="run", workers=1)
    assert records_of(passed._replace(nodeid="a.py::t"), run_id="run", workers=1) == apart
    assert [record.event_name for record in apart[1:]] == ["test.case.started", "test.case.finished"]


@pytest.mark.parametrize(
    ("category", "severity"),
    [("passed", 9), ("skipped", 9), ("xfailed", 9), ("failed", 17), ("error", 17), ("rerun", 17)],
)
def test_severity(category: str, severity: int) -> None:
    *_, ended = records_of(*a_test(1, "", category, ""))
    assert ended.severity == severity


def test_a_failure_has_its_type() -> None:
    row = Phase("call", "failed", "failed", BEGIN, BEGIN + 1, 0.1, Failure("app.Died", "", ""))
    *_, ended = records_of(events.TestStarted(1, "a", BEGIN), PhasesFinished(1, 1, "", last=True, phases=(row,)))
    assert ended.attributes["error.type"] == "app.Died"


def test_records_stand_at_their_span() -> None:
    session = a_session()
    trace, run = Trace.of(session), Run()
    started, over = a_test(1)
    (began,) = logs.started(trace, started)
    run.apply(session)
    run.apply(started)
    (final,) = run.apply(over)
    (ended,) = logs.finished(trace, final)
    assert began.span_id == ended.span_id == spans_of(trace, final)[0].span_id


def test_which_worker_runs_a_test_is_not_known_at_its_start() -> None:
    _, began, ended = records_of(*a_test(1, worker="gw0"), workers=1)
    assert began.span_id == b""
    assert len(ended.span_id) == 8
    assert ended.attributes["pytest.worker"] == "gw0"
