from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp import events
from pytest_otlp.events import (
    Case,
    CollectFailed,
    CollectionFinished,
    CollectSkipped,
    Failure,
    FileCollected,
    Phase,
    PhasesFinished,
    SessionFinished,
)
from pytest_otlp.exporter.files import FileFinished
from pytest_otlp.exporter.run import Attempt, Final, Passed, Run, SessionClosed, outcome_of, status_of
from pytest_otlp.exporter.workers import WorkerOver
from support import model
from support.model import BEGIN, Plan, a_session, a_test, finals_of

END = BEGIN + 60_000_000_000
DIED = Failure("E", "died", "")
CASE = Case("a.py", 1, "t", "a.py")


def the_end(exit_code: int = 0, failure: Failure | None = None) -> SessionFinished:
    return SessionFinished(END, exit_code, 3, failure, 0)


def attempts_of(*told: events.Event) -> list[Attempt]:
    return [final for final in finals_of(told) if isinstance(final, Attempt)]


def closed_of(*told: events.Event) -> SessionClosed:
    *_, closed = finals_of(told)
    assert isinstance(closed, SessionClosed)
    return closed


def a_phase(when: str, category: str, start: int = BEGIN, failure: Failure | None = None) -> Phase:
    return Phase(when, "failed" if failure else "passed", category, start, start + 5, 0.0, failure)


@given(model.plans(), st.data())
def test_any_interleaving_gives_the_same(plan: Plan, data: st.DataObject) -> None:
    told = data.draw(model.interleaved(plan))
    sequential, run = Run(), Run()
    expected, found = finals_of(plan.in_sequence(), sequential), finals_of(told, run)
    assert all(final in expected for final in found)
    assert len(found) == len(expected)
    assert run.counts == sequential.counts
    assert run.tests == sequential.tests


def test_a_pass_says_all_where_the_start_was_not_told() -> None:
    passed = events.TestPassed(1, 1, "gw0", (BEGIN, *range(BEGIN + 1, BEGIN + 6)), (1, 2, 3), CASE)
    split = events.TracesSplit("file", {"a.py": 1, "b.py": 1})
    other = events.TestStarted(2, "b.py::t", BEGIN + 9)

    def told(*about: events.Event) -> list[Final]:
        return finals_of([a_session(run_id="run", workers=1), split, *about, other, the_end()])

    apart = told(events.TestStarted(1, "a.py::t", BEGIN), passed)
    assert told(passed._replace(nodeid="a.py::t")) == apart
    assert [type(final) for final in apart[:2]] == [Passed, FileFinished]


def test_a_test_that_passed_ends_the_file_before_it() -> None:
    times = (BEGIN, *range(BEGIN + 1, BEGIN + 6))
    first, second = (
        events.TestPassed(key, 1, "gw0", times, (1, 2, 3), nodeid=nodeid)
        for key, nodeid in enumerate(("a.py::t", "b.py::t"), 1)
    )
    split = events.TracesSplit("file", {"a.py": 1, "b.py": 1})
    found = finals_of([a_session(workers=1), split, first, second])
    assert [type(final) for final in found] == [Passed, FileFinished, Passed]


@given(model.plans(), st.data())
def test_what_is_over_is_forgotten(plan: Plan, data: st.DataObject) -> None:
    run = Run()
    finals_of(data.draw(model.interleaved(plan)), run)
    assert run.closed
    assert run.active == 0
    assert list(run.running) == []


@given(model.plans())
def test_counts(plan: Plan) -> None:
    run = Run()
    finals = finals_of(plan.in_sequence(), run)
    told = [event for stream in plan.streams for event in stream]
    expected = Counter(
        category
        for event in told
        if isinstance(event, PhasesFinished)
        for phase in event.phases
        for category in (phase.category, *(subtest.category for subtest in phase.subtests))
        if category
    )
    expected["failed"] += sum(isinstance(event, events.TestCrashed) for event in told)
    expected["passed"] += sum(isinstance(event, events.TestPassed) for event in told)
    expected["passed"] += sum(len(event.earlier) == 2 for event in told if isinstance(event, events.PhaseStarted))
    expected["skipped"] += sum(isinstance(event, CollectSkipped) for event in told)
    expected["error"] += sum(isinstance(event, CollectFailed) for event in told)
    closed = finals[-1]
    assert isinstance(closed, SessionClosed)
    assert +closed.counts == +expected
    assert run.tests == sum(isinstance(final, Attempt | Passed) for final in finals)
    assert sum(isinstance(final, SessionClosed) for final in finals) == 1


