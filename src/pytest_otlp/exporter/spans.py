"""Spans of what is final in a run: a pure function of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from pytest_otlp import ids, semconv
from pytest_otlp.events import (
    CRASHED,
    INTERRUPTED,
    MOST_WARNINGS,
    PHASES,
    PLAIN_FIELDS,
    AppSpan,
    CollectFailed,
    CollectionFinished,
    CollectSkipped,
    Debugged,
    Failure,
    FileCollected,
    Fixture,
    Phase,
    SessionStarted,
    Step,
    Subtest,
    WarningFact,
)
from pytest_otlp.exporter import file_spans
from pytest_otlp.exporter.files import FileFinished
from pytest_otlp.exporter.records import AttributeValue, Link, SharedSpan, Span, SpanEvent
from pytest_otlp.exporter.run import Attempt, Final, Passed, RunningTest, SessionClosed
from pytest_otlp.exporter.trace import SHORTEST, SPAN_ID_BYTES, Trace, phase_id, rounded, span_id, test_id
from pytest_otlp.exporter.workers import WorkerOver
from pytest_otlp.nodeids import suite_of

_PHASE_NUMBERS = tuple(ids.phase_span_id(0, when) for when in PHASES)
_CUT = (CRASHED, INTERRUPTED)
_FAILED = ("failed", "error", "rerun", *_CUT)


def spans_of(trace: Trace, final: Final) -> Sequence[Span | SharedSpan]:
    """The spans that are final with this part of the run."""
    if isinstance(final, Passed) and trace.session.detail != "tests":
        return _passed(trace.of_test(final.worker, final.nodeid, final.number), final)
    if isinstance(final, Attempt | Passed):
        return _attempt(trace.of_test(final.worker, final.nodeid, final.number), final)
    if isinstance(final, FileFinished):
        return file_spans.spans_of(trace, final)
    return [_SPANS[type(final)](trace, final)]


def span_count(trace: Trace, final: Final) -> int:
    """`len(spans_of(trace, final))`, without making them."""
    if isinstance(final, FileFinished):
        return file_spans.span_count(trace, final)
    if not isinstance(final, Attempt | Passed) or trace.session.detail == "tests":
        return 1
    if isinstance(final, Passed):
        return 1 + len(PHASES)
    return (
        1
        + len(final.debugged)
        + sum(1 + len(phase.fixtures) + len(phase.subtests) + len(phase.steps) for phase in final.phases)
    )


def marker(trace: Trace, tests: int | None) -> Span:
    """The marker of the start: named like the root and beside it, so that lists show the run from the first moment.

    Tempo keeps the name of the first parentless span of a trace for good, Jaeger that of the one that starts first.
    """
    session = trace.session
    attributes: dict[str, AttributeValue] = {
        semconv.SUITE_NAME: session.suite,
        semconv.SUITE_RUN_STATUS: semconv.IN_PROGRESS,
    }
    if tests is not None:
        attributes[semconv.TESTS_COLLECTED] = tests
    start = session.time + SHORTEST
    own_id = span_id(session, ids.MARKER)
    return trace.span(own_id, _parent_of_run(session), session.name, (start, start + SHORTEST), attributes)


def running_marker(trace: Trace, test: RunningTest) -> Span:
    """The marker of a test that takes long: a child of its span to come, without a result that a query would count."""
    own_id = span_id(trace.session, ids.MARKER, test.worker, test.nodeid, str(test.number))
    attributes: dict[str, AttributeValue] = {semconv.CASE_NAME: test.nodeid}
    if test.worker:
        attributes[semconv.WORKER] = test.worker
    parent = test_id(trace.session, test.worker, test.nodeid, test.number)
    name, start = f"{test.nodeid} running", test.start
    trace = trace.of_test(test.worker, test.nodeid, test.number)
    if not trace.root_id:
        # The test is its trace's root: as the run's marker, under the same name beside it.
        parent, name, start = b"", test.nodeid, test.start + SHORTEST
    return trace.span(own_id, parent, name, (start, start + SHORTEST), attributes)


def _parent_of_run(session: SessionStarted) -> bytes:
    return bytes.fromhex(session.parent_id)


def _root(trace: Trace, closed: SessionClosed) -> Span:
    session = trace.session
    attributes: dict[str, AttributeValue] = {
        **session.setup,
        semconv.SUITE_NAME: session.suite,
        semconv.SUITE_RUN_STATUS: closed.status,
        **file_spans.counts_of(closed.counts),
        # After the categories, which plugins may name as they like.
        semconv.TESTS_COLLECTED: closed.collected,
        semconv.TESTS_DESELECTED: closed.deselected,
        semconv.WARNINGS: closed.warnings,
    }
    for who, number in closed.deselected_by:
        if who:
            attributes[semconv.DESELECTED + who] = number
    if closed.exit_code is not None:
        attributes[semconv.EXIT_CODE] = closed.exit_code
    if closed.left_out:
        attributes[semconv.SPANS_DROPPED] = closed.left_out
    if session.workers:
        attributes[semconv.XDIST_WORKERS] = session.workers
    if closed.failure is not None:
        attributes[semconv.ERROR_TYPE] = closed.failure.type
    error = None if closed.exit_code == 0 else _root_error(closed)
    warned = [_warning(warning.warning, warning.time, warning.nodeid) for warning in closed.warned]
    events = (*warned, *_exception_events(closed.failure, closed.end))
    times = (session.time, closed.end)
    return trace.span(trace.root_id, _parent_of_run(session), session.name, times, attributes, error, events)


def _root_error(closed: SessionClosed) -> str:
    if closed.failure is not None:
        return closed.failure.message
    if closed.exit_code is None:
        return "pytest ended without a word"
    counts = [f"{closed.counts[word]} {word}" for word in ("failed", "error") if closed.counts[word]]
    return ", ".join(counts) or f"exit code {closed.exit_code}"


def _worker(trace: Trace, over: WorkerOver) -> Span:
    own_id = span_id(trace.session, "worker", over.worker)
    attributes: dict[str, AttributeValue] = {semconv.WORKER: over.worker, semconv.WORKER_TESTS: over.tests}
    if over.failure is not None:
        attributes[semconv.ERROR_TYPE] = over.failure.type
    error = over.failure.message if over.failure else None
    events = _exception_events(over.failure, over.end)
    name = f"worker {over.worker}"
    return trace.span(own_id, trace.root_id, name, (over.start, over.end), attributes, error, events)


def _collection(trace: Trace, finished: CollectionFinished) -> Span:
    attributes: dict[str, AttributeValue] = {semconv.WORKER: finished.worker} if finished.worker else {}
    if finished.warnings:
        attributes[semconv.WARNINGS] = len(finished.warnings)
    events = [_warning(warning, finished.end) for warning in finished.warnings[:MOST_WARNINGS]]
    own_id = _collection_id(trace, finished.worker)
    start = max(finished.start, trace.session.time)
    return trace.span(own_id, trace.root_id, "collection", (start, finished.end), attributes, events=events)


def _collection_id(trace: Trace, worker: str) -> bytes:
    return span_id(trace.session, "collection", worker)


def _file(trace: Trace, file: FileCollected) -> Span:
    own_id = span_id(trace.session, "file", file.worker, file.path, str(file.start))
    attributes = {semconv.CODE_FILE_PATH: file.path, semconv.SUITE_NAME: file.path}
    return trace.span(own_id, _collection_id(trace, file.worker), file.path, (file.start, file.end), attributes)


def _collect_failed(trace: Trace, failed: CollectFailed) -> Span:
    own_id = span_id(trace.session, "collect-failed", failed.worker, failed.nodeid, str(failed.start))
    name = failed.nodeid or "session"
    attributes: dict[str, AttributeValue] = {
        semconv.CODE_FILE_PATH: failed.nodeid.split("::")[0],
        semconv.OUTCOME: "error",
    }
    if failed.failure.type:
        attributes[semconv.ERROR_TYPE] = failed.failure.type
    times = (failed.start, failed.end)
    events = _exception_events(failed.failure, failed.end)
    return trace.span(
        own_id, _collection_id(trace, failed.worker), name, times, attributes, failed.failure.message, events
    )


def _collect_skipped(trace: Trace, skipped: CollectSkipped) -> Span:
    own_id = span_id(trace.session, "collect-skipped", skipped.worker, skipped.nodeid, str(skipped.start))
    attributes: dict[str, AttributeValue] = {
        semconv.CODE_FILE_PATH: skipped.nodeid.split("::")[0],
        semconv.OUTCOME: "skipped",
        semconv.REASON: skipped.reason,
    }
    parent_id = _collection_id(trace, skipped.worker)
    return trace.span(own_id, parent_id, skipped.nodeid, (skipped.start, skipped.end), attributes)


def _passed(trace: Trace, passed: Passed) -> list[SharedSpan]:
    """The same as `_attempt` for most of all tests."""
    number = ids.test_span_id(trace.session.run_id, passed.worker, passed.nodeid, passed.number)
    own_id = number.to_bytes(SPAN_ID_BYTES, "big")
    trace_id, state = trace.trace_id, trace.session.trace_state
    a, b, c, d, e, f = passed.times
    start, setup_end = rounded(a, b)
    call_start, call_end = rounded(c, d)
    teardown_start, end = rounded(e, f)
    setup, call, teardown = _common_phases(state)
    setup_id, call_id, teardown_id = [(number | last).to_bytes(SPAN_ID_BYTES, "big") for last in _PHASE_NUMBERS]
    common = _common_test(passed.number, passed.worker, passed.flaky, _alike_in(passed), state)
    test_end = max(setup_end, call_end, end)
    return [
        SharedSpan(common, trace_id, own_id, trace.root_id, start, test_end, passed.nodeid, _own_attributes(passed)),
        SharedSpan(setup, trace_id, setup_id, own_id, start, setup_end),
        SharedSpan(call, trace_id, call_id, own_id, call_start, call_end),
        SharedSpan(teardown, trace_id, teardown_id, own_id, teardown_start, end),
    ]


@lru_cache(maxsize=256)
def _common_test(number: int, worker: str, flaky: bool, case: Sequence[Any], trace_state: str) -> Span:
    """What the tests of a suite have in common that passed."""
    attributes = _common_attributes("passed", number, worker, flaky, *case)
    return Span(b"", b"", b"", "", 0, 0, attributes, trace_state=trace_state)


@lru_cache(maxsize=64)
def _common_phases(trace_state: str) -> Sequence[Span]:
    return [_common_phase(when, "passed", trace_state) for when in PHASES]


@lru_cache(maxsize=64)
def _common_phase(when: str, outcome: str, trace_state: str) -> Span:
    """What all phases have in common of which there is no more to tell."""
    return Span(b"", b"", b"", when, 0, 0, {semconv.PHASE: when, semconv.OUTCOME: outcome}, trace_state=trace_state)


def _attempt(trace: Trace, attempt: Attempt | Passed) -> list[Span | SharedSpan]:
    own_id = test_id(trace.session, attempt.worker, attempt.nodeid, attempt.number)
    below: list[Span | SharedSpan] = []
    if trace.session.detail != "tests":
        for phase in attempt.phases:
            below += _phase(trace, attempt, own_id, phase)
        below += [
            _debugger(trace, debugged, own_id) for debugged in attempt.debugged if not _phase_in(attempt, debugged)
        ]
    events = () if below and attempt.failed_phase else _exception_events(attempt.failure, attempt.end)
    if trace.session.detail == "tests":
        events = (*_said_events(attempt.phases), *events)
    events = (*_warnings(attempt), *events)
    end = max([attempt.end, *(span.end for span in below)])
    test = trace.span(
        own_id,
        trace.root_id,
        attempt.nodeid,
        (attempt.start, end),
        _attempt_attributes(attempt),
        _attempt_error(attempt),
        events,
    )
    return [test, *below]


def _attempt_error(attempt: Attempt | Passed) -> str | None:
    if attempt.failure is not None:
        return attempt.failure.message
    if attempt.outcome in _FAILED:
        return attempt.outcome
    return next((phase.span.error for phase in attempt.phases if phase.span and phase.span.error is not None), None)


def _attempt_attributes(attempt: Attempt | Passed) -> dict[str, AttributeValue]:
    attributes = {**dict(chain.from_iterable(phase.attributes for phase in attempt.phases)), **_attributes(attempt)}
    if attempt.failed_phase:
        attributes[semconv.FAILED_PHASE] = attempt.failed_phase
    if attempt.failure is not None and attempt.failure.type:
        attributes[semconv.ERROR_TYPE] = attempt.failure.type
    _add_said(attributes, attempt.phases)
    _add_numbers(attributes, attempt)
    return attributes


def _attributes(attempt: Attempt | Passed) -> dict[str, AttributeValue]:
    """Those that every attempt has."""
    alike = _alike_in(attempt)
    common = _common_attributes(attempt.outcome, attempt.number, attempt.worker, attempt.flaky, *alike)
    return {**_own_attributes(attempt), **common}


def _own_attributes(attempt: Attempt | Passed) -> dict[str, AttributeValue]:
    """Those in which it differs from the other tests of its suite."""
    attributes: dict[str, AttributeValue] = {semconv.CASE_NAME: attempt.nodeid, semconv.DURATION: attempt.duration}
    case = attempt.case
    if case is None:
        return attributes
    _, line, function, _, description, _, parameters, _ = case
    attributes[semconv.CODE_FUNCTION_NAME] = function
    if line:
        attributes[semconv.CODE_LINE_NUMBER] = line
    if description:
        attributes[semconv.DESCRIPTION] = description
    for name, value in parameters:
        attributes[semconv.PARAMETERS + name] = value
    return attributes


def _alike_in(attempt: Attempt | Passed) -> tuple[str, str | None, Sequence[str], str]:
    """What is known of the test itself in which those of a suite are alike: suite, path, markers, group."""
    case = attempt.case
    if case is None:
        return suite_of(attempt.nodeid), None, (), ""
    path, _, _, suite, _, markers, _, group = case
    return suite, path, markers, group


def _common_attributes(
    outcome: str,
    number: int,
    worker: str,
    flaky: bool,
    suite: str,
    path: str | None,
    markers: Sequence[str],
    group: str,
) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        semconv.CASE_RESULT_STATUS: semconv.RESULT_STATUS.get(outcome, "pass"),
        semconv.OUTCOME: outcome,
        semconv.ATTEMPT: number,
        semconv.SUITE_NAME: suite,
    }
    if path is not None:
        attributes[semconv.CODE_FILE_PATH] = path
    if markers:
        attributes[semconv.MARKERS] = markers
    if group:
        attributes[semconv.XDIST_GROUP] = group
    if worker:
        attributes[semconv.WORKER] = worker
    if flaky:
        attributes[semconv.FLAKY] = True
    return attributes


def _add_said(attributes: dict[str, AttributeValue], phases: Iterable[Phase]) -> None:
    """What the phases told of the test: reasons, properties, captured output, what it set on its span."""
    for phase in phases:
        if phase.reason:
            attributes[semconv.REASON] = phase.reason
        for name, value in phase.properties:
            attributes[semconv.PROPERTY + name] = value
        if phase.span is not None:
            for name, value in phase.span.attributes.items():
                attributes[semconv.PROPERTY + name] = value
        for stream, text in phase.output:
            attributes[semconv.OUTPUT + stream] = text


def _add_numbers(attributes: dict[str, AttributeValue], attempt: Attempt | Passed) -> None:
    """Of what the phases told, where there is any."""
    warnings = dropped = 0
    for phase in attempt.phases:
        warnings += len(phase.warnings)
        dropped += phase.logs_dropped
    if warnings:
        attributes[semconv.WARNINGS] = warnings
    if dropped:
        attributes[semconv.LOGS_DROPPED] = dropped
    if attempt.left_out:
        attributes[semconv.SPANS_DROPPED] = attempt.left_out


def _plain_phase(trace: Trace, parent_id: bytes, phase: Phase) -> SharedSpan:
    """A phase of which only the times are told."""
    common = _common_phase(phase.when, phase.category or phase.outcome, trace.session.trace_state)
    own_id = phase_id(parent_id, phase.when)
    return SharedSpan(common, trace.trace_id, own_id, parent_id, *rounded(phase.start, phase.end))


def _phase(trace: Trace, attempt: Attempt | Passed, parent_id: bytes, phase: Phase) -> list[Span | SharedSpan]:
    debugged = [debugged for debugged in attempt.debugged if _phase_in(attempt, debugged) is phase]
    cut = phase.outcome in _CUT
    if not (debugged or cut or any(phase[PLAIN_FIELDS:])):
        return [_plain_phase(trace, parent_id, phase)]
    own_id = phase_id(parent_id, phase.when)
    below = [_fixture(trace, own_id, fixture) for fixture in phase.fixtures]
    below += [_subtest(trace, own_id, number, subtest) for number, subtest in enumerate(phase.subtests)]
    below += _steps(trace, own_id, phase.steps)
    below += [_debugger(trace, one, own_id) for one in debugged]
    failed = phase.failure is not None and phase.when == attempt.failed_phase
    events: tuple[SpanEvent, ...] = _said_events([phase])
    if phase.failure is not None:
        events = (*events, *_exception_events(phase.failure, phase.end))
    error = phase.failure.message if phase.failure else phase.span.error if phase.span else None
    if cut and error is None:
        error = _attempt_error(attempt)
    attributes: dict[str, AttributeValue] = {
        semconv.PHASE: phase.when,
        semconv.OUTCOME: phase.category or phase.outcome,
    }
    if failed and phase.failure is not None and phase.failure.type:
        attributes[semconv.ERROR_TYPE] = phase.failure.type
    end = max([phase.end, *(span.end for span in below)])
    return [trace.span(own_id, parent_id, phase.when, (phase.start, end), attributes, error, events), *below]


def _phase_in(attempt: Attempt | Passed, debugged: Debugged) -> Phase | None:
    """In which somebody was in the debugger. `--pdb` enters it after a phase that failed, which is then the longer."""
    begun = [phase for phase in attempt.phases if phase.start <= debugged.start]
    if begun and (debugged.start <= begun[-1].end or begun[-1].failure is not None):
        return begun[-1]
    return None


def _said_events(phases: Iterable[Phase]) -> tuple[SpanEvent, ...]:
    return tuple(
        SpanEvent(event.name, event.time, event.attributes)
        for phase in phases
        if phase.span is not None
        for event in phase.span.events
    )


def _fixture(trace: Trace, phase_id: bytes, fixture: Fixture) -> Span:
    kind = "teardown" if fixture.teardown else "setup"
    own_id = span_id(trace.session, "fixture", phase_id.hex(), kind, fixture.name, fixture.param, str(fixture.start))
    attributes: dict[str, AttributeValue] = {
        semconv.FIXTURE_NAME: fixture.name,
        semconv.FIXTURE_SCOPE: fixture.scope,
    }
    if fixture.param:
        attributes[semconv.FIXTURE_PARAMS] = fixture.param
    if fixture.path:
        attributes[semconv.CODE_FILE_PATH] = fixture.path
        attributes[semconv.CODE_LINE_NUMBER] = fixture.line
    if fixture.failure is not None:
        attributes[semconv.ERROR_TYPE] = fixture.failure.type
    name = f"fixture {fixture.name} ({fixture.scope}){' teardown' if fixture.teardown else ''}"
    error = fixture.failure.message if fixture.failure else None
    return trace.span(own_id, phase_id, name, (fixture.start, fixture.end), attributes, error)


def _steps(trace: Trace, phase_id: bytes, steps: Iterable[Step]) -> Iterator[Span]:
    """Of a scenario of pytest-bdd: the feature, in it the scenario, in that the steps."""
    above = {"": phase_id}
    for number, step in enumerate(steps):
        own_id = span_id(trace.session, "step", phase_id.hex(), str(number))
        parent_id = next(above[kind] for kind in _ABOVE.get(step.kind, ("",)) if kind in above)
        above[step.kind] = own_id
        attributes: dict[str, AttributeValue] = {
            _STEP_NAMES.get(step.kind, semconv.BDD_STEP): step.name,
            semconv.CODE_FILE_PATH: step.path,
            semconv.CODE_LINE_NUMBER: step.line,
        }
        if step.failure is not None:
            attributes[semconv.ERROR_TYPE] = step.failure.type
        name = step.name if step.kind == "step" else f"{step.kind} {step.name}"
        error = step.failure.message if step.failure else None
        yield trace.span(own_id, parent_id, name, (step.start, step.end), attributes, error)


_ABOVE = {"scenario": ("feature", ""), "step": ("scenario", "feature", "")}
_STEP_NAMES = {"feature": semconv.BDD_FEATURE, "scenario": semconv.BDD_SCENARIO}


def _debugger(trace: Trace, debugged: Debugged, parent_id: bytes = b"") -> Span:
    own_id = span_id(trace.session, "debugger", str(debugged.key), str(debugged.start))
    attributes: dict[str, AttributeValue] = {semconv.DEBUGGER: debugged.debugger}
    times = (debugged.start, debugged.end)
    return trace.span(own_id, parent_id or trace.root_id, "debugger", times, attributes)


def _subtest(trace: Trace, phase_id: bytes, number: int, subtest: Subtest) -> Span:
    own_id = span_id(trace.session, "subtest", phase_id.hex(), str(number))
    parameters = [f"{name}={value}" for name, value in subtest.parameters]
    attributes: dict[str, AttributeValue] = {semconv.OUTCOME: subtest.outcome}
    if subtest.message:
        attributes[semconv.SUBTEST_MESSAGE] = subtest.message
    if parameters:
        attributes[semconv.SUBTEST_PARAMETERS] = ", ".join(parameters)
    failure = subtest.failure
    if failure is not None and failure.type:
        attributes[semconv.ERROR_TYPE] = failure.type
    name = " ".join(["subtest", *filter(None, [subtest.message]), *parameters])
    error = failure.message if failure else None
    events = _exception_events(failure, subtest.end)
    return trace.span(own_id, phase_id, name, (subtest.start, subtest.end), attributes, error, events)


def _warnings(attempt: Attempt | Passed) -> Iterable[SpanEvent]:
    for phase in attempt.phases:
        for warning in phase.warnings[:MOST_WARNINGS]:
            yield _warning(warning, phase.end)


def _warning(warning: WarningFact, time: int, nodeid: str = "") -> SpanEvent:
    attributes: dict[str, AttributeValue] = {
        semconv.WARNING_CATEGORY: warning.category,
        semconv.WARNING_MESSAGE: warning.message,
        semconv.CODE_FILE_PATH: warning.path,
        semconv.CODE_LINE_NUMBER: warning.line,
    }
    if nodeid:
        attributes[semconv.CASE_NAME] = nodeid
    return SpanEvent(semconv.WARNING_EVENT, time, attributes)


def _id(text: str) -> bytes:
    """Of a damaged line: no id, so that the encoder sets the span aside."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _app_span(_trace: Trace, span: AppSpan) -> Span:
    """As the application made it."""
    return Span(
        _id(span.trace_id),
        _id(span.span_id),
        _id(span.parent_id),
        span.name,
        span.start,
        max(span.end, span.start + SHORTEST),
        span.attributes,
        span.error,
        [SpanEvent(event.name, event.time, event.attributes) for event in span.events],
        [Link(_id(link.trace_id), _id(link.span_id), link.attributes) for link in span.links],
        span.trace_state,
        span.kind,
        span.ok,
    )


def _exception_events(failure: Failure | None, time: int) -> tuple[SpanEvent, ...]:
    if failure is None:
        return ()
    return (SpanEvent(semconv.EXCEPTION_EVENT, time, exception_attributes(failure)),)


def exception_attributes(failure: Failure) -> dict[str, AttributeValue]:
    attributes = {
        semconv.EXCEPTION_TYPE: failure.type,
        semconv.EXCEPTION_MESSAGE: failure.message,
        semconv.EXCEPTION_STACKTRACE: failure.stacktrace,
    }
    return {name: text for name, text in attributes.items() if text}


_SPANS: dict[type, Callable[[Trace, Any], Span]] = {
    AppSpan: _app_span,
    FileCollected: _file,
    CollectFailed: _collect_failed,
    CollectSkipped: _collect_skipped,
    Debugged: _debugger,
    CollectionFinished: _collection,
    WorkerOver: _worker,
    SessionClosed: _root,
}
