from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_otlp.exporter import delivery
from pytest_otlp.exporter.delivery import QUEUE_LENGTH, Counts, Sender
from pytest_otlp.exporter.destination import Destination
from pytest_otlp.exporter.otlp_http import HttpTransport
from pytest_otlp.exporter.records import LogRecord, Record, Signal, Span
from pytest_otlp.exporter.transport import Answer, Verdict
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
        self.settled: list[int] = []
        self.sender = Sender(Signal.TRACES, self.transport, TIMEOUT, self.settled.append)

    def offer(self, *numbers: int) -> None:
        self.sender.offer({}, [a_record(number) for number in numbers])

    def finish(self, within: float = HANGS) -> None:
        """As at the end of a run."""
        deadline = time.monotonic() + within
        self.sender.hurry(deadline)
        self.sender.close()
        self.sender.join(deadline + HANGS)

    @property
    def over(self) -> bool:
        """The sending thread has ended."""
        return not self.sender._thread.is_alive()

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
    monkeypatch.setattr(delivery, "LAST_BACKOFF", 0.0)


# What is taken


def test_in_order() -> None:
    sending = Delivery(size=2)
    sending.offer(1, 2, 3)
    sending.offer(4, 5)
    sending.finish()
    assert sending.delivered == [1, 2, 3, 4, 5]
    assert sending.settled == [2, 1, 2]
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
    """A marker counts among the delivered; what a replay may skip does not change."""
    sending = Delivery()
    sending.sender.offer({}, [a_record(1)], settles=False)
    sending.offer(2)
    sending.finish()
    assert sending.delivered == [1, 2]
    assert sending.sender.counts == Counts(delivered=2, rejected=0, settled=1)


# What is not


@pytest.mark.usefixtures("impatient")
def test_retries_the_same_payload() -> None:
    sending = Delivery(NOT_NOW, UNREACHABLE, NOT_NOW, ACCEPTED)
    sending.offer(1, 2)
    sending.transport.wait_for(5)
    sending.finish()
    assert sending.bodies == [1, 1, 1, 1, 2]
    assert sending.settled == [1, 1]
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
    assert time.monotonic() - began >= 0.8 * (delivery.FIRST_BACKOFF + 2 * delivery.FIRST_BACKOFF)
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
    assert sending.settled == [2, 1]
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
    assert sum(sending.settled) == 4
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
    assert sending.settled == [1, 2]
    assert sending.sender.counts == Counts(delivered=1, rejected=2, settled=3)


def test_what_cannot_be_encoded_is_kept_with_the_rest() -> None:
    sending = Delivery(REFUSED, size=5, unencodable=is_odd)
    sending.offer(0, 1, 2, 3)
    sending.finish()
    assert sending.sender.counts == Counts()


# The end of a run


def test_unreachable_at_the_end_is_given_up_at_once() -> None:
    sending = Delivery(UNREACHABLE)
    sending.offer(1, 2)
    sending.transport.wait_for(1)
    sending.finish(within=600.0)
    assert sending.over
    assert sending.sender.stopped == "cannot connect: refused"
    assert sending.sender.counts == Counts()
    assert sending.transport.sent[-1].timeout <= delivery.CLOSING_CONNECT


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
    monkeypatch.setattr(delivery, "FIRST_BACKOFF", 600.0)
    monkeypatch.setattr(delivery, "LAST_BACKOFF", 600.0)
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
    assert sending.settled == [1]
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
    offered = 0
    while not sending.sender.full:
        sending.offer(offered)
        offered += 1
    released.set()
    sending.finish()
    assert offered == QUEUE_LENGTH
    assert sending.delivered == list(range(QUEUE_LENGTH))


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
        assert len(sending.sender._queue) == 1
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


# All together

verdicts = st.sampled_from(
    [ACCEPTED, ACCEPTED, Answer(Verdict.ACCEPTED, "in part", rejected=1), REJECTED, NOT_NOW, UNREACHABLE, REFUSED]
)


@given(st.lists(st.integers(1, 4), max_size=5), st.lists(verdicts, max_size=12), st.sets(st.integers(0, 20)))
@settings(max_examples=50)
def test_whatever_the_endpoint_says_all_is_accounted_for(
    offers: list[int], replies: list[Answer], unencodable: set[int]
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(delivery, "LAST_BACKOFF", 0.0)
        sending = Delivery(
            *replies, ACCEPTED, size=3, unencodable=lambda record: numbers_of([record])[0] in unencodable
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
    assert delivered == sorted(set(delivered))
    assert not set(delivered) & unencodable
    assert counts.delivered + counts.rejected == counts.settled == sum(sending.settled)
    assert len([number for number in delivered if number < counts.settled]) == len(delivered)
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
            sender.offer({}, [a_span(2 * number + 1), a_span(2 * number + 2)])
        finish(sender)
        assert [request.reply.status for request in server.requests][:3] == [503, 503, 200]
        assert [span.name for span in server.spans()] == [f"span {number}" for number in range(1, 11)]
    assert sender.counts == Counts(delivered=10, rejected=0, settled=10)


def test_to_a_server_that_is_started_later() -> None:
    with OtlpServer() as early:
        port = early.port
    server = OtlpServer(port=port)
    with http_sender(server) as sender:
        sender.offer({}, [a_span(1)])
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
        sender.offer({}, [a_span(number) for number in range(1, 6)])
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