@given(model.plans(), st.data())
def test_every_test_ends_once(plan: Plan, data: st.DataObject) -> None:
    told = data.draw(model.interleaved(plan))
    length = data.draw(st.integers(1, len(told)))
    run = Run()
    finals = finals_of(told[:length], run)
    finals += run.abandon(END)
    attempts = [final for final in finals if isinstance(final, Attempt | Passed)]
    started = {
        event.nodeid
        for event in told[:length]
        if isinstance(event, events.TestStarted) or (isinstance(event, events.TestPassed) and event.nodeid)
    }
    assert {attempt.nodeid for attempt in attempts} == started
    numbers = Counter((attempt.nodeid, attempt.number) for attempt in attempts)
    assert set(numbers.values()) <= {1}
    assert run.closed
    assert list(run.abandon(END)) == []


def test_the_gravest_category_is_the_outcome() -> None:
    assert outcome_of(["", "passed", ""]) == "passed"
    assert outcome_of([]) == "passed"
    assert outcome_of(["", "passed", "error"]) == "error"
    assert outcome_of(["", "failed", "error"]) == "failed"
    assert outcome_of(["skipped", ""]) == "skipped"
    assert outcome_of(["", "xpassed", ""]) == "xpassed"
    assert outcome_of(["", "unheard of", ""]) == "unheard of"


@pytest.mark.parametrize(
    ("exit_code", "status"),
    [(0, "success"), (1, "failure"), (2, "aborted"), (3, "failure"), (4, "failure"), (5, "skipped"), (77, "failure")],
)
def test_status_of_an_exit_code(exit_code: int, status: str) -> None:
    assert status_of(exit_code) == status
    closed = closed_of(a_session(), events.TestsCollected(BEGIN, 1), the_end(exit_code))
    assert (closed.status, closed.exit_code) == (status, exit_code)


SKIPPED = events.CollectSkipped("a.py", "", BEGIN, BEGIN + 5, "not here")
COLLECTED = CollectionFinished("", BEGIN, BEGIN + 5, 3)


@pytest.mark.parametrize("exit_code", [0, 5])
def test_a_run_that_tests_nothing_tells_nothing(exit_code: int) -> None:
    run = Run()
    assert finals_of([a_session(), SKIPPED, COLLECTED, events.TestsCollected(BEGIN, 0), the_end(exit_code)], run) == []
    assert (run.shows, run.closed) == (False, True)


