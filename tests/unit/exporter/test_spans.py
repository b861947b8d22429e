from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp import events
from pytest_otlp.events import (
    Case,
    CollectFailed,
    CollectionFinished,
    CollectSkipped,
    Event,
    Failure,
    FileCollected,
    Fixture,
    Phase,
    PhasesFinished,
    SessionFinished,
    SessionStarted,
    SpanEventFact,
    SpanFacts,
    Subtest,
)
from pytest_otlp.exporter.records import Span, SpanEvent
from pytest_otlp.exporter.run import Run, RunningTest
from pytest_otlp.exporter.spans import marker, running_marker, span_count, spans_of
from pytest_otlp.exporter.trace import Trace
from support import model
from support.model import BEGIN, Plan, a_session, a_test, finals_of, problems, spans_from

MS = 1_024_000
"""ns, about 1 ms: times are sent to 1,024 ns."""
END = BEGIN + 1000 * MS
DIED = Failure("app.Died", "of hunger", "Traceback: of hunger")
CASE = Case(
    path="tests/test_it.py",
    line=12,
    function="TestIt.test_it",
    suite="tests/test_it.py::TestIt",
    description="It works.",
    markers=("slow", "parametrize"),
    parameters=(("currency", "eur"),),
    group="db",
)


def the_end(exit_code: int = 0, failure: Failure | None = None) -> SessionFinished:
    return SessionFinished(END, exit_code, 3, failure, 0)


def spans_by_name(*told: Event, **session: Any) -> dict[str, Span]:
    """All spans of a run; it must be complete."""
    started = a_session(**session)
    spans = spans_from(Trace.of(started), finals_of([started, *told, the_end()]))
    assert problems(spans, started) == []
    return {span.name: span for span in spans}


def a_phase(when: str, category: str, failure: Failure | None = None, **more: Any) -> Phase:
    offset = ("setup", "call", "teardown").index(when) * MS
    outcome = "failed" if failure else "passed"
    return Phase(when, outcome, category, BEGIN + offset, BEGIN + offset + MS, 0.001, failure, **more)


def a_told_test(*rows: Phase, nodeid: str = "a.py::t", case: Case | None = CASE, attempt: int = 1) -> list[Event]:
    return [
        events.TestStarted(1, nodeid, BEGIN, case),
        PhasesFinished(1, attempt, "", last=True, phases=rows),
    ]


@given(model.plans(), st.data())
def test_every_run_is_one_tree(plan: Plan, data: st.DataObject) -> None:
    told = data.draw(model.interleaved(plan))
    trace = Trace.of(plan.session)
    finals = finals_of(told)
    spans = spans_from(trace, finals)
    assert problems(spans, plan.session) == []
    in_sequence = spans_from(trace, finals_of(plan.in_sequence()))
    assert sorted(spans, key=lambda span: span.span_id) == sorted(in_sequence, key=lambda span: span.span_id)
    for final in finals:
        assert span_count(trace, final) == len(spans_of(trace, final))


@given(model.plans(), st.data())
def test_a_cut_journal_is_one_tree(plan: Plan, data: st.DataObject) -> None:
    """A process may die at any moment, and the clock may stand anywhere when that is noticed."""
    told = data.draw(model.interleaved(plan))
    cut = told[: data.draw(st.integers(1, len(told)))]
    run = Run()
    finals = [*finals_of(cut, run), *run.abandon(data.draw(st.sampled_from([0, BEGIN, BEGIN + 1, END])))]
    assert problems(spans_from(Trace.of(plan.session), finals), plan.session) == []


@given(st.permutations(["setup", "call", "teardown"]), st.lists(model.phases, min_size=1, max_size=3), model.cases)
def test_anything_may_stand_in_a_phase(words: list[str], told: list[Phase], case: Case) -> None:
    rows = tuple(phase._replace(when=when) for phase, when in zip(told, words, strict=False))
    session = a_session()
    finals = finals_of([session, *a_told_test(*rows, case=case), the_end()])
    assert [span.name for span in spans_from(Trace.of(session), finals) if span.name in words] == words[: len(rows)]


