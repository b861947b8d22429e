"""The vocabulary of a run: one immutable record a fact, and its form as one line of the journal.

These are the only types that cross a process border: a worker puts `Facts` on its reports, the process that
owns the run appends events to the journal, the exporter reads them. Times are nanoseconds since the Unix epoch,
durations seconds. A line is a JSON array, the event's tag first and then its fields in order; a reader fills
missing trailing fields with their defaults and ignores surplus ones, so that fields can be added at the end. The times
of a `TestPassed`, which most tests have, are packed into one field (`pack_times`).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, TypeAlias

from pytest_otlp.namedtuple import NamedTuple

VERSION = 1
"""Of the journal's format; raised when an old reader would misunderstand a new line."""
PHASES = ("setup", "call", "teardown")
"""Of a test that runs to its end, in pytest's words."""
INTERRUPTED = "interrupted"
"""The outcome of a phase in which the run ended, and of its test."""
CRASHED = "crashed"
"""The same where a worker died in it."""
MOST_WARNINGS = 128
"""Of a test, of a collection, of the run; the others are counted."""


class Failure(NamedTuple):
    """An exception, as far as it is told to people."""

    type: str
    message: str
    stacktrace: str


class Case(NamedTuple):
    """What is known of a test before it runs."""

    path: str
    line: int
    """1-based; 0 where the item has no line."""
    function: str
    suite: str
    description: str = ""
    markers: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    group: str = ""


class Fixture(NamedTuple):
    """One setup or one teardown of a fixture."""

    name: str
    scope: str
    start: int
    end: int
    teardown: bool
    param: str
    path: str
    line: int
    failure: Failure | None = None


class Subtest(NamedTuple):
    """One subtest within a phase."""

    message: str
    parameters: tuple[tuple[str, str], ...]
    outcome: str
    category: str
    start: int
    end: int
    failure: Failure | None


class WarningFact(NamedTuple):
    """A warning that pytest recorded."""

    category: str
    message: str
    path: str
    line: int


class LogFact(NamedTuple):
    """A record that the tests' code logged."""

    time: int
    severity: int
    """SeverityNumber of the logs data model."""
    logger: str
    message: str
    path: str
    line: int
    function: str
    exception: Failure | None = None


class Step(NamedTuple):
    """A part of a scenario of pytest-bdd: the feature, the scenario itself, or one step; in this order."""

    kind: str
    """`feature`, `scenario` or `step`: what stands below the last one of the kind before."""
    name: str
    """A step's with its keyword."""
    path: str
    line: int
    start: int
    end: int
    failure: Failure | None = None


class SpanEventFact(NamedTuple):
    """An event that a test added to its span."""

    name: str
    time: int
    attributes: dict[str, Any]


class SpanFacts(NamedTuple):
    """What a test said to its current span during one phase."""

    attributes: dict[str, Any]
    events: tuple[SpanEventFact, ...] = ()
    error: str | None = None
    """None where the test set no error status."""


class Phase(NamedTuple):
    """One finished phase of a test."""

    when: str
    outcome: str
    """The report's: passed, failed, skipped, or a plugin's own (rerun)."""
    category: str
    """Under which pytest's summary counts the report; empty where it does not."""
    start: int
    end: int
    duration: float
    failure: Failure | None = None
    reason: str = ""
    fixtures: tuple[Fixture, ...] = ()
    span: SpanFacts | None = None
    properties: tuple[tuple[str, Any], ...] = ()
    output: tuple[tuple[str, str], ...] = ()
    """(`stdout`, `stderr` or `log`, text), already cut."""
    subtests: tuple[Subtest, ...] = ()
    warnings: tuple[WarningFact, ...] = ()
    """Of the whole test, on its last phase."""
    logs: tuple[LogFact, ...] = ()
    logs_dropped: int = 0
    """Records beyond the most that are told of one test."""
    attributes: tuple[tuple[str, Any], ...] = ()
    """What the hook `pytest_otel_test_attributes` gave."""
    steps: tuple[Step, ...] = ()


class LinkFact(NamedTuple):
    """A pointer of an application's span to another one; ids in hex."""

    trace_id: str
    span_id: str
    attributes: dict[str, Any]


