"""A transport that answers as it is told, for what no real endpoint can be made to do at a given moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from pytest_otlp.exporter.records import Attributes, LogRecord, Record, Signal
from pytest_otlp.exporter.transport import Answer, Encoded, Payload, Verdict

ACCEPTED = Answer(Verdict.ACCEPTED)
UNREACHABLE = Answer(Verdict.RETRY, "cannot connect: refused", unreachable=True)
NOT_NOW = Answer(Verdict.RETRY, "answered 503 Service Unavailable")
REJECTED = Answer(Verdict.REJECTED, "answered 400 Bad Request")
REFUSED = Answer(Verdict.REFUSED, "answered 401 Unauthorized")


class Sent(NamedTuple):
    signal: Signal
    payload: Payload
    timeout: float
    answer: Answer


@dataclass(frozen=True)
class Silent:
    """No answer within the time of the request, or until `released`, then `answer`."""

    released: threading.Event
    answer: Answer = ACCEPTED

    def __call__(self, timeout: float) -> Answer:
        if self.released.wait(timeout):
            return self.answer
        return Answer(Verdict.RETRY, "no answer in time")


Reply: TypeAlias = Answer | Callable[[float], Answer]


class ScriptedTransport:
    """Gives one answer after the other to the requests of all signals; the last one stays.

    A payload holds at most `size` records. A record of which `unencodable` says so is set aside. Unless `one_by_one`,
    it is the beginning of a request that decides on its reply, and `sent` is in the order of the answers.
    """

    target = "scripted:1"

    def __init__(
        self,
        *replies: Reply,
        size: int = 1,
        unencodable: Callable[[Record], bool] = lambda _: False,
        one_by_one: bool = True,
    ) -> None:
        self.replies = list(replies) or [ACCEPTED]
        self.sent: list[Sent] = []
        self.encoded = 0
        self.one_by_one = one_by_one
        self._size = size
        self._unencodable = unencodable
        self.began = 0
        self._changed = threading.Condition()

    def encode(self, _signal: Signal, _resource: Attributes, records: Sequence[Record]) -> Encoded:
        self.encoded += len(records)
        payloads: list[Payload] = []
        good: list[Record] = []
        consumed = aside = 0
        for record in records:
            consumed += 1
            if self._unencodable(record):
                aside += 1
                continue
            good.append(record)
            if len(good) == self._size:
                payloads.append(Payload(tuple(good), len(good), consumed))
                good, consumed = [], 0
        if good:
            payloads.append(Payload(tuple(good), len(good), consumed))
        elif consumed and payloads:
            payloads[-1] = payloads[-1]._replace(consumed=payloads[-1].consumed + consumed)
        return Encoded(payloads, aside, 0)

    def send(self, signal: Signal, payload: Payload, timeout: float) -> Answer:
        with self._changed:
            reply = self.replies[min(self.began, len(self.replies) - 1)]
            self.began += 1
            self._changed.notify_all()
        answer = reply if isinstance(reply, Answer) else reply(timeout)
        with self._changed:
            self.sent.append(Sent(signal, payload, timeout, answer))
            self._changed.notify_all()
        return answer

    def close(self) -> None:
        pass

    def wait_until_sending(self, requests: int) -> None:
        """Until so many requests have begun."""
        self._wait(lambda: self.began >= requests)

    def wait_for(self, requests: int) -> None:
        """Until so many requests are answered."""
        self._wait(lambda: len(self.sent) >= requests)

    def _wait(self, predicate: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(predicate, 30), f"{self.began} begun, answered: {self.sent}"

    def taken(self, signal: Signal = Signal.TRACES) -> list[Record]:
        """The records that were accepted, in order."""
        return [
            record
            for request in self.sent
            if request.signal is signal and request.answer.verdict is Verdict.ACCEPTED
            for record in request.payload.data
            if not isinstance(record, int)
        ]


def a_record(number: int) -> LogRecord:
    """The simplest of records; its body is its number."""
    return LogRecord(number, "", 9, str(number), {})
