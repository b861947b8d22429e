"""Made-up runs for Hypothesis: any event, and whole runs as the process that owns them would write them down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from hypothesis import strategies as st

from pytest_otlp.events import (
    PHASES,
    AppSpan,
    Case,
    CollectFailed,
    CollectionFinished,
    CollectSkipped,
    Debugged,
    Event,
    Failure,
    FileCollected,
    Fixture,
    LinkFact,
    LogFact,
    Phase,
    PhasesFinished,
    PhaseStarted,
    RunWarned,
    SessionFinished,
    SessionStarted,
    SpanEventFact,
    SpanFacts,
    Step,
    Subtest,
    TestCrashed,
    TestPassed,
    TestsCollected,
    TestStarted,
    TracesSplit,
    WarningFact,
    WorkerFinished,
    WorkerStarted,
)
from pytest_otlp.exporter.records import Span, whole
from pytest_otlp.exporter.run import Final, Run
from pytest_otlp.exporter.spans import spans_of
from pytest_otlp.exporter.trace import Trace

BEGIN = 1_700_000_000_000_000_000
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SHORTEST = 1_000

texts = st.text(st.characters(exclude_categories=()), max_size=12)
"""Lone surrogates and control characters too."""
times = st.integers(0, 2**63 - 1)
numbers = st.integers(-(2**63), 2**63 - 1)
durations = st.floats(allow_nan=False, allow_infinity=False)
durations_us = st.integers(0, 10**12)
scalars = texts | st.booleans() | numbers | st.floats(allow_nan=False)
values = scalars | st.lists(texts, max_size=3) | st.lists(numbers, max_size=3)
attributes = st.dictionaries(texts, values, max_size=3)


def tuples_of(elements: st.SearchStrategy[Any], max_size: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(elements, max_size=max_size).map(tuple)


failures = st.builds(Failure, texts, texts, texts)
cases = st.builds(
    Case, texts, numbers, texts, texts, texts, tuples_of(texts), tuples_of(st.tuples(texts, texts)), texts
)
fixtures = st.builds(Fixture, texts, texts, times, times, st.booleans(), texts, texts, numbers, st.none() | failures)
span_facts = st.builds(
    SpanFacts, attributes, tuples_of(st.builds(SpanEventFact, texts, times, attributes)), st.none() | texts
)
subtests = st.builds(
    Subtest, texts, tuples_of(st.tuples(texts, texts)), texts, texts, times, times, st.none() | failures
)
warnings = st.builds(WarningFact, texts, texts, texts, numbers)
logs = st.builds(LogFact, times, st.integers(1, 24), texts, texts, texts, numbers, texts, st.none() | failures)
steps = st.builds(Step, texts, texts, texts, numbers, times, times, st.none() | failures)
phases = st.builds(
    Phase,
    st.sampled_from(PHASES),
    texts,
    texts,
    times,
    times,
    durations,
    st.none() | failures,
    texts,
    tuples_of(fixtures),
    st.none() | span_facts,
    tuples_of(st.tuples(texts, scalars)),
    tuples_of(st.tuples(texts, texts)),
    tuples_of(subtests),
    tuples_of(warnings),
    tuples_of(logs),
    numbers,
    tuples_of(st.tuples(texts, scalars)),
    tuples_of(steps),
)
app_spans = st.builds(
    AppSpan,
    *(texts, texts, texts, texts, texts),
    numbers,
    times,
    times,
    attributes,
    st.none() | texts,
    st.booleans(),
    tuples_of(st.builds(SpanEventFact, texts, times, attributes)),
    tuples_of(st.builds(LinkFact, texts, texts, attributes)),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        SessionStarted,
        numbers,
        times,
        texts,
        texts,
        texts,
        texts,
        texts,
        texts,
        st.dictionaries(texts, texts | numbers, max_size=3),
        texts,
        numbers,
    ),
    st.builds(FileCollected, texts, texts, times, times),
    st.builds(CollectFailed, texts, texts, times, times, failures),
    st.builds(CollectSkipped, texts, texts, times, times, texts),
    st.builds(TestsCollected, times, numbers),
    st.builds(CollectionFinished, texts, times, times, numbers, tuples_of(warnings)),
    st.builds(TracesSplit, texts, st.dictionaries(texts, numbers, max_size=3)),
    st.builds(TestStarted, numbers, texts, times, st.none() | cases, texts),
    st.builds(WorkerStarted, texts, times),
    st.builds(WorkerFinished, texts, times, st.none() | failures),
    st.builds(PhasesFinished, numbers, numbers, texts, st.booleans(), tuples_of(phases), st.none() | cases),
    st.builds(
        TestPassed,
        *[numbers] * 2,
        texts,
        st.tuples(*[times] * 6),
        st.tuples(*[durations_us] * 3),
        st.none() | cases,
        texts,
    ),
    st.builds(PhaseStarted, numbers, numbers, st.sampled_from(PHASES), times, tuples_of(st.tuples(times, times))),
    st.builds(TestCrashed, numbers, texts, times, texts, st.booleans()),
    st.builds(RunWarned, times, texts, warnings),
    app_spans,
    st.builds(SessionFinished, times, numbers, numbers, st.none() | failures, numbers),
)


# Whole runs


class Plan(NamedTuple):
    """The events of one run. Those of one stream come in their order; streams may be interleaved in any way."""

    session: SessionStarted
    streams: tuple[tuple[Event, ...], ...]
    end: SessionFinished

    def in_sequence(self) -> list[Event]:
        return [self.session, *(event for stream in self.streams for event in stream), self.end]

    def in_order(self, order: Iterable[int]) -> list[Event]:
        """`order`: the number of a stream for each of their events."""
        waiting = [iter(stream) for stream in self.streams]
        return [self.session, *(next(waiting[number]) for number in order), self.end]


@st.composite
def plans(draw: st.DrawFn, detail: str | None = None, most_tests: int = 4) -> Plan:
    """A run of some tests, with or without workers, of which some fail, are repeated, crash or never end."""
    workers = draw(st.sampled_from([("",), ("gw0",), ("gw0", "gw1")]))
    session = SessionStarted(
        version=1,
        time=BEGIN,
        trace_id=TRACE_ID,
        parent_id=draw(st.sampled_from(["", "b7ad6b7169203331"])),
        trace_state="",
        run_id="run",
        name="pytest",
        suite="suite",
        resource={"service.name": "suite"},
        detail=detail or draw(st.sampled_from(["tests", "phases", "fixtures"])),
        workers=0 if workers == ("",) else len(workers),
    )
    clock = _Clock(draw)
    streams: list[tuple[Event, ...]] = [tuple(_collection(draw, clock, worker)) for worker in workers]
    tests = draw(st.integers(0, most_tests))
    streams.append((TestsCollected(clock.now, tests),))
    streams += [tuple(_test(draw, clock, key, draw(st.sampled_from(workers)))) for key in range(1, tests + 1)]
    # A run that tests nothing tells nothing unless it fails.
    exit_code = draw(st.integers(0, 5) if tests else st.integers(1, 4))
    end = SessionFinished(clock.later(), exit_code, 0, draw(st.none() | failures), 0)
    return Plan(session, tuple(streams), end)


@st.composite
def interleaved(draw: st.DrawFn, plan: Plan) -> list[Event]:
    """The events of a plan in any legal order."""
    return plan.in_order(draw(st.permutations([number for number, s in enumerate(plan.streams) for _ in s])))


class _Clock:
    """Moves on by nothing, by less than the shortest span, or by much."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.now = BEGIN
        self._draw = draw

    def later(self, least: int = 0) -> int:
        self.now += max(least, self._draw(st.sampled_from([0, 1, 700, 3_000_000])))
        return self.now


