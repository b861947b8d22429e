from __future__ import annotations

import pytest

from pytest_otlp.events import Failure, Fixture, Phase, Step, Subtest
from pytest_otlp.exporter.room import FOR_FAILURES, MOST_DETAILS, Room
from pytest_otlp.traces import WHOLE, Plan

FAILURE = Failure("builtins.LookupError", "no shop", "")


def subtest(failure: Failure | None = None) -> Subtest:
    return Subtest("", (), "passed", "", 0, 1, failure)


def call(*subtests: Subtest) -> Phase:
    return Phase("call", "passed", "passed", 0, 1, 0.0, subtests=subtests)


def told(room: Room, phase: Phase, nodeid: str = "test_a.py::test_a") -> tuple[int, int]:
    (found,), left_out = room.fit("", nodeid, 1, [phase])
    return len(found.subtests), left_out


def test_everything_has_room_up_to_there() -> None:
    room = Room(WHOLE)
    assert told(room, call(*[subtest()] * MOST_DETAILS)) == (MOST_DETAILS, 0)
    assert told(room, call()) == (0, 0)
    assert told(room, call(subtest(), subtest())) == (0, 2)
    assert room.left_out == 2


def test_failures_have_room_of_their_own() -> None:
    room = Room(WHOLE)
    assert told(room, call(*[subtest()] * (MOST_DETAILS + 5))) == (MOST_DETAILS, 5)
    assert told(room, call(subtest(), *[subtest(FAILURE)] * (FOR_FAILURES + 1))) == (FOR_FAILURES, 2)


@pytest.mark.parametrize(
    ("per", "same", "other"),
    [("run", 0, 0), ("file", 0, 1), ("test", 1, 1)],
)
def test_each_trace_has_its_own(per: str, same: int, other: int) -> None:
    room = Room(Plan(per))
    told(room, call(*[subtest()] * MOST_DETAILS))
    assert told(room, call(subtest()), "test_a.py::test_b")[0] == same
    assert told(room, call(subtest()), "test_b.py::test_a")[0] == other


def test_fixtures_and_steps_take_room_too() -> None:
    fixture, step = Fixture("shop", "function", 0, 1, False, "", "", 0), Step("step", "Given a shop", "", 1, 0, 1)
    room = Room(WHOLE)
    told(room, call(*[subtest()] * (MOST_DETAILS - 2)))
    full = Phase("call", "passed", "passed", 0, 1, 0.0, fixtures=(fixture,), steps=(step, step))
    (found,), left_out = room.fit("", "test_a.py::test_b", 1, [full])
    assert (found.fixtures, found.steps, left_out) == ((fixture,), (step,), 1)
