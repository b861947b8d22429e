"""The run's events as log records: what has begun, what is over."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_otlp import semconv
from pytest_otlp.events import Event, LogFact, Phase, SessionStarted, TestPassed, TestStarted
from pytest_otlp.exporter.records import AttributeValue, LogRecord, SharedSpan, Span
from pytest_otlp.exporter.run import Attempt, Final, Passed, SessionClosed
from pytest_otlp.exporter.spans import exception_attributes
from pytest_otlp.exporter.trace import Trace, phase_id, test_id

INFO = 9
ERROR = 17
"""SeverityNumber of the logs data model."""
_EVENT_NAME = "event.name"
"""Loki and others drop the record's own event name: it stands among the attributes too."""


def started(trace: Trace, event: Event) -> Iterable[LogRecord]:
    """The records of what an event says has begun."""
    match event:
        case SessionStarted():
            attributes: dict[str, AttributeValue] = {semconv.SUITE_NAME: event.suite}
            yield _record(trace, event.time, semconv.EVENT_RUN_STARTED, INFO, "run started", attributes, trace.root_id)
        case TestStarted():
            yield _case_started(trace, event)
        case TestPassed() if event.nodeid:
            yield _case_started(trace, TestStarted(event.key, event.nodeid, event.times[0], event.case))


def _case_started(trace: Trace, event: TestStarted) -> LogRecord:
    attributes: dict[str, AttributeValue] = {semconv.CASE_NAME: event.nodeid}
    if event.case is not None:
        attributes[semconv.SUITE_NAME] = event.case.suite
    own_id = test_id(trace.session, "", event.nodeid, 1) if not trace.session.workers else b""
    own = trace.of_test("", event.nodeid, 1)
    return _record(own, event.time, semconv.EVENT_CASE_STARTED, INFO, f"{event.nodeid} started", attributes, own_id)


def finished(trace: Trace, final: Final) -> Iterable[LogRecord]:
    """The records of what became final."""
    match final:
        case Attempt():
            yield from _logged(trace, final)
            yield _case_finished(trace, final)
        case Passed():
            yield _case_finished(trace, final)
        case SessionClosed():
            attributes: dict[str, AttributeValue] = {
                semconv.SUITE_NAME: trace.session.suite,
                semconv.SUITE_RUN_STATUS: final.status,
            }
            severity = INFO if final.status == "success" else ERROR
            body = f"run finished: {final.status}"
            yield _record(trace, final.end, semconv.EVENT_RUN_FINISHED, severity, body, attributes, trace.root_id)


def _logged(trace: Trace, attempt: Attempt) -> Iterable[LogRecord]:
    """What the test's code logged, at the span of its phase."""
    if not any(phase.logs for phase in attempt.phases):
        return
    own = trace.of_test(attempt.worker, attempt.nodeid, attempt.number)
    test = test_id(trace.session, attempt.worker, attempt.nodeid, attempt.number)
    for phase in attempt.phases:
        place = test if trace.session.detail == "tests" else phase_id(test, phase.when)
        for fact in phase.logs:
            attributes = _log_attributes(fact, attempt, phase)
            yield LogRecord(fact.time, "", fact.severity, fact.message, attributes, own.trace_id, place)


def _log_attributes(fact: LogFact, attempt: Attempt, phase: Phase) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        semconv.LOGGER: fact.logger,
        semconv.CODE_FILE_PATH: fact.path,
        semconv.CODE_LINE_NUMBER: fact.line,
        semconv.CODE_FUNCTION_NAME: fact.function,
        semconv.CASE_NAME: attempt.nodeid,
        semconv.PHASE: phase.when,
    }
    if fact.exception is not None:
        attributes |= exception_attributes(fact.exception)
    return attributes


def exceptions(spans: Iterable[Span | SharedSpan]) -> Iterable[LogRecord]:
    """The exception events of spans as records (semantic conventions for exceptions in logs)."""
    for span in spans:
        for event in span.events if isinstance(span, Span) else ():
            if event.name == semconv.EXCEPTION_EVENT:
                body = str(event.attributes.get(semconv.EXCEPTION_MESSAGE, ""))
                attributes = {**event.attributes, _EVENT_NAME: event.name}
                yield LogRecord(event.time, event.name, ERROR, body, attributes, span.trace_id, span.span_id)


def without_exceptions(span: Span | SharedSpan) -> Span | SharedSpan:
    if isinstance(span, SharedSpan) or not span.events:
        return span
    return span._replace(events=[event for event in span.events if event.name != semconv.EXCEPTION_EVENT])


def _case_finished(trace: Trace, attempt: Attempt | Passed) -> LogRecord:
    status = semconv.RESULT_STATUS.get(attempt.outcome, "pass")
    attributes: dict[str, AttributeValue] = {
        semconv.CASE_NAME: attempt.nodeid,
        semconv.CASE_RESULT_STATUS: status,
        semconv.OUTCOME: attempt.outcome,
        semconv.ATTEMPT: attempt.number,
    }
    if attempt.case is not None:
        attributes[semconv.SUITE_NAME] = attempt.case.suite
    if attempt.worker:
        attributes[semconv.WORKER] = attempt.worker
    if attempt.failure is not None and attempt.failure.type:
        attributes[semconv.ERROR_TYPE] = attempt.failure.type
    severity = ERROR if status in ("fail", "error") else INFO
    own = trace.of_test(attempt.worker, attempt.nodeid, attempt.number)
    own_id = test_id(trace.session, attempt.worker, attempt.nodeid, attempt.number)
    body = f"{attempt.nodeid} {attempt.outcome}"
    return _record(own, attempt.end, semconv.EVENT_CASE_FINISHED, severity, body, attributes, own_id)


def _record(
    trace: Trace,
    time: int,
    name: str,
    severity: int,
    body: str,
    attributes: dict[str, AttributeValue],
    own_id: bytes,
) -> LogRecord:
    return LogRecord(time, name, severity, body, {**attributes, _EVENT_NAME: name}, trace.trace_id, own_id)