def _collection(draw: st.DrawFn, clock: _Clock, worker: str) -> Iterator[Event]:
    begin = clock.now
    for number in range(draw(st.integers(0, 2))):
        start = clock.later()
        path, end = f"test_{number}.py", clock.later()
        kinds: list[Event] = [
            FileCollected(path, worker, start, end),
            CollectSkipped(path, worker, start, end, "not here"),
            CollectFailed(path, worker, start, end, Failure("E", "broken", "")),
        ]
        yield draw(st.sampled_from(kinds))
    if draw(st.booleans()):
        yield CollectionFinished(worker, begin, clock.later(), draw(st.integers(0, 3)))


def _test(draw: st.DrawFn, clock: _Clock, key: int, worker: str) -> Iterator[Event]:
    """A test: repeated or not, and over, crashed or still under way when the run ends."""
    nodeid = f"test_it.py::test_{key}[{draw(texts)}]"
    case = Case("test_it.py", key, f"test_{key}", "test_it.py")
    if worker and draw(st.booleans()):
        yield _passed(draw, clock, key, 1, worker)._replace(case=case, nodeid=nodeid)
        return
    yield TestStarted(key, nodeid, clock.later(), None if worker else case)
    reruns = draw(st.sampled_from([0, 0, 1, 2]))
    for attempt in range(1, reruns + 1):
        yield from _attempt(draw, clock, key, attempt, worker, case, ("", "rerun"))
    last = draw(st.sampled_from(["over", "over", "crashed", "open", "silent", "known"]))
    if last == "silent":
        return
    if last == "known":
        when = draw(st.sampled_from(["setup", "call", "teardown"]))
        earlier = {"setup": 0, "call": draw(st.sampled_from([0, 1])), "teardown": draw(st.sampled_from([0, 2]))}[when]
        pairs = tuple((clock.later(), clock.later()) for _ in range(earlier))
        yield PhaseStarted(key, reruns + 1, when, clock.later(), pairs)
        return
    categories = ("", draw(st.sampled_from(["passed", "failed", "skipped", "xfailed", "xpassed", "strange"])))
    if last == "over":
        ending = draw(st.sampled_from([(), ("",), ("error",)]))
        yield from _attempt(draw, clock, key, reruns + 1, worker, case, (*categories, *ending))
        return
    yield from _attempt(draw, clock, key, reruns + 1, worker, case, categories, over=False)
    if last == "crashed":
        yield TestCrashed(key, worker, clock.later(), draw(texts))


