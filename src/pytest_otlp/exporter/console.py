"""The tree in the terminal, test by test."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TextIO

from pytest_otlp.exporter.records import Attributes, Record, SharedSpan, Signal, Span, whole
from pytest_otlp.exporter.transport import Answer, Encoded, Payload, Verdict
from pytest_otlp.exporter.tree import render


class ConsoleTransport:
    """Writes spans as a tree; other signals are taken and not shown."""

    one_by_one = True

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    @property
    def target(self) -> str:
        return "console"

    def encode(self, _signal: Signal, _resource: Attributes, records: Sequence[Record]) -> Encoded:
        """One payload, so that a test's spans stay together."""
        return Encoded([Payload(records, len(records), len(records))] if records else [], 0, 0)

    def send(self, signal: Signal, payload: Payload, _timeout: float) -> Answer:
        """Writes to a terminal, for which there is no timeout to be had."""
        if signal is not Signal.TRACES:
            return Answer(Verdict.ACCEPTED)
        spans = [whole(record) for record in payload.data if isinstance(record, Span | SharedSpan)]
        try:
            # Begins on a line of its own: pytest's line of dots is under way.
            self._write("\n".join(["", *render(spans), ""]))
        except (OSError, ValueError) as error:
            return Answer(Verdict.REFUSED, f"cannot be written: {getattr(error, 'strerror', '') or 'closed'}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
            return Answer(Verdict.REJECTED, f"cannot be shown ({type(error).__name__})")
        return Answer(Verdict.ACCEPTED)

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        with self._lock:
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()

    def close(self) -> None:
        """The stream is not ours."""