class AppSpan(NamedTuple):
    """A finished span of the tested application; ids in hex, no parent as an empty one."""

    trace_id: str
    span_id: str
    parent_id: str
    trace_state: str
    name: str
    kind: int
    """SpanKind of OTLP."""
    start: int
    end: int
    attributes: dict[str, Any]
    error: str | None
    """None where its status is no error."""
    ok: bool
    events: tuple[SpanEventFact, ...]
    links: tuple[LinkFact, ...]


class SessionStarted(NamedTuple):
    """The first line of every journal."""

    version: int
    time: int
    trace_id: str
    parent_id: str
    """The span id of the run's parent in hex; empty for a new trace."""
    trace_state: str
    run_id: str
    name: str
    suite: str
    resource: dict[str, str | int]
    detail: str
    workers: int
    """Of xdist at the start; 0 without it."""
    setup: dict[str, str | int | list[str]] = {}  # noqa: RUF012  nobody changes it
    """How it was set up: attributes of the root."""


class FileCollected(NamedTuple):
    """A file whose collection took long."""

    path: str
    worker: str
    start: int
    end: int


class CollectFailed(NamedTuple):
    """A collector (file, class, package) that could not be collected."""

    nodeid: str
    worker: str
    start: int
    end: int
    failure: Failure


class CollectSkipped(NamedTuple):
    """A collector that skipped itself, as `importorskip` at a module's top does; pytest counts it as one skip."""

    nodeid: str
    worker: str
    start: int
    end: int
    reason: str


class TestsCollected(NamedTuple):
    """How many tests the run will execute, as soon as the process that owns it knows."""

    time: int
    tests: int


class CollectionFinished(NamedTuple):
    """Collection as the process that did it saw it."""

    worker: str
    start: int
    end: int
    deselected: int
    warnings: tuple[WarningFact, ...] = ()
    deselected_by: tuple[tuple[str, int], ...] = ()
    """How many by whom; empty for who is not known."""


class TracesSplit(NamedTuple):
    """The run has more traces than its own (`traces.Plan`)."""

    per: str
    tests: dict[str, int]
    """By file."""


class TestStarted(NamedTuple):
    """A test is about to run; told again, with the same key, of a further attempt."""

    key: int
    """Names the test in the events that follow; unique in a journal."""
    nodeid: str
    time: int
    case: Case | None = None
    """None where another process knows it; it then comes with the first phases."""
    worker: str = ""
    """As far as it is known then: the phases' word is the last one."""


class PhaseStarted(NamedTuple):
    """A phase that others know by its span's id: it is sent even if the process dies in it.

    Told when somebody asks for the id, and from then on at the start of each phase of the test.
    """

    key: int
    attempt: int
    when: str
    time: int
    earlier: tuple[tuple[int, int], ...] = ()
    """Start and end of the first phases, as far as they passed and are not told otherwise."""


class PhasesFinished(NamedTuple):
    """Phases of one attempt, in order; those of a quick test all in one event."""

    key: int
    attempt: int
    worker: str
    last: bool
    """The attempt is over."""
    phases: tuple[Phase, ...]
    case: Case | None = None


class TestPassed(NamedTuple):
    """An attempt that passed in all its phases, of which no more is known than the times: the most frequent of all."""

    key: int
    attempt: int
    worker: str
    times: tuple[int, int, int, int, int, int]
    """Start and end of setup, call and teardown."""
    durations: tuple[int, int, int]
    """us, as pytest reported them for the phases."""
    case: Case | None = None
    """Of a test that another process ran, where its start did not tell."""
    nodeid: str = ""
    """Of a test whose start was not told; it began with its setup."""


class TestCrashed(NamedTuple):
    """A worker died while it ran this test."""

    key: int
    worker: str
    time: int
    message: str
    forked: bool = False
    """It was a process of this test's own, which tells of its phases at its end only."""


class RunWarned(NamedTuple):
    """A warning that belongs to no test and no collection, or came too late for them."""

    time: int
    nodeid: str
    """Of the test, where it was one."""
    warning: WarningFact


class Debugged(NamedTuple):
    """Somebody was in the debugger."""

    key: int
    """Of the test that was not over; else 0."""
    start: int
    end: int
    debugger: str
    """Qualified class."""


class WorkerStarted(NamedTuple):
    """A worker of xdist was started."""

    worker: str
    time: int


class WorkerFinished(NamedTuple):
    """A worker is gone; `failure`: where it was not asked to go."""

    worker: str
    time: int
    failure: Failure | None = None


