"""Traces and the ids of their spans: derived, so that a replay finds the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pytest_otlp import ids, traces
from pytest_otlp.events import SessionStarted, TracesSplit
from pytest_otlp.exporter.records import Attributes, Link, Span, SpanEvent
from pytest_otlp.nodeids import file_of
from pytest_otlp.traces import Plan

SHORTEST = 1_024
"""ns: Jaeger flags shorter spans, and its page can show no less."""
_BELOW = 1_023
"""ns: times are given to 1,024 ns: what is below is noise of reading the clock, and would be a tenth of all bytes."""
SPAN_ID_BYTES = 8
_TRACE_ID_BYTES = 16


def rounded(start: int, end: int) -> tuple[int, int]:
    """A span's times as they are sent."""
    start -= start & _BELOW
    end -= end & _BELOW
    return start, end if end > start else start + SHORTEST


class Trace(NamedTuple):
    """What all spans of a trace share."""

    session: SessionStarted
    trace_id: bytes
    root_id: bytes
    """Empty where a test is its trace's root."""
    plan: Plan = traces.WHOLE
    files: dict[tuple[str, int], Trace] = {}  # noqa: RUF012  replaced wherever there are files
    """The traces of files, as far as somebody asked."""

    @classmethod
    def of(cls, session: SessionStarted) -> Trace:
        """The run's own trace."""
        return cls(session, bytes.fromhex(session.trace_id), span_id(session, ids.ROOT))

    def split(self, event: TracesSplit) -> Trace:
        """The same, of a run that has further traces."""
        return self._replace(plan=Plan(event.per, event.tests), files={})

    def of_test(self, worker: str, nodeid: str, attempt: int) -> Trace:
        """The trace that a test is in."""
        if self.plan.whole:
            return self
        if self.plan.per == "test":
            return self._beside(self.plan.key_of(worker, nodeid, attempt), b"")
        path = file_of(nodeid)
        return self.of_file(path, self.plan.part_of(path, nodeid))

    def of_file(self, path: str, part: int) -> Trace:
        """The trace of a file's tests, or of a part of them."""
        known = self.files.get((path, part))
        if known is None:
            key = traces.key_of_file(path, part)
            known = self._beside(key, span_id(self.session, ids.FILE_ROOT, path, str(part)))
            self.files[path, part] = known
        return known

    def _beside(self, key: Sequence[str], root_id: bytes) -> Trace:
        """What came with the run's parent (`tracestate`) belongs to the run's own trace."""
        trace_id = ids.trace_id(self.session.run_id, *key).to_bytes(_TRACE_ID_BYTES, "big")
        return Trace(self.session._replace(trace_state=""), trace_id, root_id)

    def span(
        self,
        own_id: bytes,
        parent_id: bytes,
        name: str,
        times: tuple[int, int],
        attributes: Attributes,
        error: str | None = None,
        events: Sequence[SpanEvent] = (),
        links: Sequence[Link] = (),
    ) -> Span:
        start, end = rounded(*times)
        return Span(
            self.trace_id,
            own_id,
            parent_id,
            name,
            start,
            end,
            attributes,
            error,
            events,
            links,
            self.session.trace_state,
        )


def span_id(session: SessionStarted, kind: str, *parts: str) -> bytes:
    return ids.span_id(session.run_id, kind, *parts).to_bytes(SPAN_ID_BYTES, "big")


def test_id(session: SessionStarted, worker: str, nodeid: str, attempt: int) -> bytes:
    return ids.test_span_id(session.run_id, worker, nodeid, attempt).to_bytes(SPAN_ID_BYTES, "big")


def phase_id(test: bytes, phase: str) -> bytes:
    """The id of a phase from its test's."""
    return ids.phase_span_id(int.from_bytes(test, "big"), phase).to_bytes(SPAN_ID_BYTES, "big")