def _attempt(
    draw: st.DrawFn,
    clock: _Clock,
    key: int,
    attempt: int,
    worker: str,
    case: Case,
    categories: Sequence[str],
    *,
    over: bool = True,
) -> Iterator[Event]:
    """Its phases in one event, or in several."""
    if over and tuple(categories) == ("", "passed", "") and draw(st.booleans()):
        yield _passed(draw, clock, key, attempt, worker)
        return
    rows: list[Phase] = []
    for number, (when, category) in enumerate(zip(("setup", "call", "teardown"), categories, strict=False), 1):
        rows.append(_phase(draw, clock, when, category))
        if draw(st.sampled_from([False, False, True])):
            # Nobody enters it twice at the same moment.
            yield Debugged(key, clock.later(1), clock.later(), "pdb.Pdb")
        last = over and number == len(categories)
        if last or draw(st.booleans()):
            yield PhasesFinished(key, attempt, worker, last, tuple(rows), case if worker else None)
            rows = []


def _passed(draw: st.DrawFn, clock: _Clock, key: int, attempt: int, worker: str) -> TestPassed:
    a, b, c, d, e, f = (clock.later() for _ in range(6))
    return TestPassed(key, attempt, worker, (a, b, c, d, e, f), (100, 20, 3))


def _phase(draw: st.DrawFn, clock: _Clock, when: str, category: str) -> Phase:
    start = clock.later()
    fixtures = tuple(_fixture(draw, clock, number) for number in range(draw(st.sampled_from([0, 0, 2]))))
    subtests = tuple(_subtest(draw, clock) for _ in range(draw(st.sampled_from([0, 0, 0, 2]))))
    failed = category in ("failed", "error", "rerun")
    return Phase(
        when,
        "failed" if failed else "passed",
        category,
        start,
        clock.later(),
        0.1,
        failure=draw(failures) if failed else None,
        fixtures=fixtures,
        span=draw(st.none() | attributes.map(SpanFacts)),
        subtests=subtests,
    )


