"""Delivery: one way out a signal, with its queue, its retries, its deadline and its counts.

What is offered is either delivered, rejected by the endpoint, or kept: nothing is dropped. A queue is short; while it
is full its owner reads the journal later, so memory is bounded by a few payloads however slow the endpoint is.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pytest_otlp.exporter.records import Attributes, Record, Signal
from pytest_otlp.exporter.transport import Answer, Payload, Transport, Verdict

QUEUE_LENGTH = 8
"""Payloads (of at most 512 spans and 3.75 MiB) that wait for an endpoint."""
FIRST_BACKOFF = 0.1
LAST_BACKOFF = 2.0
"""s; short, since a run's end must not find us asleep while the endpoint is back."""
CLOSING_CONNECT = 1.0
"""s that a send after the run's end may take where the endpoint did not answer before."""


class Counts(NamedTuple):
    """Records of one signal."""

    delivered: int = 0
    rejected: int = 0


class Sender:
    """Sends the payloads of one signal, in order, from a thread of its own."""

    def __init__(
        self,
        signal: Signal,
        transport: Transport,
        timeout: float,
        settled: Callable[[int], None] = lambda _consumed: None,
    ) -> None:
        """`timeout`: s for one request. `settled` is told, in the sending thread, of each payload that needs no
        second sending, as the number of input records it stood for.
        """
        self._signal = signal
        self._transport = transport
        self._timeout = timeout
        self._settled = settled
        self._queue: deque[Payload] = deque()
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._closed = False
        self._unreachable = False
        self.counts = Counts()
        self.stopped = ""
        """Why this signal is sent no more; empty while it is."""
        self.problem = ""
        """What the endpoint said of what it did not take, or why it could not be asked."""
        self._thread = threading.Thread(target=self._run, name=f"otlp-{signal.value}", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        return len(self._queue) >= QUEUE_LENGTH

    def offer(self, resource: Attributes, records: Sequence[Record], *, settles: bool = True) -> None:
        """Encodes records and puts them at the end of the queue. Does nothing once the signal has stopped.

        `settles`: whether `settled` is told of them.
        """
        if self.stopped:
            return
        encoded = self._transport.encode(self._signal, resource, records)
        payloads = encoded.payloads if settles else [payload._replace(consumed=0) for payload in encoded.payloads]
        with self._changed:
            self._queue.extend(payloads)
            if encoded.unencodable:
                self._count(rejected=encoded.unencodable)
                self.problem = f"{encoded.unencodable} could not be encoded"
            self._changed.notify_all()
        if not payloads and settles:
            self._settled(len(records))

    def replace(self, resource: Attributes, records: Sequence[Record]) -> None:
        """The same for cumulative records: what still waits is out of date."""
        with self._changed:
            self._queue.clear()
        self.offer(resource, records)

    def hurry(self, deadline: float) -> None:
        """The run is over: nothing is sent any more after `deadline` (time.monotonic)."""
        with self._changed:
            self._deadline = deadline
            self._changed.notify_all()

    def close(self) -> None:
        """No more records come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, until: float) -> None:
        """Waits until all is sent, or for `until` (time.monotonic); a request that hangs is left behind."""
        self._thread.join(max(0.0, until - time.monotonic()))

    def give_up(self, reason: str) -> None:
        """Sends nothing more of this signal."""
        if not self.stopped:
            self._stop(self.problem or reason)

    def _run(self) -> None:
        while (payload := self._next()) is not None:
            self._deliver(payload)

    def _next(self) -> Payload | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed or self.stopped)
            return self._queue[0] if self._queue and not self.stopped else None

    def _deliver(self, payload: Payload) -> None:
        """Sends the first of the queue until something final is said of it."""
        attempt = 0
        while not self.stopped:
            budget = self._budget()
            if budget <= 0:
                return self._stop(self.problem or "no answer in time")
            answer = self._transport.send(self._signal, payload, budget)
            if answer.verdict is not Verdict.RETRY:
                return self._settle(payload, answer)
            self._unreachable = answer.unreachable
            self.problem = answer.reason
            if not self._wait(answer, attempt):
                return self._stop(answer.reason)
            attempt += 1
        return None

    def _budget(self) -> float:
        if self._deadline is None:
            return self._timeout
        left = min(self._timeout, self._deadline - time.monotonic())
        return min(left, CLOSING_CONNECT) if self._unreachable else left

    def _wait(self, answer: Answer, attempt: int) -> bool:
        """Waits before the next attempt; False where none is worth it. The run's end cuts a wait short, once."""
        backoff = min(FIRST_BACKOFF * 2**attempt, LAST_BACKOFF) * random.uniform(0.8, 1.2)  # noqa: S311  no secret
        pause = backoff if answer.retry_after is None else answer.retry_after
        until = time.monotonic() + pause
        with self._changed:
            if self._deadline is None:
                over = self._changed.wait_for(lambda: self._deadline is not None, pause)
                if not over or answer.retry_after is None:
                    return True
            if answer.unreachable or until >= (self._deadline or 0.0):
                return False
        time.sleep(max(0.0, until - time.monotonic()))
        return True

    def _settle(self, payload: Payload, answer: Answer) -> None:
        self._unreachable = False
        if answer.verdict is Verdict.REFUSED:
            self._stop(answer.reason)
            return
        rejected = min(payload.count, answer.rejected) if answer.verdict is Verdict.ACCEPTED else payload.count
        with self._changed:
            self._count(delivered=payload.count - rejected, rejected=rejected)
            self.problem = answer.reason if rejected else ""
            if self._queue and self._queue[0] is payload:
                self._queue.popleft()
            self._changed.notify_all()
        self._settled(payload.consumed)

    def _count(self, delivered: int = 0, rejected: int = 0) -> None:
        self.counts = Counts(self.counts.delivered + delivered, self.counts.rejected + rejected)

    def _stop(self, reason: str) -> None:
        with self._changed:
            self.stopped = self.problem = reason
            self._queue.clear()
            self._changed.notify_all()