def test_root() -> None:
    session = a_session(name="nightly", suite="shop", parent_id="b7ad6b7169203331", trace_state="a=1", workers=2)
    collected = CollectionFinished("", BEGIN, BEGIN + MS, 4)
    told = [session, collected, events.TestsCollected(BEGIN, 2), *a_test(1), *a_test(2, "", "failed", "")]
    *_, root = spans_from(Trace.of(session), finals_of([*told, the_end(1)]))
    assert root.name == "nightly"
    assert root.parent_id.hex() == "b7ad6b7169203331"
    assert (root.start, root.end, root.trace_state) == (BEGIN, END, "a=1")
    assert root.error == "1 failed"
    assert root.attributes == {
        "test.suite.name": "shop",
        "test.suite.run.status": "failure",
        "process.exit.code": 1,
        "pytest.tests.collected": 2,
        "pytest.tests.deselected": 4,
        "pytest.tests.passed": 1,
        "pytest.tests.failed": 1,
        "pytest.tests.error": 0,
        "pytest.tests.skipped": 0,
        "pytest.tests.xfailed": 0,
        "pytest.tests.xpassed": 0,
        "pytest.tests.rerun": 0,
        "pytest.warnings": 3,
        "pytest.xdist.workers": 2,
    }


def test_no_category_of_a_plugin_hides_what_the_root_says_itself() -> None:
    told = [events.TestsCollected(BEGIN, 2), *a_test(1, "", "collected", ""), *a_test(2, "deselected", "on hold")]
    root = spans_by_name(*told)["pytest"]
    assert root.attributes["pytest.tests.collected"] == 2
    assert root.attributes["pytest.tests.deselected"] == 0
    assert root.attributes["pytest.tests.on_hold"] == 1


def test_root_of_success_has_no_status() -> None:
    assert spans_by_name(*a_test(1))["pytest"].error is None


@pytest.mark.parametrize(
    ("exit_code", "status", "error"),
    [(2, "aborted", "exit code 2"), (3, "failure", "exit code 3"), (5, "skipped", "exit code 5")],
)
def test_root_of_a_run_that_did_not_succeed(exit_code: int, status: str, error: str) -> None:
    session = a_session()
    told: list[Event] = [session, events.TestsCollected(BEGIN, 1), the_end(exit_code)]
    (root,) = spans_from(Trace.of(session), finals_of(told))
    assert (root.attributes["test.suite.run.status"], root.error) == (status, error)


def test_root_tells_what_ended_the_run() -> None:
    session = a_session()
    interrupt = Failure("KeyboardInterrupt", "", "trace")
    (root,) = spans_from(Trace.of(session), finals_of([session, the_end(2, interrupt)]))
    assert root.attributes["error.type"] == "KeyboardInterrupt"
    assert root.error == ""
    told = {"exception.type": "KeyboardInterrupt", "exception.stacktrace": "trace"}
    assert root.events == (SpanEvent("exception", END, told),)


def test_root_of_a_dead_process() -> None:
    session, run = a_session(), Run()
    finals_of([session], run)
    (root,) = spans_from(Trace.of(session), run.abandon(END))
    assert root.error == "pytest ended without a word"
    assert root.attributes["test.suite.run.status"] == "aborted"
    assert "process.exit.code" not in root.attributes


def test_a_category_of_a_plugin_is_counted_too() -> None:
    root = spans_by_name(*a_test(1, "", "strange", ""))["pytest"]
    assert root.attributes["pytest.tests.strange"] == 1


def test_test_span() -> None:
    output = (("stdout", "hello"), ("log", "INFO hello"))
    rows = (
        a_phase("setup", ""),
        a_phase("call", "failed", DIED, span=SpanFacts({"cart.items": 3})),
        a_phase("teardown", "", properties=(("build", 7),), output=output),
    )
    span = spans_by_name(*a_told_test(*rows))["a.py::t"]
    assert span.attributes == {
        "test.case.name": "a.py::t",
        "test.case.result.status": "fail",
        "test.suite.name": "tests/test_it.py::TestIt",
        "pytest.outcome": "failed",
        "pytest.attempt": 1,
        "pytest.duration": 0.003,
        "code.file.path": "tests/test_it.py",
        "code.line.number": 12,
        "code.function.name": "TestIt.test_it",
        "pytest.description": "It works.",
        "pytest.markers": ("slow", "parametrize"),
        "pytest.parameters.currency": "eur",
        "pytest.xdist.group": "db",
        "pytest.failed_phase": "call",
        "error.type": "app.Died",
        "pytest.property.cart.items": 3,
        "pytest.property.build": 7,
        "pytest.stdout": "hello",
        "pytest.log": "INFO hello",
    }
    assert span.error == "of hunger"
    assert span.events == ()


