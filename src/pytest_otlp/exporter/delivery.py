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
_DOUBLINGS = 10
CLOSING_CONNECT = 1.0
"""s that a send after the run's end may take where the endpoint did not answer before."""


class Counts(NamedTuple):
    """Records of one signal, consistent at any moment."""

    delivered: int = 0
    rejected: int = 0
    settled: int = 0
    """Input records that need no second sending. The others that were offered are kept."""


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
        self._trouble = ""
        """Why what is being sent was not taken yet."""
        self._rejection = ""
        """Why something was turned down, if anything was."""
        self.counts = Counts()
        self.stopped = ""
        """Why this signal is sent no more; empty while it is."""
        self._thread = threading.Thread(target=self._run, name=f"otlp-{signal.value}", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """What the endpoint said of what it did not take, or why it could not be asked."""
        return self.stopped or self._trouble or self._rejection

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
        # What is set aside altogether waits in the queue as well: things are settled in their order.
        payloads = list(encoded.payloads)
        if not payloads and encoded.unencodable:
            payloads = [Payload(b"", 0, encoded.unencodable)]
        if not settles:
            payloads = [payload._replace(consumed=0) for payload in payloads]
        with self._changed:
            if not self.stopped:
                self._queue.extend(payloads)
            self._changed.notify_all()

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
        if self._thread.is_alive():
            self.give_up("no answer in time")

    def give_up(self, reason: str) -> None:
        """Sends nothing more of this signal."""
        self._stop(self._trouble or reason)

    def _run(self) -> None:
        while (payload := self._next()) is not None:
            self._deliver(payload)

    def _next(self) -> Payload | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed or self.stopped)
            return self._queue[0] if self._queue and not self.stopped else None

    def _deliver(self, payload: Payload) -> None:
        """Sends the first of the queue until something final is said of it."""
        if not payload.data:
            return self._settle(payload, Answer(Verdict.ACCEPTED))
        attempt = 0
        while not self.stopped:
            budget = self._budget()
            if budget <= 0:
                return self._stop(self._trouble or "no answer in time")
            answer = self._transport.send(self._signal, payload, budget)
            if answer.verdict is not Verdict.RETRY:
                return self._settle(payload, answer)
            self._unreachable = answer.unreachable
            self._trouble = answer.reason
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
        backoff = min(FIRST_BACKOFF * 2 ** min(attempt, _DOUBLINGS), LAST_BACKOFF) * random.uniform(0.8, 1.2)  # noqa: S311  no secret
        pause = backoff if answer.retry_after is None else answer.retry_after
        until = time.monotonic() + pause
        with self._changed:
            if self._deadline is None:
                over = self._changed.wait_for(lambda: self._deadline is not None or self.stopped, pause)
                if not over or answer.retry_after is None:
                    return True
            if answer.unreachable or until >= (self._deadline or 0.0):
                return False
            self._changed.wait_for(lambda: self.stopped, max(0.0, until - time.monotonic()))
        return True

    def _settle(self, payload: Payload, answer: Answer) -> None:
        self._unreachable = False
        if answer.verdict is Verdict.REFUSED:
            self._stop(answer.reason)
            return
        rejected = min(payload.size, answer.rejected) if answer.verdict is Verdict.ACCEPTED else payload.size
        aside = max(0, payload.consumed - payload.size)
        if rejected or aside:
            self._rejection = answer.reason if rejected else "could not be encoded"
        with self._changed:
            delivered, before, settled = self.counts
            self.counts = Counts(
                delivered + payload.size - rejected, before + rejected + aside, settled + payload.consumed
            )
            self._trouble = ""
            if self._queue and self._queue[0] is payload:
                self._queue.popleft()
            self._changed.notify_all()
        self._settled(payload.consumed)

    def _stop(self, reason: str) -> None:
        with self._changed:
            if not self.stopped:
                self.stopped = reason or "no reason given"
            self._queue.clear()
            self._changed.notify_all()
