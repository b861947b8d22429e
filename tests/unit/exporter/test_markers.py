from __future__ import annotations

from pytest_otlp import events
from pytest_otlp.events import Phase, PhasesFinished, SessionFinished, SessionStarted
from pytest_otlp.exporter.markers import LONG_COLLECTION, LONG_TEST, Markers
from pytest_otlp.exporter.run import Run
from pytest_otlp.exporter.trace import Trace
from support.model import BEGIN, a_session, a_test, finals_of


class Watched:
    """A run, and the names of the markers that are due."""

    def __init__(self, *told: events.Event, session: SessionStarted | None = None) -> None:
        self.session = session or a_session()
        self.run = Run()
        self.markers = Markers()
        self.tell(self.session, *told)

    def tell(self, *told: events.Event) -> None:
        finals_of(told, self.run)

    def due(self, now: int) -> list[str]:
        return [span.name for span in self.markers.due(self.run, Trace.of(self.session), now)]


COLLECTED = events.TestsCollected(BEGIN, 3)


def test_the_run_shows_when_its_tests_are_known() -> None:
    run = Watched()
    assert run.due(BEGIN) == []
    begun = [run.markers.begun]
    run.tell(COLLECTED)
    assert run.due(BEGIN + 1) == ["pytest"]
    assert [*begun, run.markers.begun] == [False, True]
    assert run.due(BEGIN + LONG_COLLECTION) == []


def test_the_marker_says_how_many_tests() -> None:
    run = Watched(COLLECTED)
    (span,) = run.markers.due(run.run, Trace.of(run.session), BEGIN)
    assert span.attributes["pytest.tests.collected"] == 3


def test_a_long_collection_is_not_waited_for() -> None:
    run = Watched()
    assert run.due(BEGIN + LONG_COLLECTION - 1) == []
    assert run.due(BEGIN + LONG_COLLECTION) == ["pytest"]
    run.tell(COLLECTED)
    assert run.due(BEGIN + LONG_COLLECTION + 1) == []


def test_a_run_without_tests_is_not_announced() -> None:
    run = Watched(events.TestsCollected(BEGIN, 0))
    assert run.due(BEGIN + 1) == []


def test_a_run_that_is_over_needs_no_marker() -> None:
    run = Watched(COLLECTED, *a_test(1), SessionFinished(BEGIN + 5, 0, 0, None, 0))
    assert run.due(BEGIN + LONG_COLLECTION) == []


def test_a_long_test_is_marked_once() -> None:
    started, over = a_test(1)
    run = Watched(COLLECTED, started)
    assert run.due(BEGIN + LONG_TEST - 1) == ["pytest"]
    assert run.due(BEGIN + LONG_TEST) == ["test_it.py::test_1 running"]
    assert run.due(BEGIN + 2 * LONG_TEST) == []
    run.tell(over, *a_test(2, start=BEGIN + LONG_TEST)[:1])
    assert run.due(BEGIN + 2 * LONG_TEST) == ["test_it.py::test_2 running"]


def test_each_attempt_is_marked() -> None:
    started, _ = a_test(1)
    assert isinstance(started, events.TestStarted)
    failed = Phase("call", "failed", "rerun", BEGIN, BEGIN + LONG_TEST, 5.0)
    run = Watched(COLLECTED, started)
    run.due(BEGIN + LONG_TEST)
    run.tell(PhasesFinished(1, 1, "", last=True, phases=(failed,)))
    assert run.due(BEGIN + 3 * LONG_TEST) == []
    run.tell(started._replace(time=BEGIN + 2 * LONG_TEST))
    assert run.due(BEGIN + 3 * LONG_TEST - 1) == []
    assert run.due(BEGIN + 3 * LONG_TEST) == ["test_it.py::test_1 running"]


def test_a_test_of_a_worker_is_marked_when_it_is_known_which() -> None:
    started, _ = a_test(1)
    run = Watched(COLLECTED, started, session=a_session(workers=2))
    assert run.due(BEGIN + LONG_TEST) == ["pytest"]
    setup = Phase("setup", "passed", "", BEGIN, BEGIN + 1, 0.1)
    run.tell(PhasesFinished(1, 1, "gw1", last=False, phases=(setup,)))
    assert run.due(BEGIN + LONG_TEST) == ["test_it.py::test_1 running"]


def test_memory_is_bounded_by_what_runs() -> None:
    run = Watched(COLLECTED)
    for key in range(1, 50):
        started, over = a_test(key)
        run.tell(started)
        run.due(BEGIN + LONG_TEST)
        run.tell(over)
    run.due(BEGIN + LONG_TEST)
    assert run.markers._marked == set()
