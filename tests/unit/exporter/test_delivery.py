from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_otlp.exporter import delivery, pace
from pytest_otlp.exporter.delivery import MOST_AT_THE_END, MOST_UNDER_WAY, QUEUE_LENGTH, Counts, Sender
from pytest_otlp.exporter.destination import Destination
from pytest_otlp.exporter.otlp_http import HttpTransport
from pytest_otlp.exporter.pace import Pace
from pytest_otlp.exporter.records import LogRecord, Record, Signal, Span
from pytest_otlp.exporter.transport import Answer, Verdict
from support.deadline import wait_until
from support.otlp_server import SILENT, OtlpServer, Reply, always, failing, partial_success
from support.scripted import (
    ACCEPTED,
    NOT_NOW,
    REFUSED,
    REJECTED,
    UNREACHABLE,
    ScriptedTransport,
    Silent,
    a_record,
)
from support.scripted import Reply as Scripted

HANGS = 30.0
"""s that nothing here takes unless it hangs."""
TIMEOUT = 10.0


class Delivery:
    """A sender, its transport, and what it told of settled records."""

    def __init__(self, *replies: Scripted, **transport: Any) -> None:
        self.transport = ScriptedTransport(*replies, **transport)
        self.settled: list[tuple[int, int]] = []
        self.sender = Sender(Signal.TRACES, self.transport, TIMEOUT, lambda *places: self.settled.append(places))
        self._offered = 0

    def offer(self, *numbers: int) -> None:
        self.sender.offer({}, [a_record(number) for number in numbers], self._offered)
        self._offered += len(numbers)

    def finish(self, within: float = HANGS) -> None:
        """As at the end of a run."""
        deadline = time.monotonic() + within
        self.sender.hurry(deadline)
        self.sender.close()
        self.sender.join(deadline + HANGS)

    @property
    def over(self) -> bool:
        """The sending threads have ended, or are about to."""
        return self.sender.idle

    @property
    def bodies(self) -> list[int]:
        return [numbers_of(request.payload.data)[0] for request in self.transport.sent]

    @property
    def delivered(self) -> list[int]:
        return numbers_of(self.transport.taken())


def numbers_of(records: Any) -> list[int]:
    return [int(record.body) for record in records if isinstance(record, LogRecord)]


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Ends the silence of `Silent`; always, so that no thread is left behind."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without a wait."""
    monkeypatch.setattr(pace, "LAST_BACKOFF", 0.0)


# What is taken


def test_in_order() -> None:
    sending = Delivery(size=2)
    sending.offer(1, 2, 3)
    sending.offer(4, 5)
    sending.finish()
    assert sending.delivered == [1, 2, 3, 4, 5]
    assert sending.settled == [(0, 2), (2, 3), (3, 5)]
    assert sending.sender.counts == Counts(delivered=5, rejected=0, settled=5)
    assert sending.sender.problem == sending.sender.stopped == ""
    assert sending.over


def test_nothing_to_send() -> None:
    sending = Delivery()
    sending.finish()
    assert sending.over
    assert sending.sender.counts == Counts()


def test_a_request_has_its_time() -> None:
    sending = Delivery()
    sending.offer(1)
    sending.transport.wait_for(1)
    assert [request.timeout for request in sending.transport.sent] == [TIMEOUT]
    sending.finish()


def test_what_needs_no_settling() -> None:
    """A marker counts among the delivered, and has no place in the journal."""
    sending = Delivery()
    sending.sender.offer({}, [a_record(1)])
    sending.offer(2)
    sending.finish()
    assert sending.delivered == [1, 2]
    assert sending.sender.counts == Counts(delivered=2, rejected=0, settled=1)


@pytest.mark.parametrize(("size", "settled"), [(9, [(7, 10)]), (3, [(7, 8), (8, 10)]), (2, [(7, 7), (7, 9), (9, 10)])])
def test_what_needs_no_settling_may_stand_ahead(size: int, settled: list[tuple[int, int]]) -> None:
    sending = Delivery(size=size)
    sending.sender.offer({}, [a_record(number) for number in range(5)], 7, ahead=2)
    sending.finish()
    assert sending.delivered == [0, 1, 2, 3, 4]
    assert sending.settled == settled
    assert sending.sender.counts == Counts(delivered=5, rejected=0, settled=3)


