"""Delivery: one way out a signal, with its queue, its requests under way, its retries, its deadline and its counts.

What is offered is either delivered, rejected by the endpoint, or kept: nothing is dropped. A queue is short; while it
is full its owner reads the journal later, so memory is bounded by a few payloads however slow the endpoint is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from pytest_otlp.exporter.pace import Pace
from pytest_otlp.exporter.records import Attributes, Record, Signal
from pytest_otlp.exporter.transport import Answer, Payload, Transport, Verdict

QUEUE_LENGTH = 4
"""Payloads (of at most 2,048 spans and 3.75 MiB) that wait for an endpoint."""
MOST_UNDER_WAY = 8
"""Requests that a slow endpoint has at a time."""
MOST_AT_THE_END = 16
"""The same after the run's end, when there is no second chance."""


class Counts(NamedTuple):
    """Records of one signal, consistent at any moment."""

    delivered: int = 0
    rejected: int = 0
    settled: int = 0
    """Input records with a place that need no second sending. The others that were offered are kept."""


class _Item(NamedTuple):
    """A payload on its way; items are sent in their order, and may be answered in any."""

    number: int
    payload: Payload
    place: int | None
    placed: int
    """Records from that place on."""


class Sender:
    """Sends the payloads of one signal, from threads of its own."""

    def __init__(
        self,
        signal: Signal,
        transport: Transport,
        timeout: float,
        settled: Callable[[int, int], None] = lambda _first, _end: None,
        most_under_way: int = MOST_UNDER_WAY,
    ) -> None:
        """`timeout`: s for one request. `settled` is told at once of each payload that needs no second sending, as the
        places of its records, from the first to the one after the last.
        """
        self._signal = signal
        self._transport = transport
        self._settled = settled
        self._most_under_way = most_under_way
        self._pace = Pace(timeout)
        self._numbers = count()
        self._oldest = 0
        """What has a smaller number is out of date."""
        self._queue: list[_Item] = []
        self._changed = threading.Condition()
        self._threads = self._under_way = 0
        self._closed = self._over = False
        self._trouble = ""
        """Why what is being sent was not taken yet."""
        self._rejection = ""
        """Why something was turned down, if anything was."""
        self.counts = Counts()
        self.stopped = ""
        """Why this signal is sent no more; empty while it is."""

    @property
    def problem(self) -> str:
        """What the endpoint said of what it did not take, or why it could not be asked."""
        return self.stopped or self._trouble or self._rejection

    @property
    def full(self) -> bool:
        return len(self._queue) >= QUEUE_LENGTH

    @property
    def waiting(self) -> bool:
        """Something was offered and cannot be sent yet."""
        return bool(self._queue)

    @property
    def idle(self) -> bool:
        """All that can be done is done."""
        return not self._under_way and (bool(self.stopped) or (self._closed and not self._queue))

    def offer(self, resource: Attributes, records: Sequence[Record], place: int | None = None, ahead: int = 0) -> None:
        """Encodes records and puts them at the end of the queue. Does nothing once the signal has stopped.

        `place`: of the first of them, where `settled` is to be told; `ahead`: how many stand before that one and have
        no place.
        """
        if self.stopped:
            return
        encoded = self._transport.encode(self._signal, resource, records)
        # What is set aside altogether waits in the queue as well, to be counted with the rest.
        payloads = list(encoded.payloads)
        if not payloads and encoded.unencodable:
            payloads = [Payload(b"", 0, encoded.unencodable)]
        with self._changed:
            self._put(payloads, place, ahead)

    def _put(self, payloads: Sequence[Payload], place: int | None, ahead: int) -> None:
        if self.stopped:
            return
        for payload in payloads:
            placed = 0 if place is None else max(0, payload.consumed - ahead)
            heappush(self._queue, _Item(next(self._numbers), payload, place, placed))
            place = None if place is None else place + placed
            ahead = max(0, ahead - payload.consumed)
        self._staff()

    def replace(self, resource: Attributes, records: Sequence[Record]) -> None:
        """The same for cumulative records: what still waits is out of date."""
        with self._changed:
            self._queue.clear()
            self._oldest = next(self._numbers)
        self.offer(resource, records)

    def hurry(self, deadline: float) -> None:
        """The run is over: nothing is sent any more after `deadline` (time.monotonic)."""
        with self._changed:
            if not self._pace.hurry(deadline, time.monotonic()):
                self._stop(self._trouble)
            self._staff()

    def close(self) -> None:
        """No more records come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, until: float) -> None:
        """Waits until all is sent, or for `until` (time.monotonic). A request without an answer by then does not count,
        whatever becomes of it: its records are kept.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.idle, max(0.0, until - time.monotonic()))
            if not self.idle:
                self._stop(self._trouble or "no answer in time")
            self._over = True

    def give_up(self, reason: str) -> None:
        """Sends nothing more of this signal."""
        with self._changed:
            self._stop(self._trouble or reason)

    def _staff(self) -> None:
        """Has a thread ready for the next payload, beside those that wait for answers."""
        if self._queue and self._threads <= self._under_way < self._limit:
            self._threads += 1
            threading.Thread(target=self._run, name=f"otlp-{self._signal.value}", daemon=True).start()
        self._changed.notify_all()

    @property
    def _limit(self) -> int:
        if self._transport.one_by_one:
            return 1
        return MOST_AT_THE_END if self._pace.hurrying else self._most_under_way

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            item, budget = taken
            # Of what could not be encoded altogether there is nothing to send.
            payload = item.payload
            answer = self._transport.send(self._signal, payload, budget) if payload.data else Answer(Verdict.ACCEPTED)
            self._note(item, answer)

    def _next(self) -> tuple[_Item, float] | None:
        """The next payload to send and the s that it has, as soon as it may be sent; None at the end."""
        with self._changed:
            while not (self.stopped or self.idle):
                pause = self._pause()
                if pause is None or pause > 0:
                    self._changed.wait(pause)
                elif (budget := self._pace.budget(time.monotonic())) > 0:
                    return self._taken(), budget
                else:
                    self._stop(self._trouble or "no answer in time")
            self._threads -= 1
            return None

    def _pause(self) -> float | None:
        """s until the first of the queue may be sent; None where something has to happen before."""
        if not self._queue or self._under_way >= self._limit:
            return None
        return self._pace.pause(self._under_way, time.monotonic())

    def _taken(self) -> _Item:
        item = heappop(self._queue)
        self._pace.begin(time.monotonic())
        self._under_way += 1
        self._staff()
        return item

    def _note(self, item: _Item, answer: Answer) -> None:
        with self._changed:
            self._under_way -= 1
            if not self._over:
                self._heed(item, answer)
            self._changed.notify_all()

    def _heed(self, item: _Item, answer: Answer) -> None:
        if answer.verdict is Verdict.RETRY:
            self._again(item, answer)
        elif answer.verdict is Verdict.REFUSED:
            self._stop(answer.reason)
        else:
            self._settle(item, answer)

    def _again(self, item: _Item, answer: Answer) -> None:
        self._trouble = answer.reason
        if not self._pace.failed(answer, time.monotonic()):
            self._stop(answer.reason)
        elif not self.stopped and item.number >= self._oldest:
            heappush(self._queue, item)

    def _settle(self, item: _Item, answer: Answer) -> None:
        self._pace.answered()
        self._trouble = ""
        payload = item.payload
        rejected = min(payload.size, answer.rejected) if answer.verdict is Verdict.ACCEPTED else payload.size
        aside = max(0, payload.consumed - payload.size)
        if rejected or aside:
            self._rejection = answer.reason if rejected else "could not be encoded"
        delivered, before, settled = self.counts
        self.counts = Counts(delivered + payload.size - rejected, before + rejected + aside, settled + item.placed)
        if item.place is not None:
            self._settled(item.place, item.place + item.placed)

    def _stop(self, reason: str) -> None:
        if not self.stopped:
            self.stopped = reason or "no reason given"
        self._queue.clear()
        self._changed.notify_all()
