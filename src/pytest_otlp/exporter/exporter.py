"""From events to what is sent: one run's exporter, driven by whoever reads the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from pytest_otlp import events
from pytest_otlp.events import Event, SessionStarted, TestsCollected, TracesSplit
from pytest_otlp.exporter import signals
from pytest_otlp.exporter.delivery import Sender
from pytest_otlp.exporter.markers import Markers
from pytest_otlp.exporter.progress import Progress
from pytest_otlp.exporter.records import Attributes, Span
from pytest_otlp.exporter.run import Final, Run
from pytest_otlp.exporter.signals import LogsSignal, MetricsSignal
from pytest_otlp.exporter.spans import span_count, spans_of
from pytest_otlp.exporter.trace import Trace

TICK = 0.1
"""s that a finished test's spans wait for company."""
BATCH = 512
"""Spans that do not wait any longer."""
METRICS_INTERVAL = 1.0
"""s"""


class Outcome(NamedTuple):
    """How an exporter's work ended: `produced = delivered + rejected + kept`, in spans."""

    tests: int
    produced: int
    delivered: int
    rejected: int
    kept: int
    problem: str
    notices: tuple[str, ...]


class Senders(NamedTuple):
    """The ways out. Metrics and logs are None where they were not asked for."""

    traces: Sender
    metrics: MetricsSignal | None
    logs: LogsSignal | None

    @property
    def all(self) -> list[Sender]:
        others = [signal.sender for signal in (self.metrics, self.logs) if signal is not None]
        return [self.traces, *others]


class Exporter:
    """Takes the lines of one journal, and has the senders deliver what they make final."""

    def __init__(self, senders: Senders, progress: Progress, detect: Callable[[], dict[str, str]]) -> None:
        """`detect`: what is known of the place; asked for once, with the first line of a new journal."""
        self.run = Run()
        self._senders = senders
        self._progress = progress
        self._detect = detect
        self._resource: Attributes = {}
        self._trace: Trace | None = None
        self._markers = Markers()
        self._pending: list[Span] = []
        self._skip = progress.settled
        self._produced = 0
        self._settled_before = progress.settled
        self._flushed = self._measured = 0.0
        self.live = False
        """The run goes on, so its markers and interim metrics are of use."""
        self.unread = 0
        """Lines that could not be understood."""

    @property
    def busy(self) -> bool:
        """The endpoint is behind: more events would have to be held in memory."""
        return self._senders.traces.full

    def take(self, line: bytes) -> None:
        try:
            event = events.decode(line)
        except ValueError:
            event = None
        if event is None:
            self.unread += 1
            return
        trace = self._trace_at(event)
        if trace is None:
            self.unread += 1
            return
        if self._senders.logs is not None:
            self._senders.logs.announce(trace, event)
        for final in self.run.apply(event):
            self._finish(trace, final)
        if self.live and isinstance(event, TestsCollected):
            self._send_markers(trace)

    def _trace_at(self, event: Event) -> Trace | None:
        """The run's trace as far as the journal tells; None before its first line."""
        if isinstance(event, SessionStarted):
            self._begin(event)
        elif isinstance(event, TracesSplit) and self._trace is not None:
            self._trace = self._trace.split(event)
        return self._trace

    def _begin(self, session: SessionStarted) -> None:
        self._trace = Trace.of(session)
        if self._progress.resource is None:
            self._progress.begin({**self._detect(), **session.resource})
        self._resource = self._progress.resource or {}

    def abandon(self, now: int) -> None:
        """The process that wrote the journal is gone; closes what it left open at `now`, ns since the epoch."""
        for final in self.run.abandon(now):
            assert self._trace is not None
            self._finish(self._trace, final)

    def _finish(self, trace: Trace, final: Final) -> None:
        if self._senders.metrics is not None:
            self._senders.metrics.note(final, self.run)
        if self._senders.logs is not None:
            self._senders.logs.note(trace, final)
        if self._senders.traces.stopped:
            self._produced += span_count(trace, final)
            return
        spans = spans_of(trace, final)
        self._produced += len(spans)
        if self._skip:
            skipped = min(self._skip, len(spans))
            self._skip -= skipped
            spans = spans[skipped:]
        self._pending += spans
        if len(self._pending) >= BATCH:
            self.flush()

    def flush(self) -> None:
        self._flushed = time.monotonic()
        pending, self._pending = self._pending, []
        if pending and self.live and self.run.files is not None and self._trace is not None:
            self._send_markers(self._trace)
        if pending:
            self._senders.traces.offer(self._resource, pending)
        if self._senders.logs is not None:
            self._senders.logs.flush(self._resource)

    def tick(self) -> None:
        """What is due by time alone."""
        if self._trace is None:
            return
        if self.live:
            self._send_markers(self._trace)
        if time.monotonic() - self._flushed >= TICK:
            self.flush()
        if self.live and time.monotonic() - self._measured >= METRICS_INTERVAL:
            self._measure()

    def _send_markers(self, trace: Trace) -> None:
        due = self._markers.due(self.run, trace, time.time_ns())
        if due:
            self._senders.traces.offer(self._resource, due, settles=False)

    def _measure(self) -> None:
        self._measured = time.monotonic()
        if self._senders.metrics is not None and (self._markers.begun or self._produced):
            self._senders.metrics.push(self._resource, self.run, time.time_ns())

    def close(self) -> None:
        """All lines were taken; no more records come."""
        self.flush()
        self._measure()
        for sender in self._senders.all:
            sender.close()

    def outcome(self) -> Outcome:
        delivered, rejected, settled = self._senders.traces.counts
        kept = self._produced - self._settled_before - settled
        told = self._senders.traces.problem if kept or rejected else ""
        others = () if kept else tuple(signals.notices(self._senders.metrics, self._senders.logs))
        unread = (f"{self.unread} lines of the journal could not be read",) if self.unread else ()
        return Outcome(self.run.tests, delivered + rejected + kept, delivered, rejected, kept, told, others + unread)
