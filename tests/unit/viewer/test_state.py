from __future__ import annotations

from typing import Any

import pytest

from pytest_otlp.viewer import state as states

S = 1_000_000
NOW = 1_700_000_000 * S


def running(**changes: Any) -> states.State:
    state = states.begun("r", {"service.name": "shop", "host.name": "elsewhere", "process.pid": 1}, NOW)
    return {**state, "live": True, "heard": NOW, "pulse": 10, **changes}


def told(state: states.State, after: float = 0) -> tuple[str, str]:
    found = states.summary(state, NOW + int(after * S))
    return found["state"], found["why"]


def test_silence_interrupts_what_spoke_each_second() -> None:
    assert told(running(), 29) == ("running", "")
    assert told(running(), 31) == ("interrupted", "nothing heard for 31 s")


def test_who_sends_no_metrics_may_be_silent_for_longer() -> None:
    assert told(running(pulse=0), 599) == ("running", "")
    assert told(running(pulse=0), 601) == ("interrupted", "nothing heard for 601 s")


def test_what_was_imported_is_over() -> None:
    assert told(running(live=False)) == ("interrupted", "its end never came")


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("success", "", ("finished", "")),
        ("failure", "1 failed", ("finished", "")),
        ("aborted", "KeyboardInterrupt", ("interrupted", "KeyboardInterrupt")),
    ],
)
def test_the_root_has_the_last_word(status: str, error: str, expected: tuple[str, str]) -> None:
    assert told(running(end=NOW, status=status, error=error), 3600) == expected


def test_what_the_root_counted_beyond_what_came_is_missing() -> None:
    state = running(
        end=NOW, told={"passed": 3, "failed": 1, "rerun": 0}, phases=True, counted={"passed": 1, "failed": 1}
    )
    assert told(state) == ("partial", "pytest counted 2 passed more than arrived")
    state["counted"]["passed"] = 3
    assert told(state) == ("finished", "")


def test_without_phases_the_tests_are_counted() -> None:
    """A call that passed and a teardown that failed are one test, and two in the summary."""
    counted = {"passed": 3, "error": 1}
    assert told(running(end=NOW, told=counted, tests=3)) == ("finished", "")
    assert told(running(end=NOW, told=counted, tests=2)) == ("partial", "pytest counted 1 test more than arrived")


def test_a_test_that_was_interrupted_stands_for_none_that_passed() -> None:
    """The root of a run that died may come before its tests."""
    state = running(end=NOW, status="aborted", told={"passed": 1}, tests=1, counts={"interrupted": 1})
    assert told(state) == ("partial", "pytest counted 1 test more than arrived")
    state |= {"tests": 2, "counts": {"interrupted": 1, "passed": 1}, "phases": True, "counted": {"passed": 1}}
    assert told(state) == ("interrupted", "aborted")


def test_time_left_and_rate() -> None:
    state = running(collected=10)
    for number in range(4):
        states.count_rows(state, {"passed": 1}, NOW + number * S, NOW + number * S, NOW + (number + 1) * S)
    found = states.summary(state, NOW + 4 * S)
    assert (found["done"], found["left"], found["rate"]) == (4, 6 * S, 0.8)
    assert states.summary(running(), NOW)["left"] is None
