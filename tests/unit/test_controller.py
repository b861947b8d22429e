"""The thread of xdist's controller; what it writes is in tests/plugin/test_xdist.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pytest_otlp import controller
from pytest_otlp.controller import DelayedWork
from support.deadline import wait_until


class Counted:
    """Work, with how often it was done and by which thread."""

    def __init__(self) -> None:
        self.by: list[threading.Thread] = []
        self.work = DelayedWork(self._do)

    def _do(self) -> None:
        self.by.append(threading.current_thread())

    def wait_for(self, times: int) -> None:
        wait_until(lambda: len(self.by) >= times, f"the work is done {times} times")


@pytest.fixture
def counted() -> Iterator[Counted]:
    counted = Counted()
    yield counted
    counted.work.end()


def test_all_who_want_it_at_a_time_get_it_once(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "DELAY", 0.2)
    for _ in range(10):
        counted.work.want()
    counted.wait_for(1)
    monkeypatch.setattr(controller, "DELAY", 0)
    for done in range(2, 7):
        counted.work.want()
        counted.wait_for(done)
    assert len(counted.by) == 6
    assert threading.current_thread() not in counted.by


def test_at_its_end_it_does_no_more(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "DELAY", 30)
    counted.work.want()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "otlp-controller"]
    counted.work.end()
    thread.join(10)
    assert (thread.is_alive(), counted.by) == (False, [])


def test_without_a_thread_it_is_done_at_once(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    counted.work.want()
    counted.work.want()
    assert counted.by == [threading.current_thread()] * 2
