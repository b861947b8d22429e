"""From events to what is sent: one run's exporter, driven by whoever reads the journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pytest_otlp import events
from pytest_otlp.events import Event, SessionStarted, TestsCollected, TracesSplit
from pytest_otlp.exporter import signals
from pytest_otlp.exporter.delivery import Sender
from pytest_otlp.exporter.markers import Markers
from pytest_otlp.exporter.progress import Places, Progress, missing
from pytest_otlp.exporter.records import Attributes, SharedSpan, Span
from pytest_otlp.exporter.run import Final, Run
from pytest_otlp.exporter.signals import LogsSignal, MetricsSignal
from pytest_otlp.exporter.spans import span_count, spans_of
from pytest_otlp.exporter.trace import Trace

TICK = 0.2
"""s after a request in which finished tests' spans wait for company."""
BATCH = 1920
"""Spans that do not wait any longer; with the markers that go ahead of them they fit into one payload."""
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


def trace_after(trace: Trace | None, event: Event) -> Trace:
    """The run's trace as far as its journal tells.

    Raises:
        ValueError: the event cannot stand there, in a journal of ours: before the session's, or as a second of these.
    """
    if isinstance(event, SessionStarted):
        bytes.fromhex(event.parent_id)
        if trace is None:
            return Trace.of(event)
    if trace is None or isinstance(event, SessionStarted):
        raise ValueError("no event for this place")
    return trace.split(event) if isinstance(event, TracesSplit) else trace


class Exporter:
    """Takes the lines of one journal, and has the senders deliver what they make final."""

    def __init__(
        self, senders: Senders, progress: Progress, detect: Callable[[], dict[str, str]], *, traces: bool = True
    ) -> None:
        """`detect`: what is known of the place; asked for once, with the first line of a new journal.

        `traces`: whether there are any spans to be sent.
        """
        self.run = Run()
        self._senders = senders
        self._progress = progress
        self._detect = detect
        self._traces = traces
        self._resource: Attributes = {}
        self._trace: Trace | None = None
        self._markers = Markers()
        self._pending: list[Span | SharedSpan] = []
        self._pending_end = 0
        """The place, among all spans of the journal, after the last of these."""
        self._produced = self._unsettled = 0
        """Spans so far, and those of them that no earlier exporter of this journal settled."""
        self._flushed = self._measured = 0.0
        self.live = False
        """The run goes on, so its markers and interim metrics are of use."""
        self.unread = 0
        """Lines that could not be understood."""

    @property
    def busy(self) -> bool:
        """The endpoint is behind: more events would have to be held in memory."""
        return self._senders.traces.full

    def take(self, lines: Sequence[bytes]) -> None:
        for event in events.decode_all(lines):
            self._take(event)

    def _take(self, event: Event | None) -> None:
        try:
            trace = trace_after(self._trace, event) if event is not None else None
        except ValueError:
            trace = None
        if event is None or trace is None:
            self.unread += 1
            return
        self._trace = trace
        if isinstance(event, SessionStarted):
            self._begin(event)
        if self._senders.logs is not None:
            self._senders.logs.announce(trace, event)
        for final in self.run.apply(event):
            self._finish(trace, final)
        if self.live and isinstance(event, TestsCollected):
            self._send_markers(trace)

    def _begin(self, session: SessionStarted) -> None:
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
            self._count(span_count(trace, final))
            return
        spans = spans_of(trace, final)
        if self._senders.logs is not None:
            spans = self._senders.logs.exceptions(spans)
        if self._traces:
            if len(self._pending) + len(spans) > BATCH:
                self.flush()
            self._add(spans)
        if len(self._pending) >= BATCH:
            self.flush()

    def _add(self, spans: Sequence[Span | SharedSpan]) -> None:
        before = self._produced
        for first, end in self._count(len(spans)):
            # What waits goes out together, so it has to stand together in the journal.
            if first != self._pending_end:
                self.flush()
            self._pending += spans[first - before : end - before]
            self._pending_end = end

    def _count(self, spans: int) -> list[Places]:
        """Where, of the next spans, those stand that are still to be sent."""
        first, self._produced = self._produced, self._produced + spans
        found = list(missing(self._progress.settled, first, self._produced))
        self._unsettled += sum(places.end - places.first for places in found)
        return found

    def flush(self) -> None:
        pending, self._pending = self._pending, []
        markers = self._markers_of_files()
        sent = bool(pending or markers)
        if sent:
            place = self._pending_end - len(pending) if pending else None
            self._senders.traces.offer(self._resource, [*markers, *pending], place, len(markers))
        if self._senders.logs is not None and self.run.shows:
            sent = self._senders.logs.flush(self._resource) or sent
        if sent:
            self._flushed = time.monotonic()

    @property
    def pause(self) -> float:
        """s for which what comes now would only wait: not positive some time after the last flush."""
        return self._flushed + TICK - time.monotonic()

    def _markers_of_files(self) -> Sequence[Span]:
        if not (self.live and self._traces and self._trace is not None):
            return ()
        return list(self._markers.of_files(self.run, self._trace))

    def tick(self) -> None:
        """What is due by time alone."""
        if self._trace is None:
            return
        if self.live:
            self._send_markers(self._trace)
        # Where the endpoint is behind, the next request is a large one rather than one of many.
        if self.pause <= 0 and not self._senders.traces.waiting:
            self.flush()
        if self.live and time.monotonic() - self._measured >= METRICS_INTERVAL:
            self._measure()

    def _send_markers(self, trace: Trace) -> None:
        due = self._markers.due(self.run, trace, time.time_ns())
        if due and self._traces:
            self._senders.traces.offer(self._resource, due)
        if self._markers.begun and not self.run.shows:
            # The marker would stand alone for ever.
            for final in self.run.show():
                self._finish(trace, final)

    def _measure(self) -> None:
        self._measured = time.monotonic()
        if self._senders.metrics is not None and (self._markers.begun or self.run.shows):
            self._senders.metrics.push(self._resource, self.run, time.time_ns())

    def close(self) -> None:
        """All lines were taken; no more records come."""
        self.flush()
        self._measure()
        for sender in self._senders.all:
            sender.close()

    def outcome(self) -> Outcome:
        delivered, rejected, settled = self._senders.traces.counts
        kept = self._unsettled - settled
        told = self._senders.traces.problem if kept or rejected else ""
        others = () if kept else tuple(signals.notices(self._senders.metrics, self._senders.logs))
        unread = (f"{self.unread} lines of the journal could not be read",) if self.unread else ()
        return Outcome(self.run.tests, delivered + rejected + kept, delivered, rejected, kept, told, others + unread)