@pytest.mark.parametrize(
    "clear",
    [
        the_end(4),
        events.TestsCollected(BEGIN, 1),
        events.TestStarted(1, "a", BEGIN),
        events.CollectFailed("a.py", "", BEGIN, BEGIN + 5, DIED),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_was_held_back_is_told_when_it_is_clear_that_there_is_something(clear: events.Event) -> None:
    run = Run()
    assert finals_of([a_session(), COLLECTED], run) == []
    assert next(iter(run.apply(clear))) == COLLECTED
    assert run.shows


def test_a_run_that_shows_already_is_told_to_its_end() -> None:
    run = Run()
    finals_of([a_session(), COLLECTED], run)
    assert list(run.show()) == [COLLECTED]
    (closed,) = run.apply(the_end(5))
    assert isinstance(closed, SessionClosed)


def test_a_process_that_dies_while_it_collects_is_told() -> None:
    run = Run()
    finals_of([a_session(), SKIPPED], run)
    assert [type(final) for final in run.abandon(END)] == [events.CollectSkipped, CollectionFinished, SessionClosed]


def test_an_attempt_of_which_nothing_but_the_fixtures_ran_was_skipped() -> None:
    started = events.TestStarted(1, "a", BEGIN)
    phases = (a_phase("setup", ""), a_phase("teardown", ""))
    (attempt,) = attempts_of(a_session(), started, PhasesFinished(1, 1, "", last=True, phases=phases))
    assert attempt.outcome == "skipped"


def test_an_attempt_tells_the_whole_test() -> None:
    started, told = a_test(1, start=BEGIN + 7)
    (attempt,) = attempts_of(a_session(), started, told)
    assert (attempt.start, attempt.end) == (BEGIN + 7, BEGIN + 3_000_007)
    assert (attempt.nodeid, attempt.outcome, attempt.number, attempt.flaky) == (
        "test_it.py::test_1",
        "passed",
        1,
        False,
    )
    assert [phase.when for phase in attempt.phases] == ["setup", "call", "teardown"]


def test_a_test_that_was_over_without_a_phase_goes_on() -> None:
    over = PhasesFinished(1, 1, "", last=True, phases=())
    (attempt,) = attempts_of(a_session(), events.TestStarted(1, "a", BEGIN), over, the_end(2))
    assert attempt.outcome == "interrupted"


def test_the_first_failure_is_the_tests() -> None:
    early, late = Failure("First", "1", ""), Failure("Second", "2", "")
    rows = (a_phase("setup", ""), a_phase("call", "failed", failure=early), a_phase("teardown", "error", failure=late))
    (attempt,) = attempts_of(
        a_session(), events.TestStarted(1, "a", BEGIN), PhasesFinished(1, 1, "", last=True, phases=rows)
    )
    assert (attempt.failure, attempt.failed_phase, attempt.outcome) == (early, "call", "failed")


def test_a_rerun_is_told_as_an_attempt_of_its_own() -> None:
    run = Run()
    failed = (a_phase("setup", ""), a_phase("call", "rerun", BEGIN + 10, DIED))
    finals = finals_of(
        [a_session(), events.TestStarted(1, "a", BEGIN), PhasesFinished(1, 1, "", last=True, phases=failed)], run
    )
    assert [final.outcome for final in finals if isinstance(final, Attempt | Passed)] == ["rerun"]
    passed = (a_phase("setup", "", BEGIN + 20), a_phase("call", "passed", BEGIN + 30))
    (second,) = run.apply(PhasesFinished(1, 2, "", last=True, phases=passed))
    assert isinstance(second, Attempt)
    assert (second.number, second.start, second.flaky, second.outcome) == (2, BEGIN + 20, True, "passed")
    assert run.counts == {"rerun": 1, "passed": 1}


def test_a_rerun_that_never_began_is_no_attempt() -> None:
    failed = (a_phase("call", "rerun", BEGIN, DIED),)
    told = (a_session(), events.TestStarted(1, "a", BEGIN), PhasesFinished(1, 1, "", last=True, phases=failed))
    assert [attempt.outcome for attempt in attempts_of(*told, the_end(2))] == ["rerun"]


ENTERED = BEGIN + 10
SETUP_TOLD = PhasesFinished(1, 1, "", False, (Phase("setup", "passed", "", BEGIN, BEGIN + 9, 0.1),))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([], []),
        ([SETUP_TOLD], [("setup", "passed", BEGIN, BEGIN + 9)]),
        ([events.PhaseStarted(1, 1, "setup", ENTERED)], [("setup", "interrupted", ENTERED, END)]),
        (
            [SETUP_TOLD, events.PhaseStarted(1, 1, "call", ENTERED)],
            [("setup", "passed", BEGIN, BEGIN + 9), ("call", "interrupted", ENTERED, END)],
        ),
        (
            [events.PhaseStarted(1, 1, "call", ENTERED)],
            [("setup", "passed", BEGIN, ENTERED), ("call", "interrupted", ENTERED, END)],
        ),
        (
            [events.PhaseStarted(1, 1, "teardown", ENTERED, ((BEGIN, BEGIN + 1), (BEGIN + 2, BEGIN + 3)))],
            [
                ("setup", "passed", BEGIN, BEGIN + 1),
                ("call", "passed", BEGIN + 2, BEGIN + 3),
                ("teardown", "interrupted", ENTERED, END),
            ],
        ),
        # Its end was told, and what came then is not known.
        ([events.PhaseStarted(1, 1, "setup", BEGIN), SETUP_TOLD], [("setup", "passed", BEGIN, BEGIN + 9)]),
    ],
)
def test_the_phases_of_a_test_in_which_the_process_died(
    told: list[events.Event], expected: list[tuple[str, str, int, int]]
) -> None:
    run = Run()
    finals_of([a_session(), events.TestStarted(1, "a", BEGIN), *told], run)
    attempt, closed = run.abandon(END)
    assert isinstance(attempt, Attempt)
    assert [(phase.when, phase.outcome, phase.start, phase.end) for phase in attempt.phases] == expected
    assert (attempt.outcome, attempt.start, attempt.end) == ("interrupted", BEGIN, END)
    assert isinstance(closed, SessionClosed)
    assert closed.counts["passed"] == (("call", "passed", BEGIN + 2, BEGIN + 3) in expected)


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([], ["setup crashed"]),
        ([("setup", "passed")], ["setup passed", "call crashed"]),
        ([("setup", "skipped")], ["setup skipped", "teardown crashed"]),
        ([("setup", "passed"), ("call", "failed")], ["setup passed", "call failed", "teardown crashed"]),
        ([("setup", "passed"), ("call", "interrupted")], ["setup passed", "call interrupted"]),
    ],
)
@pytest.mark.parametrize("forked", [False, True])
def test_the_phase_in_which_a_worker_crashed(
    phases: list[tuple[str, str]], expected: list[str], *, forked: bool
) -> None:
    rows = tuple(Phase(when, outcome, "", BEGIN, BEGIN + 5, 0.1) for when, outcome in phases)
    told, crashed = PhasesFinished(1, 1, "gw0", False, rows), events.TestCrashed(1, "gw0", END, "gone", forked)
    (attempt,) = attempts_of(a_session(workers=1), events.TestStarted(1, "a", BEGIN), told, crashed)
    found = [f"{phase.when} {phase.outcome}" for phase in attempt.phases]
    assert found == [phase for phase in expected if not (forked and "crashed" in phase)]