# What is not


@pytest.mark.usefixtures("impatient")
def test_retries_the_same_payload() -> None:
    sending = Delivery(NOT_NOW, UNREACHABLE, NOT_NOW, ACCEPTED)
    sending.offer(1, 2)
    sending.transport.wait_for(5)
    sending.finish()
    assert sending.bodies == [1, 1, 1, 1, 2]
    assert sending.settled == [(0, 1), (1, 2)]
    assert sending.sender.counts == Counts(delivered=2, rejected=0, settled=2)
    assert sending.sender.problem == ""


@pytest.mark.usefixtures("impatient")
def test_retries_for_hours() -> None:
    sending = Delivery(*[UNREACHABLE] * 1100, ACCEPTED)
    sending.offer(1)
    sending.transport.wait_for(1101)
    sending.finish()
    assert sending.delivered == [1]


def test_backs_off() -> None:
    sending = Delivery(NOT_NOW, NOT_NOW, ACCEPTED)
    began = time.monotonic()
    sending.offer(1)
    sending.transport.wait_for(3)
    assert time.monotonic() - began >= 0.8 * (pace.FIRST_BACKOFF + 2 * pace.FIRST_BACKOFF)
    sending.finish()


def test_waits_as_long_as_the_endpoint_asks() -> None:
    sending = Delivery(NOT_NOW._replace(retry_after=0.5), ACCEPTED)
    began = time.monotonic()
    sending.offer(1)
    sending.transport.wait_for(2)
    assert time.monotonic() - began >= 0.5
    sending.finish()
    assert sending.delivered == [1]


def test_the_problem_is_said_while_it_lasts() -> None:
    sending = Delivery(NOT_NOW._replace(retry_after=600.0))
    sending.offer(1)
    sending.transport.wait_for(1)
    sending.finish(within=0.0)
    assert sending.sender.problem == "answered 503 Service Unavailable"


def test_refused() -> None:
    """Nothing more is sent of this signal; what waits or comes later is kept."""
    sending = Delivery(ACCEPTED, REFUSED)
    sending.offer(1, 2, 3)
    sending.sender.join(time.monotonic() + HANGS)
    assert sending.over
    encoded = sending.transport.encoded
    sending.offer(4)
    assert sending.transport.encoded == encoded
    sending.finish()
    assert sending.bodies == [1, 2]
    assert sending.sender.counts == Counts(delivered=1, rejected=0, settled=1)
    assert sending.sender.stopped == sending.sender.problem == "answered 401 Unauthorized"
    assert not sending.sender.full


def test_refused_without_a_reason_is_refused() -> None:
    sending = Delivery(Answer(Verdict.REFUSED))
    sending.offer(1, 2)
    sending.finish()
    assert sending.bodies == [1]
    assert sending.sender.stopped


def test_rejected() -> None:
    """One payload will never be taken, the others are; it counts as settled, and the reason stays."""
    sending = Delivery(REJECTED, ACCEPTED, size=2)
    sending.offer(1, 2, 3)
    sending.finish()
    assert sending.bodies == [1, 3]
    assert sending.settled == [(0, 2), (2, 3)]
    assert sending.sender.counts == Counts(delivered=1, rejected=2, settled=3)
    assert sending.sender.stopped == ""
    assert sending.sender.problem == "answered 400 Bad Request"


@pytest.mark.parametrize(("rejected", "counted"), [(1, 1), (3, 3), (9, 3)])
def test_rejected_in_part(rejected: int, counted: int) -> None:
    """An endpoint cannot reject more than it was sent."""
    sending = Delivery(Answer(Verdict.ACCEPTED, "too old", rejected=rejected), ACCEPTED, size=3)
    sending.offer(1, 2, 3)
    sending.offer(4)
    sending.finish()
    assert sending.sender.counts == Counts(delivered=4 - counted, rejected=counted, settled=4)
    assert sending.sender.problem == "too old"


def is_odd(record: Record) -> bool:
    return isinstance(record, LogRecord) and int(record.body) % 2 == 1


