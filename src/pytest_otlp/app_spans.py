"""Spans of an application that has no provider of its own: they go the way of ours (`otel_app_spans = on`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanContext, StatusCode

from pytest_otlp import events
from pytest_otlp.context import TEXT_LIMIT, plain
from pytest_otlp.events import AppSpan, LinkFact, SpanEventFact
from pytest_otlp.redact import without_secrets
from pytest_otlp.safe import text_of, time_of

if TYPE_CHECKING:
    from opentelemetry.context import Context

FAKED = 60_000_000_000
"""ns that the SDK's clock is away from ours where a test has replaced it: an application may give times of its own."""


class Journaled(SpanProcessor):
    """Writes finished spans down, in whichever thread they end."""

    def __init__(self, tell: Callable[[str], None], now: Callable[[], int], redact: tuple[str, ...]) -> None:
        self._tell: Callable[[str], None] | None = tell
        self._now = now
        self._redact = redact
        self._starts: dict[int, int] = {}
        """By our clock, of spans that a test began with another one."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002  the SDK's signature
        now = self._now()
        if span.context is not None and abs(now - time_of(span.start_time, 0)) > FAKED:
            self._starts[span.context.span_id] = now

    def on_end(self, span: ReadableSpan) -> None:
        """The application must not notice what goes wrong in here."""
        if self._tell is None or span.context is None:
            return
        start = self._starts.pop(span.context.span_id, None)
        try:
            self._tell(events.encode(self._fact_of(span, span.context, start)))
        except Exception:  # noqa: BLE001  see above
            return

    def _fact_of(self, span: ReadableSpan, context: SpanContext, start: int | None) -> AppSpan:
        now = self._now()
        own_start, own_end = time_of(span.start_time, now), time_of(span.end_time, now)
        offset = 0 if start is None else start - own_start
        own_now = now - offset
        return AppSpan(
            trace_id=f"{context.trace_id:032x}",
            span_id=f"{context.span_id:016x}",
            parent_id=f"{span.parent.span_id:016x}" if span.parent is not None else "",
            trace_state=context.trace_state.to_header(),
            name=text_of(span.name),
            kind=span.kind.value + 1,
            start=own_start + offset,
            end=own_end if start is None else now,
            attributes={**self._plain(span.attributes), **_scope_of(span)},
            error=text_of(span.status.description or "") if span.status.status_code is StatusCode.ERROR else None,
            ok=span.status.status_code is StatusCode.OK,
            events=tuple(
                SpanEventFact(event.name, time_of(event.timestamp, own_now) + offset, self._plain(event.attributes))
                for event in span.events
            ),
            links=tuple(
                LinkFact(f"{li.context.trace_id:032x}", f"{li.context.span_id:016x}", self._plain(li.attributes))
                for li in span.links
            ),
        )

    def _plain(self, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        found = {name: plain(value) for name, value in (attributes or {}).items()}
        return without_secrets(found, self._redact)

    def shutdown(self) -> None:
        """The run is over, the global provider stays: nothing more is written."""
        self._tell = None


def _scope_of(span: ReadableSpan) -> dict[str, str]:
    """The tracer, as attributes (specification, "Mapping OpenTelemetry to non-OTLP formats"): all share our scope."""
    scope = span.instrumentation_scope
    if scope is None:
        return {}
    found = {"otel.scope.name": scope.name, "otel.scope.version": scope.version}
    return {name: value for name, value in found.items() if value}


class AppSpans:
    """Keeps our provider in place where there is none, also after a test that took it away."""

    def __init__(self, processor: Journaled) -> None:
        limits = SpanLimits(max_attribute_length=TEXT_LIMIT)
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.get_empty(), shutdown_on_exit=False, span_limits=limits
        )
        self._provider.add_span_processor(processor)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            _set_silently(self._provider)


def _set_silently(provider: TracerProvider) -> None:
    """Where a test has reset half of the globals, the API refuses and warns, in the next test's log."""
    logger = logging.getLogger(trace.__name__)
    disabled, logger.disabled = logger.disabled, True
    try:
        trace.set_tracer_provider(provider)
    finally:
        logger.disabled = disabled


def provide(
    tell: Callable[[str], None], now: Callable[[], int], redact: tuple[str, ...], session: pytest.Session
) -> None:
    """After the collection: an application that sets its provider when it is imported has set it by now."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        processor = Journaled(tell, now, redact)
        session.config.add_cleanup(processor.shutdown)
        session.config.pluginmanager.register(AppSpans(processor), "otlp-app-spans")