def test_a_crash() -> None:
    told = (
        a_session(),
        events.TestStarted(1, "a", BEGIN),
        PhasesFinished(1, 1, "gw0", last=False, phases=(a_phase("setup", ""),)),
        events.TestCrashed(1, "gw0", BEGIN + 50, "worker 'gw0' crashed"),
        the_end(1),
    )
    (attempt,) = attempts_of(*told)
    assert (attempt.outcome, attempt.worker, attempt.start, attempt.end) == ("crashed", "gw0", BEGIN, BEGIN + 50)
    assert attempt.failure == Failure("worker_crashed", "worker 'gw0' crashed", "")
    assert closed_of(*told).counts == {"failed": 1}


@pytest.mark.parametrize(
    "told",
    [
        events.TestCrashed(9, "gw0", BEGIN, ""),
        PhasesFinished(9, 1, "gw0", last=True, phases=(a_phase("call", "failed"),)),
    ],
)
def test_of_a_test_that_was_never_announced_nothing_is_known(told: events.Event) -> None:
    run = Run()
    assert finals_of([a_session(), told], run) == []
    assert run.counts == {}


def test_what_runs_at_the_end_was_interrupted() -> None:
    told = (a_session(), events.TestStarted(1, "a", BEGIN + 1), the_end(2))
    (attempt,) = attempts_of(*told)
    assert (attempt.outcome, attempt.start, attempt.end, attempt.failure) == ("interrupted", BEGIN + 1, END, None)


def test_the_end_says_all() -> None:
    files: list[events.Event] = [
        FileCollected("a.py", "", BEGIN + 1, BEGIN + 2),
        CollectFailed("b.py", "", BEGIN + 2, BEGIN + 3, DIED),
    ]
    collected = CollectionFinished("", BEGIN, BEGIN + 9, 4)
    closed = closed_of(a_session(), *files, collected, events.TestsCollected(BEGIN, 17), the_end(1, DIED))
    assert closed == SessionClosed(END, 1, "failure", DIED, Counter(error=1), 17, 4, 3)


def test_each_worker_deselects_the_same_tests() -> None:
    collected = [CollectionFinished(worker, BEGIN, BEGIN, 4) for worker in ("gw0", "gw1")]
    assert closed_of(a_session(), *collected, the_end(1)).deselected == 4


def test_a_dead_process_leaves_an_aborted_run() -> None:
    run = Run()
    finals_of([a_session(), *a_test(1), events.TestStarted(2, "b", BEGIN + 5_000_000)], run)
    interrupted, closed = run.abandon(END)
    assert isinstance(interrupted, Attempt)
    assert (interrupted.outcome, interrupted.end) == ("interrupted", END)
    assert isinstance(closed, SessionClosed)
    assert (closed.status, closed.exit_code, closed.end) == ("aborted", None, END)


def test_a_clock_set_back_does_not_end_a_run_before_its_tests() -> None:
    run = Run()
    (attempt,) = finals_of([a_session(), *a_test(1)], run)
    (closed,) = run.abandon(BEGIN - 1)
    assert isinstance(attempt, Attempt)
    assert isinstance(closed, SessionClosed)
    assert closed.end >= attempt.end


def test_nothing_can_be_said_of_a_run_without_its_first_line() -> None:
    run = Run()
    assert list(run.abandon(END)) == []
    assert run.closed