def test_what_cannot_be_encoded_is_rejected() -> None:
    sending = Delivery(size=2, unencodable=is_odd)
    sending.offer(0, 1, 2, 3)
    sending.finish()
    assert sending.delivered == [0, 2]
    assert sending.settled == [(0, 4)]
    assert sending.sender.counts == Counts(delivered=2, rejected=2, settled=4)
    assert sending.sender.problem == "could not be encoded"


def test_what_cannot_be_encoded_is_not_settled_before_what_came_earlier(released: threading.Event) -> None:
    """Else a replay would skip the spans before it."""
    sending = Delivery(Silent(released), unencodable=is_odd)
    sending.offer(0)
    sending.transport.wait_until_sending(1)
    sending.offer(1, 3)
    assert sending.settled == []
    assert sending.sender.counts == Counts()
    released.set()
    sending.finish()
    assert sending.settled == [(0, 1), (1, 3)]
    assert sending.sender.counts == Counts(delivered=1, rejected=2, settled=3)


def test_what_cannot_be_encoded_is_kept_with_the_rest() -> None:
    sending = Delivery(REFUSED, size=5, unencodable=is_odd)
    sending.offer(0, 1, 2, 3)
    sending.finish()
    assert sending.sender.counts == Counts()


# Beside each other


def beside(*replies: Scripted, **transport: Any) -> Delivery:
    return Delivery(*replies, one_by_one=False, **transport)


def test_a_late_answer_holds_up_nothing(released: threading.Event) -> None:
    """What is answered first is settled first, in its place."""
    sending = beside(Silent(released), ACCEPTED)
    sending.offer(0)
    sending.transport.wait_until_sending(1)
    sending.offer(1, 2)
    sending.transport.wait_for(2)
    sending.sender.offer({}, [a_record(9)])
    sending.transport.wait_for(3)
    assert sending.settled == [(1, 2), (2, 3)]
    assert sending.sender.counts == Counts(delivered=3, rejected=0, settled=2)
    released.set()
    sending.finish()
    assert sending.settled == [(1, 2), (2, 3), (0, 1)]
    assert sending.sender.counts == Counts(delivered=4, rejected=0, settled=3)


def test_an_answer_in_time_is_waited_for(monkeypatch: pytest.MonkeyPatch, released: threading.Event) -> None:
    """An endpoint that answers at once has one request at a time."""
    monkeypatch.setattr(pace, "PATIENCE", HANGS)
    sending = beside(Silent(released))
    sending.offer(0, 1, 2)
    sending.transport.wait_until_sending(1)
    assert sending.sender.waiting
    released.set()
    sending.transport.wait_for(3)
    sending.finish()
    assert sending.bodies == [0, 1, 2]


def test_no_more_than_so_many_at_a_time(monkeypatch: pytest.MonkeyPatch, released: threading.Event) -> None:
    monkeypatch.setattr(pace, "PATIENCE", 0.0)
    monkeypatch.setattr(delivery, "QUEUE_LENGTH", 40)
    sending = beside(Silent(released))
    sending.offer(*range(40))
    sending.transport.wait_until_sending(MOST_UNDER_WAY)
    assert len(sending.sender._queue) == 40 - MOST_UNDER_WAY
    sending.sender.hurry(time.monotonic() + HANGS)
    sending.transport.wait_until_sending(MOST_AT_THE_END)
    assert len(sending.sender._queue) == 40 - MOST_AT_THE_END
    released.set()
    sending.finish()
    assert sorted(sending.delivered) == list(range(40))