def _subtest(draw: st.DrawFn, clock: _Clock) -> Subtest:
    failure = draw(st.none() | failures)
    category = "failed" if failure else "subtests passed"
    return Subtest("again", (), "passed", category, clock.later(), clock.later(), failure)


def _fixture(draw: st.DrawFn, clock: _Clock, number: int) -> Fixture:
    return Fixture(f"fixture_{number}", "module", clock.later(), clock.later(), draw(st.booleans()), "", "", 0)


# What becomes of them


def finals_of(told: Iterable[Event], run: Run | None = None) -> list[Final]:
    run = run or Run()
    return [final for event in told for final in run.apply(event)]


def spans_from(trace: Trace, finals: Iterable[Final]) -> list[Span]:
    return [whole(span) for final in finals for span in spans_of(trace, final)]


def problems(spans: Sequence[Span], session: SessionStarted) -> list[str]:
    """What breaks a rule that holds for the spans of every run, as one line each; exact to the nanosecond."""
    trace = Trace.of(session)
    by_id = {span.span_id: span for span in spans}
    return [*_bad_ids(spans, trace), *_bad_roots(by_id, trace), *_bad_times(spans, by_id)]


def _bad_ids(spans: Sequence[Span], trace: Trace) -> Iterator[str]:
    for own_id, number in Counter(span.span_id for span in spans).items():
        if number > 1:
            yield f"one id for {[span.name for span in spans if span.span_id == own_id]}"
    for span in spans:
        if span.trace_id != trace.trace_id or len(span.span_id) != 8 or not any(span.span_id):
            yield f"{span.name} has bad ids"


def _bad_roots(by_id: Mapping[bytes, Span], trace: Trace) -> Iterator[str]:
    tops = [span for span in by_id.values() if span.parent_id not in by_id]
    if [span.span_id for span in tops] != [trace.root_id]:
        yield f"instead of one root {[span.name for span in tops]}"
    elif tops[0].parent_id != bytes.fromhex(trace.session.parent_id):
        yield "the root has another parent than the run"


def _bad_times(spans: Sequence[Span], by_id: Mapping[bytes, Span]) -> Iterator[str]:
    for span in spans:
        if span.end - span.start < SHORTEST:
            yield f"{span.name} takes {span.end - span.start} ns"
        parent = by_id.get(span.parent_id)
        if parent and not parent.start <= span.start <= span.end <= parent.end:
            early, late = parent.start - span.start, span.end - parent.end
            yield f"{span.name} begins {early} ns before {parent.name} or ends {late} ns after it"


_serial = count()


def a_session(**changes: Any) -> SessionStarted:
    """A session as a single process without a parent begins it, with an id of its own."""
    plain = SessionStarted(
        1, BEGIN, TRACE_ID, "", "", f"run-{next(_serial)}", "pytest", "suite", {"service.name": "suite"}, "phases", 0
    )
    return plain._replace(**changes)


def a_test(key: int, *categories: str, start: int = BEGIN, worker: str = "") -> list[Event]:
    """A test of 1 ms a phase; the categories of setup, call and teardown, by default of a pass."""
    started = TestStarted(key, f"test_it.py::test_{key}", start)
    rows = [
        Phase(when, "passed", category, start + n * 1_000_000, start + (n + 1) * 1_000_000, 0.001)
        for n, (when, category) in enumerate(
            zip(("setup", "call", "teardown"), categories or ("", "passed", ""), strict=False)
        )
    ]
    return [started, PhasesFinished(key, 1, worker, last=True, phases=tuple(rows))]
