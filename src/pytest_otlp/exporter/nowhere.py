"""No way of sending: where a report is all that is asked for, which is made of the journal."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_otlp.exporter.records import Attributes, Record, Signal
from pytest_otlp.exporter.transport import Answer, Encoded, Payload, Verdict


class NowhereTransport:
    """Takes everything."""

    one_by_one = True

    def __init__(self, target: str) -> None:
        self.target = target

    def encode(self, _signal: Signal, _resource: Attributes, records: Sequence[Record]) -> Encoded:
        return Encoded((Payload(b"", len(records), len(records)),), 0, 0)

    def send(self, _signal: Signal, _payload: Payload, _timeout: float) -> Answer:
        return Answer(Verdict.ACCEPTED)

    def close(self) -> None:
        """Nothing is open."""
