"""The test's span as the current span of the process where the test runs.

One object is attached once, and answers for whichever phase is running at the moment it is asked. A span of its own
attached in each phase would be wrong wherever contexts are copied early (pytest-asyncio's generator fixtures, anyio's
shared task). This module imports the OpenTelemetry API, and nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.util import types

from pytest_otlp import ids
from pytest_otlp.events import SpanEventFact, SpanFacts
from pytest_otlp.safe import cut_middle, exception_message, is_plain, qualified_name, text_of, time_of

if TYPE_CHECKING:
    from pytest_otlp.worker import Place

MAX_ATTRIBUTES = 128
"""What a test may set on its span in one phase; the default limit of the SDK (`OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`)."""
MAX_EVENTS = 128
TEXT_LIMIT = 32 * 1024
"""Bytes; room for the stack trace of a recorded exception."""


class CurrentSpan(trace.Span):
    """The span of what runs now: a phase of a test, or the session outside of tests.

    What a test says to it is collected until the phase ends, and travels with the phase's report.
    """

    def __init__(
        self,
        place: Place,
        *,
        trace_id: str,
        run_id: str,
        trace_state: str,
        worker: str,
        phases: bool,
        now: Callable[[], int],
        asked: Callable[[], None],
    ) -> None:
        """`phases`: whether phases have spans of their own; else the test's span answers.

        `asked`: called when somebody is about to know a phase by its id.
        """
        self._place = place
        self._trace_id = int(trace_id, 16)
        self._run_id = run_id
        self._trace_state = TraceState.from_header([trace_state]) if trace_state else None
        self._worker = worker
        self._phases = phases
        self._now = now
        self._asked = asked
        self._attributes: dict[str, Any] = {}
        self._events: list[SpanEventFact] = []
        self._error: str | None = None
        self.said = False
        """Whether there is something to take."""

    def get_span_context(self) -> SpanContext:
        key = self._trace_key()
        return SpanContext(
            ids.trace_id(self._run_id, *key) if key else self._trace_id,
            self._span_id(),
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
            trace_state=None if key else self._trace_state,
        )

    def _trace_key(self) -> tuple[str, ...]:
        """Of the trace that the test is in; empty for the run's own."""
        place = self._place
        return place.plan.key_of(self._worker, place.nodeid, place.attempt) if place.nodeid else ()

    def _span_id(self) -> int:
        place = self._place
        if not place.nodeid:
            return ids.span_id(self._run_id, ids.ROOT)
        phase = place.phase if self._phases else ""
        if phase:
            self._asked()
        return ids.test_span_id(self._run_id, self._worker, place.nodeid, place.attempt, phase)

    def is_recording(self) -> bool:
        return bool(self._place.nodeid)

    def set_attribute(self, key: str, value: types.AttributeValue) -> None:
        if not self.is_recording() or (len(self._attributes) >= MAX_ATTRIBUTES and key not in self._attributes):
            return
        self.said = True
        self._attributes[text_of(key)] = plain(value)

    def set_attributes(self, attributes: Mapping[str, types.AttributeValue]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: types.Attributes = None, timestamp: int | None = None) -> None:
        if not self.is_recording() or len(self._events) >= MAX_EVENTS:
            return
        self.said = True
        facts = {text_of(key): plain(value) for key, value in (attributes or {}).items()}
        self._events.append(SpanEventFact(text_of(name), time_of(timestamp, self._now()), facts))

    def add_link(self, context: SpanContext, attributes: types.Attributes = None) -> None:
        """Left out: a link inside one trace makes viewers loop, and others have no place in the contract."""

    def record_exception(
        self,
        exception: BaseException,
        attributes: types.Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: ARG002  the API's signature
    ) -> None:
        import traceback  # noqa: PLC0415  needed by few tests

        try:
            stacktrace = "".join(traceback.format_exception(type(exception), exception, exception.__traceback__))
        except Exception:  # noqa: BLE001  any code of the user's may run in there
            stacktrace = ""
        facts: dict[str, Any] = {
            "exception.type": qualified_name(type(exception)),
            "exception.message": exception_message(exception),
            "exception.stacktrace": stacktrace,
        }
        self.add_event("exception", {**facts, **(attributes or {})}, timestamp)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if not self.is_recording():
            return
        code = status.status_code if isinstance(status, Status) else status
        if isinstance(status, Status):
            description = status.description
        self._error = text_of(description or "") if code is StatusCode.ERROR else None
        self.said = True

    def update_name(self, name: str) -> None:
        """Ignored: a test's span is named as the test."""

    def end(self, end_time: int | None = None) -> None:
        """Ignored: it ends with its phase."""

    def take(self) -> SpanFacts:
        """What was said since the last call."""
        facts = SpanFacts(self._attributes, tuple(self._events), self._error)
        self._attributes, self._events, self._error, self.said = {}, [], None, False
        return facts


def plain(value: object) -> Any:
    """An attribute value of OpenTelemetry's types: anything else becomes its text."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [_plain(item) for item in value]
    return _plain(value)


def _plain(value: object) -> Any:
    return value if is_plain(value) and not isinstance(value, str) else cut_middle(text_of(value), TEXT_LIMIT)


class Attachment:
    """The context of this process with our span as the current one."""

    def __init__(self, span: CurrentSpan, place: Place, baggage: str = "") -> None:
        self._before = context.get_current()
        base = _with_baggage(baggage) if baggage else self._before
        self._context: Context = trace.set_span_in_context(span, base)
        self._empty = Context()
        self._place = place
        self.restore()

    def restore(self) -> None:
        """Puts our context back where a test attached another and left it behind, or where it never was.

        A test that does not want ours gets an empty one.
        """
        wanted = self._context if self._place.visible else self._empty
        if context.get_current() is not wanted:
            context.attach(wanted)

    def detach(self) -> None:
        """Not by the token of the attaching, which is of the thread or task that did it."""
        context.attach(self._before)


def _with_baggage(header: str) -> Context:
    from opentelemetry.baggage.propagation import W3CBaggagePropagator  # noqa: PLC0415  only where BAGGAGE is set

    return W3CBaggagePropagator().extract({"baggage": header})
