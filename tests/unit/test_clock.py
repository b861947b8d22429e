from __future__ import annotations

import datetime as dt
import time

import pytest

from pytest_otlp.clock import Anchor, Clock, shared_anchor

SECOND = 1_000_000_000
LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)


def anchor_now() -> Anchor:
    return Anchor(time.time_ns(), time.perf_counter_ns())


def test_time_is_the_anchors_and_what_passed_since() -> None:
    anchor = anchor_now()
    before = time.perf_counter_ns()
    told = Clock(anchor, time.perf_counter_ns)()
    after = time.perf_counter_ns()
    assert anchor.wall + before - anchor.monotonic <= told <= anchor.wall + after - anchor.monotonic


def test_a_replaced_clock_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Clock(anchor_now(), time.perf_counter_ns)
    before = now()
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert now() >= before


def test_freezegun_moves_nothing() -> None:
    freezegun = pytest.importorskip("freezegun")
    now = Clock(anchor_now(), time.perf_counter_ns)
    before = now()
    with freezegun.freeze_time(LONG_AGO, auto_tick_seconds=1000):
        first, second = now(), now()
    assert before <= first <= second <= now()


def test_time_machine_moves_nothing() -> None:
    time_machine = pytest.importorskip("time_machine")
    now = Clock(anchor_now(), time.perf_counter_ns)
    before = now()
    with time_machine.travel(LONG_AGO):
        told = now()
    assert before <= told <= now()


def test_anchor_of_a_process_of_this_machine_is_shared() -> None:
    other = anchor_now()
    assert shared_anchor(other, anchor_now()) is other
    earlier = Anchor(other.wall - 3600 * SECOND, other.monotonic - 3600 * SECOND)
    assert shared_anchor(earlier, anchor_now()) is earlier


@pytest.mark.parametrize("seconds", [-1, 1])
def test_anchor_of_another_machine_is_not(seconds: int) -> None:
    other = anchor_now()
    foreign = other._replace(monotonic=other.monotonic + seconds * SECOND)
    own = anchor_now()
    assert shared_anchor(foreign, own) is own
