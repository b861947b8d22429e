"""Metrics and logs beside the traces: they never hold the traces up, and stop alone where an endpoint takes none."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_otlp.events import Event
from pytest_otlp.exporter import logs
from pytest_otlp.exporter.delivery import Sender
from pytest_otlp.exporter.metrics import Tally
from pytest_otlp.exporter.records import Attributes, LogRecord, SharedSpan, Span
from pytest_otlp.exporter.run import Final, Run
from pytest_otlp.exporter.trace import Trace


class MetricsSignal:
    """The run's metrics, pushed as a whole each time."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self._tally = Tally()

    def note(self, final: Final, run: Run) -> None:
        self._tally.add(final, run)

    def push(self, resource: Attributes, run: Run, now: int) -> None:
        if not self.sender.stopped:
            self.sender.replace(resource, self._tally.metrics(run, now))


class LogsSignal:
    """The run's events, and what the tests' code logged."""

    def __init__(self, sender: Sender, exceptions: str = "events") -> None:
        """`exceptions`: whether those on spans come as records too (`logs/dup`), or instead (`logs`)."""
        self.sender = sender
        self._exceptions = exceptions
        self._pending: list[LogRecord] = []
        self.dropped = 0
        """Records for which the endpoint was too slow."""

    def announce(self, trace: Trace, event: Event) -> None:
        self._pending += logs.started(trace, event)

    def note(self, trace: Trace, final: Final) -> None:
        self._pending += logs.finished(trace, final)

    def exceptions(self, spans: Sequence[Span | SharedSpan]) -> Sequence[Span | SharedSpan]:
        """Takes the exceptions of spans; the spans as they are to be sent."""
        if self._exceptions == "events" or self.sender.stopped:
            return spans
        self._pending += logs.exceptions(spans)
        return spans if self._exceptions == "logs/dup" else [logs.without_exceptions(span) for span in spans]

    def flush(self, resource: Attributes) -> bool:
        """Whether there was anything."""
        if not self._pending:
            return False
        if self.sender.full:
            self.dropped += len(self._pending)
        else:
            self.sender.offer(resource, self._pending)
        self._pending = []
        return True


def notices(metrics: MetricsSignal | None, logs_signal: LogsSignal | None) -> list[str]:
    """One line each for what the endpoint did not take."""
    found = []
    if metrics is not None and metrics.sender.stopped:
        found.append(f"metrics not taken: {metrics.sender.stopped}")
    if logs_signal is not None and logs_signal.sender.stopped:
        found.append(f"logs not taken: {logs_signal.sender.stopped}")
    if logs_signal is not None and logs_signal.dropped:
        found.append(f"{logs_signal.dropped} log records dropped: the endpoint is too slow")
    return found