def test_what_is_not_known_is_not_said() -> None:
    span = spans_by_name(*a_told_test(a_phase("call", "passed"), nodeid="a.py::T::t[a::b]", case=None))[
        "a.py::T::t[a::b]"
    ]
    assert span.attributes == {
        "test.case.name": "a.py::T::t[a::b]",
        "test.case.result.status": "pass",
        "test.suite.name": "a.py::T",
        "pytest.outcome": "passed",
        "pytest.attempt": 1,
        "pytest.duration": 0.001,
    }


@pytest.mark.parametrize(
    ("categories", "outcome", "status", "error"),
    [
        (("", "passed", ""), "passed", "pass", None),
        (("", "failed", ""), "failed", "fail", "failed"),
        (("error", ""), "error", "error", "error"),
        (("skipped", ""), "skipped", "skip", None),
        (("", "xfailed", ""), "xfailed", "skip", None),
        (("", "xpassed", ""), "xpassed", "pass", None),
        (("", "rerun"), "rerun", "fail", "rerun"),
        (("", "strange", ""), "strange", "pass", None),
    ],
)
def test_outcomes(categories: tuple[str, ...], outcome: str, status: str, error: str | None) -> None:
    span = spans_by_name(*a_test(1, *categories))["test_it.py::test_1"]
    assert span.attributes["pytest.outcome"] == outcome
    assert span.attributes["test.case.result.status"] == status
    assert span.error == error


def test_the_exception_stands_on_its_phase_once() -> None:
    spans = spans_by_name(*a_told_test(a_phase("setup", ""), a_phase("call", "failed", DIED), a_phase("teardown", "")))
    exception = {
        "exception.type": "app.Died",
        "exception.message": "of hunger",
        "exception.stacktrace": "Traceback: of hunger",
    }
    assert spans["call"].events == (SpanEvent("exception", BEGIN + 2 * MS, exception),)
    assert spans["call"].attributes == {"pytest.phase": "call", "pytest.outcome": "failed", "error.type": "app.Died"}
    assert spans["call"].error == "of hunger"
    assert [name for name, span in spans.items() if span.events] == ["call"]
    assert spans["setup"].attributes == {"pytest.phase": "setup", "pytest.outcome": "passed"}
    assert spans["setup"].error is None


def test_without_phases_the_exception_stands_on_the_test() -> None:
    said = SpanFacts({}, (SpanEventFact("seen", BEGIN, {"what": "a ghost"}),))
    rows = (a_phase("setup", ""), a_phase("call", "failed", DIED, span=said))
    spans = spans_by_name(*a_told_test(*rows), detail="tests")
    assert set(spans) == {"pytest", "a.py::t"}
    seen, exception = spans["a.py::t"].events
    assert seen == SpanEvent("seen", BEGIN, {"what": "a ghost"})
    assert exception.attributes["exception.type"] == "app.Died"


def test_what_a_test_said_on_its_span() -> None:
    said = SpanFacts({"a": [1, 2]}, (SpanEventFact("seen", BEGIN + MS, {}),), error="not good")
    spans = spans_by_name(*a_told_test(a_phase("setup", ""), a_phase("call", "passed", span=said)))
    assert spans["call"].events == (SpanEvent("seen", BEGIN + MS, {}),)
    assert spans["call"].error == "not good"
    assert spans["a.py::t"].error == "not good"
    assert spans["a.py::t"].attributes["pytest.property.a"] == [1, 2]
    assert spans["a.py::t"].attributes["pytest.outcome"] == "passed"


def test_a_crash_stands_on_the_test() -> None:
    spans = spans_by_name(events.TestStarted(1, "a", BEGIN), events.TestCrashed(1, "gw0", BEGIN + MS, "gw0 died"))
    assert spans["a"].error == "gw0 died"
    assert spans["a"].attributes["pytest.outcome"] == "crashed"
    assert spans["a"].attributes["pytest.worker"] == "gw0"
    (event,) = spans["a"].events
    assert event.attributes == {"exception.type": "worker_crashed", "exception.message": "gw0 died"}