def test_the_end_waits_for_no_answer_before_it_sends_the_rest(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    monkeypatch.setattr(pace, "PATIENCE", 600.0)
    sending = beside(Silent(released))
    sending.offer(0, 1, 2)
    sending.transport.wait_until_sending(1)
    sending.sender.hurry(time.monotonic() + HANGS)
    sending.transport.wait_until_sending(3)
    released.set()
    sending.finish()
    assert sorted(sending.delivered) == [0, 1, 2]


def test_the_first_request_is_ahead_of_the_others_at_the_end_too() -> None:
    """It has the marker: a backend that gets the spans before it lists the run by the name of any of them."""
    first = Pace(TIMEOUT)
    first.begin(1.0)
    first.hurry(10.0, 1.0)
    assert first.pause(1, 1.0) == pytest.approx(pace.HEAD_START)
    assert first.pause(1, 1.0 + pace.HEAD_START) <= 0
    first.answered()
    first.begin(1.0)
    assert first.pause(1, 1.0) <= 0


def test_what_was_to_go_one_by_one_is_together_at_the_end(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    """As the metrics: one under way, one that waits, and the last ones."""
    monkeypatch.setattr(pace, "PATIENCE", 0.0)
    transport = ScriptedTransport(Silent(released), one_by_one=False)
    sender = Sender(Signal.METRICS, transport, TIMEOUT, most_under_way=1)
    for number in range(3):
        sender.replace({}, [a_record(number)])
        transport.wait_until_sending(1)
    assert (transport.began, sender.waiting) == (1, True)
    sender.hurry(time.monotonic() + HANGS)
    transport.wait_until_sending(2)
    sender.replace({}, [a_record(3)])
    transport.wait_until_sending(3)
    released.set()
    sender.close()
    sender.join(time.monotonic() + HANGS)
    assert sorted(numbers_of(transport.taken(Signal.METRICS))) == [0, 2, 3]


def test_in_trouble_one_tries_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the run's end too, when requests otherwise do not wait for each other."""
    monkeypatch.setattr(pace, "PATIENCE", HANGS)
    sending = beside(*[NOT_NOW] * 4, ACCEPTED)
    sending.offer(0, 1, 2)
    wait_until(lambda: bool(sending.sender.problem), "the trouble is noted")
    sending.finish()
    assert sending.bodies[:5] == [0, 0, 0, 0, 0]
    assert sorted(sending.bodies[5:]) == [1, 2]
    assert sorted(sending.settled) == [(0, 1), (1, 2), (2, 3)]


def test_one_that_is_put_off_comes_before_what_came_later(released: threading.Event) -> None:
    sending = beside(Silent(released, NOT_NOW), Silent(released), ACCEPTED, size=1)
    sending.offer(0)
    sending.transport.wait_until_sending(1)
    sending.offer(1)
    sending.transport.wait_until_sending(2)
    released.set()
    sending.transport.wait_for(3)
    sending.finish()
    assert sending.bodies[-1] == 0
    assert sorted(sending.settled) == [(0, 1), (1, 2)]


def test_refused_while_others_are_under_way(released: threading.Event) -> None:
    """Their answers count all the same."""
    sending = beside(Silent(released), REFUSED)
    sending.offer(0, 1, 2)
    sending.transport.wait_for(1)
    wait_until(lambda: bool(sending.sender.stopped), "the refusal is noted")
    assert sending.sender.stopped == "answered 401 Unauthorized"
    assert not sending.over
    released.set()
    sending.sender.join(time.monotonic() + HANGS)
    assert sending.bodies == [1, 0]
    assert sending.settled == [(0, 1)]
    assert sending.sender.counts == Counts(delivered=1, rejected=0, settled=1)


def test_what_is_answered_after_the_last_word_is_kept(released: threading.Event) -> None:
    """Else the counts that were told would not be those of the journal."""
    sending = Delivery(Silent(released))
    sending.offer(0)
    sending.transport.wait_until_sending(1)
    sending.sender.join(time.monotonic())
    counts = sending.sender.counts
    released.set()
    sending.transport.wait_for(1)
    with sending.sender._changed:
        assert sending.sender._changed.wait_for(lambda: sending.over, HANGS)
    assert sending.sender.counts == counts == Counts()
    assert sending.settled == []


# The end of a run


def test_unreachable_at_the_end_is_given_up_at_once() -> None:
    sending = Delivery(UNREACHABLE)
    sending.offer(1, 2)
    sending.transport.wait_for(1)
    sending.finish(within=600.0)
    assert sending.over
    assert sending.sender.stopped == "cannot connect: refused"
    assert sending.sender.counts == Counts()
    assert sending.transport.sent[-1].timeout <= pace.CLOSING_CONNECT


def test_unreachable_from_the_beginning_of_the_end() -> None:
    sending = Delivery(UNREACHABLE)
    sending.sender.hurry(time.monotonic() + 600.0)
    sending.offer(1)
    sending.sender.close()
    sending.sender.join(time.monotonic() + HANGS)
    assert sending.over
    assert len(sending.transport.sent) == 1


def test_back_before_the_end() -> None:
    sending = Delivery(UNREACHABLE, UNREACHABLE, ACCEPTED)
    sending.offer(1, 2, 3)
    sending.transport.wait_for(3)
    sending.finish()
    assert sending.delivered == [1, 2, 3]
    assert sending.sender.counts == Counts(delivered=3, rejected=0, settled=3)


def test_the_end_cuts_a_wait_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backoff is not waited for: the endpoint may be back."""
    monkeypatch.setattr(pace, "FIRST_BACKOFF", 600.0)
    monkeypatch.setattr(pace, "LAST_BACKOFF", 600.0)
    sending = Delivery(UNREACHABLE, ACCEPTED)
    sending.offer(1)
    sending.transport.wait_for(1)
    sending.sender.hurry(time.monotonic() + HANGS)
    sending.transport.wait_for(2)
    sending.finish()
    assert sending.delivered == [1]


def test_asked_to_wait_beyond_the_end() -> None:
    sending = Delivery(NOT_NOW._replace(retry_after=600.0))
    sending.offer(1)
    sending.transport.wait_for(1)
    sending.finish()
    assert sending.over
    assert len(sending.transport.sent) == 1
    assert sending.sender.stopped == "answered 503 Service Unavailable"


def test_asked_to_wait_within_the_end() -> None:
    sending = Delivery(NOT_NOW._replace(retry_after=0.3), ACCEPTED)
    began = time.monotonic()
    sending.offer(1)
    sending.transport.wait_for(1)
    sending.finish()
    assert sending.delivered == [1]
    assert time.monotonic() - began >= 0.3


def test_silence_ends_at_the_deadline(released: threading.Event) -> None:
    sending = Delivery(Silent(released))
    sending.sender.hurry(time.monotonic() + 0.3)
    sending.offer(1, 2)
    sending.sender.join(time.monotonic() + HANGS)
    assert sending.over
    assert sending.sender.stopped == "no answer in time"
    assert all(request.timeout <= 0.3 for request in sending.transport.sent)
    assert sending.sender.counts == Counts()


def test_a_request_that_hangs_is_left_behind(released: threading.Event) -> None:
    sending = Delivery(Silent(released))
    sending.offer(1)
    sending.transport.wait_until_sending(1)
    deadline = time.monotonic() + 0.05
    sending.sender.hurry(deadline)
    sending.sender.close()
    sending.sender.join(deadline)
    assert not sending.over
    assert sending.sender.counts == Counts()


def test_nothing_is_sent_after_the_deadline() -> None:
    sending = Delivery()
    sending.sender.hurry(time.monotonic() - 1)
    sending.offer(1)
    sending.sender.join(time.monotonic() + HANGS)
    assert sending.over
    assert sending.transport.sent == []
    assert sending.sender.stopped == "no answer in time"


def test_join_in_the_past_does_not_wait(released: threading.Event) -> None:
    sending = Delivery(Silent(released))
    sending.offer(1)
    sending.transport.wait_until_sending(1)
    sending.sender.join(time.monotonic() - 1)
    assert not sending.over


def test_give_up_ends_a_wait() -> None:
    sending = Delivery(NOT_NOW._replace(retry_after=600.0))
    sending.offer(1, 2)
    sending.transport.wait_for(1)
    sending.sender.give_up("the exit timeout is over")
    sending.sender.join(time.monotonic() + HANGS)
    assert sending.over
    assert sending.sender.stopped == "answered 503 Service Unavailable"


def test_give_up_ends_a_wait_at_the_end() -> None:
    sending = Delivery(NOT_NOW._replace(retry_after=300.0))
    sending.sender.hurry(time.monotonic() + 600)
    sending.offer(1, 2)
    sending.transport.wait_for(1)
    sending.sender.give_up("the exit timeout is over")
    sending.sender.join(time.monotonic() + HANGS)
    assert sending.over


def test_give_up_says_why(released: threading.Event) -> None:
    sending = Delivery(ACCEPTED, Silent(released))
    sending.offer(1, 2, 3)
    sending.transport.wait_until_sending(2)
    sending.sender.give_up("the exit timeout is over")
    sending.sender.give_up("later")
    released.set()
    sending.sender.join(time.monotonic() + HANGS)
    assert sending.over
    assert sending.sender.stopped == "the exit timeout is over"


def test_what_was_under_way_when_given_up_still_counts(released: threading.Event) -> None:
    sending = Delivery(Silent(released))
    sending.offer(1, 2)
    sending.transport.wait_until_sending(1)
    sending.sender.give_up("the exit timeout is over")
    released.set()
    sending.sender.join(time.monotonic() + HANGS)
    assert sending.bodies == [1]
    assert sending.settled == [(0, 1)]
    assert sending.sender.counts == Counts(delivered=1, rejected=0, settled=1)


def test_offered_while_it_stopped(released: threading.Event) -> None:
    """Encoding takes a while, in which the endpoint may refuse all."""

    class Stopping(ScriptedTransport):
        def encode(self, *arguments: Any) -> Any:
            sender.give_up("refused meanwhile")
            return super().encode(*arguments)

    transport = Stopping()
    sender = Sender(Signal.TRACES, transport, TIMEOUT)
    sender.offer({}, [a_record(number) for number in range(QUEUE_LENGTH + 1)])
    assert not sender.full
    sender.join(time.monotonic() + HANGS)
    assert transport.sent == []


# Memory


def test_an_owner_who_heeds_full_holds_few_payloads(released: threading.Event) -> None:
    sending = Delivery(Silent(released))
    sending.offer(0)
    sending.transport.wait_until_sending(1)
    offered = 1
    while not sending.sender.full:
        sending.offer(offered)
        offered += 1
    released.set()
    sending.finish()
    assert offered == QUEUE_LENGTH + 1
    assert sending.delivered == list(range(QUEUE_LENGTH + 1))


def test_records_are_forgotten_when_sent() -> None:
    sending = Delivery()
    for number in range(100):
        sending.offer(number)
    sending.finish()
    assert len(sending.sender._queue) == 0


def test_replace_drops_what_still_waits(released: threading.Event) -> None:
    sending = Delivery(Silent(released), ACCEPTED)
    for number in range(50):
        sending.sender.replace({}, [a_record(number)])
        sending.transport.wait_until_sending(1)
        assert len(sending.sender._queue) == bool(number)
    released.set()
    sending.finish()
    assert sending.delivered == [0, 49]


def test_replace_by_several_payloads(released: threading.Event) -> None:
    sending = Delivery(Silent(released), ACCEPTED)
    sending.offer(1)
    sending.transport.wait_until_sending(1)
    sending.sender.replace({}, [a_record(number) for number in (2, 3)])
    sending.sender.replace({}, [a_record(number) for number in (4, 5)])
    released.set()
    sending.finish()
    assert sending.delivered == [1, 4, 5]


def test_what_is_out_of_date_is_not_tried_again(released: threading.Event) -> None:
    sending = Delivery(Silent(released, NOT_NOW), ACCEPTED)
    sending.sender.replace({}, [a_record(1)])
    sending.transport.wait_until_sending(1)
    sending.sender.replace({}, [a_record(2)])
    released.set()
    sending.finish()
    assert sending.bodies == [1, 2]


# All together

verdicts = st.sampled_from(
    [ACCEPTED, ACCEPTED, Answer(Verdict.ACCEPTED, "in part", rejected=1), REJECTED, NOT_NOW, UNREACHABLE, REFUSED]
)


@given(
    st.lists(st.integers(1, 4), max_size=5),
    st.lists(verdicts, max_size=12),
    st.sets(st.integers(0, 20)),
    st.booleans(),
)
@settings(max_examples=50)
def test_whatever_the_endpoint_says_all_is_accounted_for(
    offers: list[int], replies: list[Answer], unencodable: set[int], one_by_one: bool
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pace, "LAST_BACKOFF", 0.0)
        patched.setattr(pace, "PATIENCE", 0.0)
        sending = Delivery(
            *replies,
            ACCEPTED,
            size=3,
            unencodable=lambda record: numbers_of([record])[0] in unencodable,
            one_by_one=one_by_one,
        )
        numbers = iter(range(100))
        for size in offers:
            sending.offer(*(next(numbers) for _ in range(size)))
        sending.sender.close()
        sending.sender.join(time.monotonic() + HANGS)
        assert sending.over
    offered = list(range(sum(offers)))
    counts = sending.sender.counts
    delivered = sending.delivered
    assert len(delivered) == len(set(delivered))
    assert not one_by_one or delivered == sorted(delivered)
    assert not set(delivered) & unencodable
    assert counts.delivered + counts.rejected == counts.settled == sum(end - first for first, end in sending.settled)
    settled = {place for first, end in sending.settled for place in range(first, end)}
    assert len(settled) == counts.settled
    assert set(delivered) <= settled
    if sending.sender.stopped:
        assert counts.settled < len(offered)
    else:
        assert counts.settled == len(offered)


# With a real endpoint


def a_span(number: int) -> Span:
    return Span(bytes(15) + b"\1", number.to_bytes(8, "big"), b"", f"span {number}", 1, 2, {})


@contextmanager
def http_sender(server: OtlpServer) -> Iterator[Sender]:
    transport = HttpTransport({Signal.TRACES: Destination(server.url("traces"))})
    sender = Sender(Signal.TRACES, transport, TIMEOUT)
    yield sender
    sender.join(time.monotonic() + HANGS)
    transport.close()


def finish(sender: Sender, within: float = HANGS) -> None:
    deadline = time.monotonic() + within
    sender.hurry(deadline)
    sender.close()
    sender.join(deadline)


def test_to_a_server_that_is_overloaded_first() -> None:
    behaviour = failing(2, Reply(503, {"Retry-After": "0"}))
    with OtlpServer(behaviour=behaviour) as server, http_sender(server) as sender:
        for number in range(5):
            sender.offer({}, [a_span(2 * number + 1), a_span(2 * number + 2)], 2 * number)
        finish(sender)
        assert [request.reply.status for request in server.requests][:3] == [503, 503, 200]
        # The last ones are under way together.
        assert sorted(span.name for span in server.spans()) == sorted(f"span {number}" for number in range(1, 11))
    assert sender.counts == Counts(delivered=10, rejected=0, settled=10)


def test_to_a_server_that_is_started_later() -> None:
    with OtlpServer() as early:
        port = early.port
    server = OtlpServer(port=port)
    with http_sender(server) as sender:
        sender.offer({}, [a_span(1)], 0)
        with server:
            server.wait_for(lambda s: s.spans(), HANGS)
            finish(sender)
    assert sender.counts == Counts(delivered=1, rejected=0, settled=1)


def test_to_nobody() -> None:
    with OtlpServer() as server:
        pass
    with http_sender(server) as sender:
        sender.offer({}, [a_span(1)])
        finish(sender, within=600.0)
    assert sender.counts == Counts()
    assert "cannot connect" in sender.stopped


def test_to_a_server_that_is_silent() -> None:
    with OtlpServer(behaviour=always(SILENT)) as server, http_sender(server) as sender:
        sender.hurry(time.monotonic() + 0.5)
        sender.offer({}, [a_span(1)])
        sender.join(time.monotonic() + HANGS)
        assert sender.counts == Counts()
        assert "no answer within" in sender.stopped


def test_to_a_server_that_rejects_some() -> None:
    with OtlpServer(behaviour=partial_success(2, "too many")) as server, http_sender(server) as sender:
        sender.offer({}, [a_span(number) for number in range(1, 6)], 0)
        finish(sender)
        assert len(server.requests) == 1
    assert sender.counts == Counts(delivered=3, rejected=2, settled=5)
    assert "too many" in sender.problem


def test_to_a_server_that_wants_credentials() -> None:
    with OtlpServer(behaviour=always(Reply(401))) as server, http_sender(server) as sender:
        sender.offer({}, [a_span(1)])
        sender.join(time.monotonic() + HANGS)
        sender.offer({}, [a_span(2)])
        finish(sender)
        assert len(server.requests) == 1
    assert sender.stopped == "answered 401 Unauthorized"