class SessionFinished(NamedTuple):
    """The last line of a journal whose run came to an end of its own."""

    time: int
    exit_code: int
    warnings: int
    failure: Failure | None
    dropped: int
    """Facts that could not be written."""


Event: TypeAlias = (
    SessionStarted
    | FileCollected
    | CollectFailed
    | CollectSkipped
    | TestsCollected
    | CollectionFinished
    | TracesSplit
    | TestStarted
    | PhaseStarted
    | PhasesFinished
    | TestPassed
    | TestCrashed
    | RunWarned
    | AppSpan
    | Debugged
    | WorkerStarted
    | WorkerFinished
    | SessionFinished
)

_TAGS: dict[type[Event], str] = {
    SessionStarted: "run",
    FileCollected: "file",
    CollectFailed: "bad",
    CollectSkipped: "skip",
    TestsCollected: "tests",
    CollectionFinished: "coll",
    TracesSplit: "split",
    TestStarted: "start",
    PhaseStarted: "phase",
    PhasesFinished: "done",
    TestPassed: "ok",
    TestCrashed: "crash",
    RunWarned: "warn",
    AppSpan: "app",
    Debugged: "pdb",
    WorkerStarted: "worker",
    WorkerFinished: "gone",
    SessionFinished: "end",
}
_TIMES = struct.Struct("<7q3d")
_MICROSECONDS = 1e6
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


def encode(event: Event) -> str:
    """One line, newline included. Text is escaped to ASCII, so that a lone surrogate survives."""
    if isinstance(event, TestPassed):
        times = pack_times(0, event.times, [duration / _MICROSECONDS for duration in event.durations])
        case = encode_case(event.case) if event.case else ""
        return encode_passed(event.key, event.attempt, event.worker, times, case, event.nodeid)
    return _encode((_TAGS[type(event)], *event)) + "\n"


STARTED = '["start",%d,%s,%d,%s]\n'
"""The line of a `TestStarted`, for `%`: key, encoded node id, time, encoded case. Each test pays, so it is no call."""
PASSED = '["ok",%d,%d,%s,"%s"%s]\n'
"""The same of a `TestPassed`: key, attempt, encoded worker, what `PACK_TIMES` gives in hex, then each further field
after a comma."""
PACK_TIMES = _TIMES.pack
"""As `pack_times`, of single values."""


def encode_started(key: int, nodeid: str, time: int, case: str = "", worker: str = "") -> str:
    """The line of a `TestStarted`, from a case that is encoded already."""
    last = f",{quoted(worker)}" if worker else ""
    return STARTED % (key, quoted(nodeid), time, f"{case or 'null'}{last}")


def encode_passed(key: int, attempt: int, worker: str, times: str, case: str = "", nodeid: str = "") -> str:
    """The line of a `TestPassed`, from times that are packed and a case that is encoded already."""
    last = f",{case or 'null'},{quoted(nodeid)}" if nodeid else f",{case}" if case else ""
    return PASSED % (key, attempt, quoted(worker), times, last)


def pack_times(offset: int, times: Sequence[int], durations: Sequence[float]) -> str:
    """The times of the three phases of a test as a text, in a quarter of the time that decimal digits take.

    offset: from the times to ns since the epoch
    times: start and end of setup, call and teardown, in ns of some clock
    durations: s, as pytest reported them
    """
    return PACK_TIMES(offset, *times, *durations).hex()


def _unpack_times(text: str) -> tuple[tuple[int, int, int, int, int, int], tuple[int, int, int]]:
    """In ns since the epoch, and in us."""
    offset, a, b, c, d, e, f, setup, call, teardown = _TIMES.unpack(bytes.fromhex(text))
    return (a + offset, b + offset, c + offset, d + offset, e + offset, f + offset), (
        round(setup * _MICROSECONDS),
        round(call * _MICROSECONDS),
        round(teardown * _MICROSECONDS),
    )


def encode_phase(phase: Phase) -> str:
    """One element of `PhasesFinished.phases`: most phases have nothing in their last fields, which a reader adds."""
    told = len(phase)
    while told > PLAIN_FIELDS and phase[told - 1] == _NOTHING_MORE[told - 1 - PLAIN_FIELDS]:
        told -= 1
    return _encode(phase[:told])


