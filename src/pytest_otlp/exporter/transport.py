"""The seam between delivery (queues, retries, deadlines, counts) and the ways of sending (HTTP, gRPC, file...)."""

# No `from __future__ import annotations`: see `pytest_otlp.events`.

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from pytest_otlp.exporter.records import Attributes, Record, Signal


class Verdict(Enum):
    """What an endpoint made of one payload."""

    ACCEPTED = "accepted"
    """Taken, but for `Answer.rejected` records."""
    RETRY = "retry"
    """Not taken now; the same payload may be sent again."""
    REJECTED = "rejected"
    """This payload will never be taken; others may be."""
    REFUSED = "refused"
    """Nothing of this signal will be taken here: wrong credentials, no such path, not an OTLP endpoint."""


class Answer(NamedTuple):
    verdict: Verdict
    reason: str = ""
    """For people: one line, escaped, without any header value; empty where all was accepted."""
    rejected: int = 0
    """Records that an accepting endpoint turned down (`partial_success`)."""
    retry_after: float | None = None
    """Seconds that the endpoint asked to wait (`Retry-After`, gRPC `RetryInfo`)."""
    unreachable: bool = False
    """No connection could be made at all, so an immediate second try is pointless."""


class Payload(NamedTuple):
    """Records in the form that a transport sends: encoded bytes, or for the console the records themselves."""

    data: bytes | Sequence[Record]
    size: int
    """Records in it, as the endpoint counts them."""
    consumed: int
    """Input records that it stands for: `size` and those that were set aside among them."""


class Encoded(NamedTuple):
    payloads: Sequence[Payload]
    """In the order of the records; each within the transport's limit of size."""
    unencodable: int
    """Records set aside because they could not be encoded."""
    cut: int
    """Records shortened to fit into one payload."""


class Transport(Protocol):
    """A way to deliver. `send` runs in several threads unless `one_by_one`, `encode` in the thread of the caller."""

    @property
    def one_by_one(self) -> bool:
        """A payload is sent when the one before is: the order is of use, or sending beside each other is not."""

    @property
    def target(self) -> str:
        """Where it sends, for people: `localhost:4318`, or a file's path. Never user info, never a header."""

    def encode(self, signal: Signal, resource: Attributes, records: Sequence[Record]) -> Encoded:
        """Encodes records, never raising for a bad one."""

    def send(self, signal: Signal, payload: Payload, timeout: float) -> Answer:
        """Sends one payload and waits for the answer, at most `timeout` seconds in all. Never raises."""

    def close(self) -> None: ...