def test_a_file_collected_late_does_not_begin_a_second_collection() -> None:
    late = FileCollected("b.py", "", BEGIN + 8, BEGIN + 9)
    finals = finals_of([a_session(), CollectionFinished("", BEGIN, BEGIN + 5, 0), late, the_end(1)])
    assert [type(final) for final in finals] == [CollectionFinished, FileCollected, SessionClosed]


def test_a_further_attempt_begins_when_it_is_told() -> None:
    run = Run()
    failed = a_phase("call", "rerun", failure=DIED)
    finals_of(
        [
            a_session(),
            events.TestStarted(1, "a", BEGIN),
            PhasesFinished(1, 1, "", last=True, phases=(failed,)),
        ],
        run,
    )
    assert list(run.running) == []
    run.apply(events.TestStarted(1, "a", BEGIN + 900))
    (running,) = run.running
    assert (running.number, running.start) == (2, BEGIN + 900)
    interrupted, _ = run.apply(the_end(2))
    assert isinstance(interrupted, Attempt)
    assert (interrupted.outcome, interrupted.number, interrupted.start) == ("interrupted", 2, BEGIN + 900)


def test_a_failure_that_nobody_was_told_of_is_tried_again() -> None:
    withheld = a_phase("call", "", failure=DIED)._replace(outcome="rerun")
    session, run = a_session(), Run()
    told = PhasesFinished(1, 1, "", last=True, phases=(withheld, a_phase("teardown", "")))
    (attempt,) = finals_of([session, events.TestStarted(1, "a", BEGIN), told], run)
    assert isinstance(attempt, Attempt)
    assert (attempt.outcome, attempt.failed_phase, run.counts) == ("rerun", "call", Counter())


def test_the_worker_of_a_test_without_a_report() -> None:
    run = Run()
    finals_of([a_session(workers=2), events.TestStarted(1, "a", BEGIN, worker="gw1")], run)
    interrupted, _ = run.abandon(END)
    assert isinstance(interrupted, Attempt)
    assert interrupted.worker == "gw1"


def workers_of(*told: events.Event) -> list[WorkerOver]:
    return [final for final in finals_of([a_session(workers=2), *told]) if isinstance(final, WorkerOver)]


GW0 = events.WorkerStarted("gw0", BEGIN)
"""A worker of which the tests below tell."""


def test_a_worker_counts_its_tests() -> None:
    again = [a_phase("call", "rerun", failure=DIED)]
    told = [
        GW0,
        events.WorkerStarted("gw1", BEGIN + 1),
        *a_test(1, worker="gw0"),
        events.TestStarted(2, "b", BEGIN),
        PhasesFinished(2, 1, "gw0", last=True, phases=tuple(again)),
        PhasesFinished(2, 2, "gw0", last=True, phases=(a_phase("call", "passed"),)),
        events.WorkerFinished("gw0", BEGIN + 9_000_000),
    ]
    assert workers_of(*told) == [WorkerOver("gw0", BEGIN, BEGIN + 9_000_000, 2, None)]
    assert workers_of(*told, the_end())[1] == WorkerOver("gw1", BEGIN + 1, END, 0, None)


@pytest.mark.parametrize("known", ["gw0", ""], ids=["by its start", "by its report"])
def test_the_test_in_which_a_worker_crashed_counts(known: str) -> None:
    gone = events.WorkerFinished("gw0", BEGIN + 7, DIED)
    crashed = events.TestCrashed(1, "gw0", BEGIN + 8, "worker 'gw0' crashed")
    reported = PhasesFinished(1, 1, "gw0", last=False, phases=(a_phase("setup", ""),))
    told: list[events.Event] = [GW0, events.TestStarted(1, "a", BEGIN, worker=known), reported, gone]
    if known:
        told.remove(reported)
    assert workers_of(*told) == []
    assert workers_of(*told, crashed) == [WorkerOver("gw0", BEGIN, BEGIN + 7, 1, DIED)]
    assert workers_of(*told, the_end(3)) == [WorkerOver("gw0", BEGIN, BEGIN + 7, 1, DIED)]


def test_a_worker_that_crashes_before_any_test_is_over_at_once() -> None:
    assert workers_of(
        GW0, events.CollectFailed("a.py", "gw0", BEGIN, BEGIN, DIED), events.WorkerFinished("gw0", BEGIN + 7, DIED)
    ) == [WorkerOver("gw0", BEGIN, BEGIN + 7, 0, DIED)]