def encode_plain_phase(when: str, outcome: str, category: str, start: int, end: int, duration: float) -> str:
    """The same as `encode_phase` for a phase of which no more is known, in a fifth of the time.

    Every passing test pays for three of them. The texts are pytest's own words and need no escaping.
    """
    return f'["{when}","{outcome}","{category}",{start},{end},{duration}]'


def encode_phases(key: int, attempt: int, worker: str, phases: Iterable[str], *, last: bool, case: str = "") -> str:
    """The line of a `PhasesFinished`, from phases (and a case) that are encoded already."""
    flag = "true" if last else "false"
    return f'["done",{key},{attempt},{quoted(worker)},{flag},[{",".join(phases)}],{case or "null"}]\n'


def encode_case(case: Case) -> str:
    return _encode(case)


def decode_all(lines: Sequence[bytes]) -> list[Event | None]:
    """The events of some lines; None for one of a later version, and for what is no event."""
    try:
        rows = json.loads((b"[%b]" % b",".join(lines)).decode("ascii"))
    except (ValueError, RecursionError):
        rows = ()
    if len(rows) != len(lines):
        return [_or_none(decode, line) for line in lines]
    return [_or_none(_read, row) for row in rows]


def _or_none(read: Callable[[Any], Event | None], source: object) -> Event | None:
    try:
        return read(source)
    except ValueError:
        return None


def decode(line: str | bytes) -> Event | None:
    """The event of one line; None for a tag of a later version.

    Raises:
        ValueError: the line is no event: torn, or not of this format.
    """
    try:
        row = json.loads(line if isinstance(line, str) else line.decode("ascii"))
    except RecursionError as error:
        raise ValueError(f"not a journal line: {error}") from error
    return _read(row)


def _read(row: Any) -> Event | None:
    """The event of a line's JSON. Raises ValueError where it is none."""
    try:
        tag, fields = row[0], row[1:]
        if isinstance(row, list) and isinstance(tag, str):
            reader = _READERS.get(tag)
            return reader(fields) if reader else None
    except (TypeError, LookupError, ArithmeticError, RecursionError, struct.error) as error:
        raise ValueError(f"not a journal line: {error}") from error
    raise ValueError("not a journal line")


def failure_of(fields: list[Any] | None) -> Failure | None:
    return Failure._make(fields[:3]) if fields else None


def case_of(fields: list[Any] | None) -> Case | None:
    if not fields:
        return None
    path, line, function, suite, description, markers, parameters, group = fields[:8]
    pairs = tuple((name, value) for name, value in parameters) if parameters else ()
    return Case._make((path, line, function, suite, description, tuple(markers), pairs, group))


def fixture_of(fields: list[Any]) -> Fixture:
    return Fixture._make([*fields[:8], failure_of(fields[8])])


def span_facts_of(fields: list[Any] | None) -> SpanFacts | None:
    if not fields:
        return None
    attributes, events, error = fields[:3]
    return SpanFacts(attributes, _span_events(events), error)


def _span_events(fields: Iterable[list[Any]]) -> tuple[SpanEventFact, ...]:
    return tuple(SpanEventFact._make(event[:3]) for event in fields)


def _app_span(fields: list[Any]) -> AppSpan:
    *plain, events, links = fields[:13]
    return AppSpan._make([*plain, _span_events(events), tuple(LinkFact._make(link[:3]) for link in links)])


def warnings_of(fields: Iterable[list[Any]]) -> tuple[WarningFact, ...]:
    return tuple(WarningFact._make(warning[:4]) for warning in fields)


def logs_of(fields: Iterable[list[Any]]) -> tuple[LogFact, ...]:
    return tuple(LogFact._make([*log[:7], failure_of(log[7])]) for log in fields)


def phase_of(fields: list[Any]) -> Phase:
    _check_phase(fields[0])
    if len(fields) == PLAIN_FIELDS:
        return Phase._make([*fields, *_NOTHING_MORE])
    rest = [*fields[PLAIN_FIELDS:], *_NOTHING_MORE[len(fields) - PLAIN_FIELDS :]]
    failure, reason, fixtures, span, properties, output, subtests, warnings, logs, dropped, attributes, steps = rest[
        :12
    ]
    return Phase._make(
        [
            *fields[:PLAIN_FIELDS],
            failure_of(failure),
            reason,
            tuple(map(fixture_of, fixtures)),
            span_facts_of(span),
            tuple((name, value) for name, value in properties),
            tuple((stream, text) for stream, text in output),
            tuple(map(_subtest, subtests)),
            warnings_of(warnings),
            logs_of(logs),
            dropped,
            tuple((name, value) for name, value in attributes),
            tuple(map(step_of, steps)),
        ]
    )