def test_flaky() -> None:
    rerun, passed = (a_phase("setup", ""), a_phase("call", "rerun", DIED)), (a_phase("call", "passed"),)
    told = [*a_told_test(*rerun), PhasesFinished(1, 2, "", last=True, phases=passed)]
    session = a_session()
    tests = [
        span.attributes
        for span in spans_from(Trace.of(session), finals_of([session, *told, the_end()]))
        if span.name == "a.py::t"
    ]
    assert [attributes["pytest.attempt"] for attributes in tests] == [1, 2]
    assert [attributes.get("pytest.flaky") for attributes in tests] == [None, True]


def test_fixtures() -> None:
    fixtures = (
        Fixture("db", "module", BEGIN + 1024, BEGIN + 5120, False, "0", "tests/conftest.py", 7),
        Fixture("cart", "function", BEGIN + 5120, BEGIN + 5120, False, "", "", 0, Failure("E", "empty", "")),
    )
    torn_down = (Fixture("db", "module", BEGIN + MS + 5, BEGIN + MS + 9, True, "0", "tests/conftest.py", 7),)
    spans = spans_by_name(
        *a_told_test(a_phase("setup", "", fixtures=fixtures), a_phase("call", "passed", fixtures=torn_down))
    )
    db, cart = spans["fixture db (module)"], spans["fixture cart (function)"]
    assert db.attributes == {
        "pytest.fixture.name": "db",
        "pytest.fixture.scope": "module",
        "pytest.fixture.params": "0",
        "code.file.path": "tests/conftest.py",
        "code.line.number": 7,
    }
    assert db.parent_id == cart.parent_id == spans["setup"].span_id
    assert (db.start, db.end, db.error) == (BEGIN + 1024, BEGIN + 5120, None)
    assert (cart.end - cart.start, cart.error, cart.attributes["error.type"]) == (1024, "empty", "E")
    assert spans["fixture db (module) teardown"].parent_id == spans["call"].span_id


def test_subtests() -> None:
    subtests = (
        Subtest("", (("i", "3"), ("j", "x")), "passed", "subtests passed", BEGIN + MS + 1024, BEGIN + MS + 5120, None),
        Subtest("again", (), "failed", "failed", BEGIN + MS + 5120, BEGIN + MS + 5120, DIED),
    )
    spans = spans_by_name(*a_told_test(a_phase("setup", ""), a_phase("call", "failed", subtests=subtests)))
    passed, failed = spans["subtest i=3 j=x"], spans["subtest again"]
    assert passed.parent_id == failed.parent_id == spans["call"].span_id
    assert passed.attributes == {"pytest.outcome": "passed", "pytest.subtest.parameters": "i=3, j=x"}
    assert (passed.start, passed.end, passed.error) == (BEGIN + MS + 1024, BEGIN + MS + 5120, None)
    assert failed.attributes == {
        "pytest.outcome": "failed",
        "pytest.subtest.message": "again",
        "error.type": "app.Died",
    }
    assert (failed.end - failed.start, failed.error) == (1024, "of hunger")
    assert failed.events[0].attributes["exception.message"] == "of hunger"
    root = spans["pytest"].attributes
    assert (root["pytest.tests.failed"], root["pytest.tests.subtests_passed"]) == (2, 1)


def test_collection() -> None:
    spans = spans_by_name(
        FileCollected("a.py", "gw0", BEGIN + 1000, BEGIN + 9000),
        CollectFailed("b.py::TestB", "gw0", BEGIN + 9000, BEGIN + 9500, DIED),
        CollectSkipped("c.py", "gw0", BEGIN + 9500, BEGIN + 9600, "not on Tuesdays"),
        CollectionFinished("gw0", BEGIN, BEGIN + 2 * MS, 0),
        workers=1,
    )
    assert spans["collection"].attributes == {"pytest.worker": "gw0"}
    assert spans["a.py"].attributes == {"code.file.path": "a.py", "test.suite.name": "a.py"}
    failed, skipped = spans["b.py::TestB"], spans["c.py"]
    assert failed.attributes == {"code.file.path": "b.py", "pytest.outcome": "error", "error.type": "app.Died"}
    assert failed.error == "of hunger"
    assert failed.events[0].attributes["exception.message"] == "of hunger"
    assert skipped.attributes["pytest.reason"] == "not on Tuesdays"
    assert skipped.error is None
    parents = {spans[name].parent_id for name in ("a.py", "b.py::TestB", "c.py")}
    assert parents == {spans["collection"].span_id}


