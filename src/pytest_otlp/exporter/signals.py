"""Metrics and logs beside the traces: they never hold the traces up, and stop alone where an endpoint takes none."""

from __future__ import annotations

from pytest_otlp.events import Event
from pytest_otlp.exporter import logs
from pytest_otlp.exporter.delivery import Sender
from pytest_otlp.exporter.metrics import Tally
from pytest_otlp.exporter.records import Attributes, LogRecord
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
    """The run's events."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self._pending: list[LogRecord] = []
        self.dropped = 0
        """Records for which the endpoint was too slow."""

    def announce(self, trace: Trace, event: Event) -> None:
        self._pending += logs.started(trace, event)

    def note(self, trace: Trace, final: Final) -> None:
        self._pending += logs.finished(trace, final)

    def flush(self, resource: Attributes) -> None:
        if not self._pending:
            return
        if self.sender.full:
            self.dropped += len(self._pending)
        else:
            self.sender.offer(resource, self._pending)
        self._pending = []


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