def _check_phase(when: object) -> None:
    """The id of a phase's span depends on its name. Raises ValueError where it is none of pytest's."""
    if when not in PHASES:
        raise ValueError(f"no phase {when!r}")


def step_of(fields: list[Any]) -> Step:
    *plain, failure = fields[:7]
    return Step._make([*plain, failure_of(failure)])


def _subtest(fields: list[Any]) -> Subtest:
    message, parameters, *plain, failure = fields[:7]
    return Subtest._make([message, tuple((name, value) for name, value in parameters), *plain, failure_of(failure)])


def _phases_finished(fields: list[Any]) -> PhasesFinished:
    key, attempt, worker, last, phases = fields[:5]
    case = case_of(fields[5]) if len(fields) > 5 else None
    return PhasesFinished(key, attempt, worker, last, tuple(map(phase_of, phases)), case)


def _test_started(fields: list[Any]) -> TestStarted:
    key, nodeid, time = fields[:3]
    case = case_of(fields[3]) if len(fields) > 3 else None
    return TestStarted._make((key, nodeid, time, case, fields[4] if len(fields) > 4 else ""))


def _phase_started(fields: list[Any]) -> PhaseStarted:
    key, attempt, when, time, earlier = fields[:5]
    _check_phase(when)
    return PhaseStarted(key, attempt, when, time, tuple((start, end) for start, end in earlier))


def _test_passed(fields: list[Any]) -> TestPassed:
    key, attempt, worker, packed = fields[:4]
    times, durations = _unpack_times(packed)
    case = case_of(fields[4]) if len(fields) > 4 else None
    nodeid = fields[5] if len(fields) > 5 else ""
    return TestPassed._make((key, attempt, worker, times, durations, case, nodeid))


def _collect_failed(fields: list[Any]) -> CollectFailed:
    nodeid, worker, start, end, failure = fields[:5]
    return CollectFailed(nodeid, worker, start, end, Failure._make(failure[:3]))


def _collection_finished(fields: list[Any]) -> CollectionFinished:
    worker, start, end, deselected = fields[:4]
    warnings = warnings_of(fields[4] if len(fields) > 4 else ())
    by = tuple((who, number) for who, number in fields[5]) if len(fields) > 5 else ()
    return CollectionFinished(worker, start, end, deselected, warnings, by)


def _worker_finished(fields: list[Any]) -> WorkerFinished:
    worker, time = fields[:2]
    return WorkerFinished(worker, time, failure_of(fields[2]) if len(fields) > 2 else None)


def _session_finished(fields: list[Any]) -> SessionFinished:
    time, exit_code, warnings, failure, dropped = fields[:5]
    return SessionFinished(time, exit_code, warnings, failure_of(failure), dropped)


PLAIN_FIELDS = 6
"""Fields of a phase of which no more is known than `encode_plain_phase` tells."""
_NOTHING_MORE = tuple(Phase._field_defaults.values())
_READERS: dict[str, Callable[[list[Any]], Event]] = {
    "run": lambda fields: SessionStarted(*fields[:12]),
    "file": lambda fields: FileCollected._make(fields[:4]),
    "bad": _collect_failed,
    "skip": lambda fields: CollectSkipped._make(fields[:5]),
    "tests": lambda fields: TestsCollected._make(fields[:2]),
    "coll": _collection_finished,
    "split": lambda fields: TracesSplit._make(fields[:2]),
    "start": _test_started,
    "phase": _phase_started,
    "done": _phases_finished,
    "ok": _test_passed,
    "crash": lambda fields: TestCrashed(*fields[:5]),
    "app": _app_span,
    "pdb": lambda fields: Debugged._make(fields[:4]),
    "warn": lambda fields: RunWarned(fields[0], fields[1], WarningFact._make(fields[2][:4])),
    "worker": lambda fields: WorkerStarted._make(fields[:2]),
    "gone": _worker_finished,
    "end": _session_finished,
}