def test_collection_does_not_begin_before_the_session() -> None:
    span = spans_by_name(CollectionFinished("", BEGIN - MS, BEGIN + MS, 0), *a_test(1))["collection"]
    assert (span.start, span.end) == (BEGIN, BEGIN + MS)


def test_marker_of_the_run() -> None:
    session = a_session(name="nightly", parent_id="b7ad6b7169203331")
    span = marker(Trace.of(session), 17)
    assert span.name == "nightly"
    assert span.parent_id.hex() == "b7ad6b7169203331"
    assert (span.start, span.end) == (BEGIN + 1024, BEGIN + 2048)
    assert span.span_id != Trace.of(session).root_id
    assert span.attributes == {
        "test.suite.name": "suite",
        "test.suite.run.status": "in_progress",
        "pytest.tests.collected": 17,
    }
    assert "pytest.tests.collected" not in marker(Trace.of(session), None).attributes


def test_marker_of_a_test() -> None:
    session = a_session(workers=1)
    running, told = a_test(1, worker="gw0")
    span = running_marker(Trace.of(session), RunningTest("test_it.py::test_1", "gw0", 1, None, BEGIN + 512))
    test, *_ = spans_from(Trace.of(session), finals_of([session, running, told]))
    assert span.parent_id == test.span_id
    assert span.span_id != test.span_id
    assert (span.name, span.start, span.end) == ("test_it.py::test_1 running", BEGIN, BEGIN + 1024)
    assert span.attributes == {"test.case.name": "test_it.py::test_1", "pytest.worker": "gw0"}
    assert span.error is None


@given(st.lists(st.integers(0, 3_000), min_size=6, max_size=6), st.sampled_from(["tests", "phases"]), st.booleans())
def test_a_pass_is_like_any_other_test(steps: list[int], detail: str, rerun: bool) -> None:
    """The short line gives the spans that the long one gives."""
    session = a_session(detail=detail, trace_state="a=b")
    times = [BEGIN + sum(steps[: number + 1]) for number in range(6)]
    rows = [
        Phase(when, "passed", category, times[2 * n], times[2 * n + 1], duration)
        for n, (when, category, duration) in enumerate(
            [("setup", "", 0.25), ("call", "passed", 0.000_001), ("teardown", "", 0.003)]
        )
    ]
    before: list[Event] = [session, events.TestStarted(1, "a.py::t", BEGIN, CASE)]
    if rerun:
        again = Phase("call", "failed", "rerun", BEGIN, BEGIN, 0.1, Failure("E", "no", ""))
        before.append(PhasesFinished(1, 1, "gw0", last=True, phases=(again,)))
    long = PhasesFinished(1, 2, "gw0", last=True, phases=tuple(rows))
    a, b, c, d, e, f = times
    short = events.TestPassed(1, 2, "gw0", (a, b, c, d, e, f), (250_000, 1, 3_000))
    runs = Run(), Run()
    overs: tuple[Event, Event] = long, short
    told = [finals_of([*before, over], run) for over, run in zip(overs, runs, strict=True)]
    trace = Trace.of(session)
    assert spans_from(trace, told[1]) == spans_from(trace, told[0])
    assert [span_count(trace, final) for final in told[1]] == [span_count(trace, final) for final in told[0]]
    assert vars(runs[0])["_latest"] == vars(runs[1])["_latest"]
    assert (runs[0].counts, runs[0].tests, runs[0].active) == (runs[1].counts, runs[1].tests, 0)


def test_times_are_sent_to_1024_ns() -> None:
    spans = spans_by_name(CollectionFinished("", BEGIN + 255, BEGIN + 5375, 0), *a_test(1))
    assert (spans["collection"].start, spans["collection"].end) == (BEGIN, BEGIN + 5120)


def test_ids_repeat_for_the_same_run_only() -> None:
    def ids(session: SessionStarted) -> list[bytes]:
        return [span.span_id for span in spans_from(Trace.of(session), finals_of([session, *a_test(1), the_end()]))]

    session = a_session()
    assert ids(session) == ids(session)
    assert not set(ids(session)) & set(ids(a_session()))
