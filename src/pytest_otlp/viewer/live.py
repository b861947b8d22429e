"""What changed, to every page that looks on: one stream of server-sent events, a bundle each 100 ms."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from pytest_otlp.viewer import reading
from pytest_otlp.viewer import state as states
from pytest_otlp.viewer.changes import Changes, NewRow
from pytest_otlp.viewer.rows import split

TICK = 0.1
"""s"""
ALIVE = 10.0
"""s between two signs of life."""
MOST_ROWS = 4_000
"""Rows of a run in one bundle."""
_MOST_PENDING = 8_000
"""Rows of a run that wait for their turn: a page fetches what was left out."""
_COMES_BACK = 30_000_000
"""us in which a page whose connection broke is expected back."""
_MOST_FAILURES = 200
_MOST_GROWN = 500
_REMEMBERED = 8 * 1024 * 1024
"""Bytes of past events, for those who come back."""
_MOST_WAITING = 4 * 1024 * 1024
"""Bytes that wait for a slow client, until it is told to start anew."""

Summary = dict[str, Any]


class _Pending:
    """What is not told yet of one run."""

    def __init__(self) -> None:
        self.state: states.State | None = None
        self.rows: deque[NewRow] = deque(maxlen=_MOST_PENDING)
        self.failures: list[dict[str, Any]] = []
        self.grown: set[int] = set()

    @property
    def empty(self) -> bool:
        return self.state is None and not self.rows and not self.grown


class Client:
    """One connection."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._something = asyncio.Event()

    def give(self, event: bytes) -> None:
        self._waiting.append(event)
        self._size += len(event)
        if self._size > _MOST_WAITING:
            self._waiting.clear()
            self._size = 0
            self.give(RESET)
        self._something.set()

    async def events(self) -> AsyncIterator[bytes]:
        while True:
            try:
                await asyncio.wait_for(self._something.wait(), ALIVE)
            except (TimeoutError, asyncio.TimeoutError):  # two classes before Python 3.11
                yield b": alive\n\n"
                continue
            self._something.clear()
            event = b"".join(self._waiting)
            self._waiting.clear()
            self._size = 0
            yield event


def _event(name: str, data: Any, number: str = "") -> bytes:
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


RESET = _event("reset", {})


class Live:
    """Hears of commits in the writer's thread, tells in the event loop's."""

    def __init__(self, now: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        """`now`: us since the epoch."""
        self.receiver = secrets.token_hex(4)
        self._now = now
        self._lock = threading.Lock()
        self._pending: dict[str, _Pending] = {}
        self._removed: list[str] = []
        self._traces = False
        self._states: dict[str, tuple[states.State, str]] = {}
        self._clients: set[Client] = set()
        self._past: deque[tuple[int, bytes]] = deque()
        self._past_size = 0
        self._number = 0
        self._looked = 0
        self._left = 0

    def publish(self, changes: Changes) -> None:
        """Called by the writer after each commit."""
        with self._lock:
            for run, change in changes.runs.items():
                pending = self._pending.setdefault(run, _Pending())
                pending.state = change.state or pending.state
                pending.rows.extend(change.rows)
                pending.failures += change.failures()[: _MOST_FAILURES - len(pending.failures)]
                pending.grown |= change.grown
            for run in changes.removed:
                self._pending.pop(run, None)
            self._removed += changes.removed
            self._traces |= changes.traces

    async def run(self) -> None:
        """Ticks until it is cancelled."""
        while True:
            await asyncio.sleep(TICK)
            self.tick()

    def tick(self) -> None:
        """One bundle."""
        with self._lock:
            if self._alone:
                self._forget()
            bundle = self._bundle()
            self._pending = {run: pending for run, pending in self._pending.items() if not pending.empty}
        for name, data in bundle:
            self._send(name, data)

    @property
    def _alone(self) -> bool:
        """Nobody looks on, and nobody comes back for what was missed in between."""
        return not self._clients and self._now() - self._left > _COMES_BACK

    def _forget(self) -> None:
        for pending in self._pending.values():
            pending.rows.clear()
            pending.grown.clear()
        self._past.clear()
        self._past_size = 0

    def _bundle(self) -> list[tuple[str, Any]]:
        """The fast lane first: progress and failures of all runs, then rows."""
        now = self._now()
        self._conditions(now)
        bundle: list[tuple[str, Any]] = []
        if self._removed:
            bundle.append(("removed", {"runs": self._removed}))
            for run in self._removed:
                self._states.pop(run, None)
            self._removed = []
        for run, pending in self._pending.items():
            if pending.state is not None:
                bundle.append(("progress", self._progress(run, pending, now)))
        for run, pending in self._pending.items():
            bundle += _rows(run, pending)
        if self._traces:
            self._traces = False
            bundle.append(("traces", {}))
        return bundle

    def _progress(self, run: str, pending: _Pending, now: int) -> dict[str, Any]:
        assert pending.state is not None
        state, pending.state = pending.state, None
        failures, pending.failures = pending.failures, []
        told = states.summary(state, now)
        self._states[run] = (state, told["state"])
        if state["end"] is not None:
            del self._states[run]
        return {"run": told, "failures": failures}

    def _conditions(self, now: int) -> None:
        """Each second: what runs without a word may be interrupted."""
        if now - self._looked < 1_000_000:
            return
        self._looked = now
        for run, (state, condition) in self._states.items():
            pending = self._pending.setdefault(run, _Pending())
            if pending.state is None and (states.summary(state, now)["state"] != condition or condition == "running"):
                pending.state = state

    def watch(self, state: states.State) -> None:
        """A run of which nothing was heard since this process began."""
        self._states[state["id"]] = (state, "")

    def _send(self, name: str, data: Any) -> None:
        self._number += 1
        event = _event(name, data, f"{self.receiver}-{self._number}")
        self._past.append((self._number, event))
        self._past_size += len(event)
        while self._past_size > _REMEMBERED:
            self._past_size -= len(self._past.popleft()[1])
        for client in self._clients:
            client.give(event)

    def join(self, hello: dict[str, Any], last: str) -> Client:
        """A new connection; `last` is what it has of an earlier one, empty where there was none."""
        client = Client()
        client.give(_event("hello", hello, f"{self.receiver}-{self._number}"))
        missed = self._missed(last)
        for event in missed if missed is not None else [RESET]:
            client.give(event)
        self._clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        self._clients.discard(client)
        self._left = self._now()

    def _missed(self, last: str) -> list[bytes] | None:
        """None where it is not known any more."""
        if not last:
            return []
        receiver, _, text = last.rpartition("-")
        if receiver != self.receiver or not text.isdecimal():
            return None
        number = int(text)
        oldest = self._past[0][0] if self._past else self._number + 1  # then only who has all misses nothing
        if number + 1 < oldest or number > self._number:
            return None
        return [event for which, event in self._past if which > number]


def _rows(run: str, pending: _Pending) -> list[tuple[str, Any]]:
    """The next rows, as far as they follow one another: some may have been left out."""
    found: list[tuple[str, Any]] = []
    rows = [pending.rows.popleft() for _ in range(min(MOST_ROWS, len(pending.rows)))]
    if rows:
        table = reading.tests_table([(*split(new.nodeid), new.row.outcome, new.start, *new.row[1:]) for new in rows])
        found.append(("tests", {"run": run, "from": rows[0].number, **table}))
    if pending.grown:
        grown, pending.grown = sorted(pending.grown), set()
        found.append(("grown", {"run": run, "tests": grown[:_MOST_GROWN]}))
    return found
