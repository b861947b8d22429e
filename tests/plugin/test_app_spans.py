"""Spans of a tested application that has no provider of its own."""

from __future__ import annotations

import pytest

from support.received import ReceivedSpan
from support.runs import Run, Runner
from support.traces import ERROR, TOLERANCE

ON = "otel_app_spans = on"
SUITE = """
    import threading
    import pytest
    from opentelemetry import context, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode

    tracer = trace.get_tracer("shop", "1.2")

    @pytest.fixture
    def stock():
        with tracer.start_as_current_span("fill"):
            pass
        yield

    def test_order(stock):
        told = {"n": 3, "api_key": "hunter2"}
        with tracer.start_as_current_span("order", kind=SpanKind.SERVER, attributes=told) as span:
            span.add_event("packed", {"boxes": 2})
            with tracer.start_as_current_span("pay", kind=SpanKind.CLIENT) as inner:
                inner.set_status(Status(StatusCode.OK))
        other = trace.SpanContext(1, 2, is_remote=True)
        with tracer.start_as_current_span("linked", links=[trace.Link(other, {"why": "other"})]):
            pass

    def test_fails():
        with pytest.raises(LookupError):
            with tracer.start_as_current_span("broken"):
                raise LookupError("gone")

    def test_thread():
        def work(token):
            context.attach(token)
            with tracer.start_as_current_span("thread"):
                pass
        thread = threading.Thread(target=work, args=(context.get_current(),))
        thread.start()
        thread.join()
"""


def span(run: Run, name: str) -> ReceivedSpan:
    (found,) = (span for span in run.spans if span.name == name)
    return found


@pytest.mark.parametrize("args", ["", "-n2", "--otel-trace-per=test"])
def test_they_arrive_as_the_application_made_them(run_pytest: Runner, args: str) -> None:
    if args == "-n2":
        pytest.importorskip("xdist")
    run = run_pytest(SUITE, *args.split(), ini=ON)
    assert run.summary == {"passed": 3}, run.stdout
    order, pay, linked = span(run, "order"), span(run, "pay"), span(run, "linked")
    call = run.phase("test_order", "call")
    assert (order.trace_id, order.parent_id, order.kind) == (call.trace_id, call.span_id, 2)
    assert order.attributes == {"n": 3, "api_key": "[redacted]", "otel.scope.name": "shop", "otel.scope.version": "1.2"}
    assert [(event.name, event.attributes) for event in order.events] == [("packed", {"boxes": 2})]
    assert (pay.parent_id, pay.kind, pay.status) == (order.span_id, 3, 1)
    assert [(link.trace_id, link.attributes) for link in linked.links] == [(f"{1:032x}", {"why": "other"})]
    assert span(run, "fill").parent_id == run.phase("test_order", "setup").span_id
    broken = span(run, "broken")
    assert (broken.status, broken.message) == (ERROR, "LookupError: gone")
    assert [event.attributes["exception.message"] for event in broken.events] == ["gone"]
    assert span(run, "thread").parent_id == run.phase("test_thread", "call").span_id


def test_off_unless_asked_for(run_pytest: Runner) -> None:
    assert not [span for span in run_pytest(SUITE).spans if span.name == "order"]


OWN = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    trace.set_tracer_provider(provider)

    def test_a():
        with trace.get_tracer("shop").start_as_current_span("order"): pass
        assert [span.name for span in made.get_finished_spans()] == ["order"]
        assert trace.get_tracer_provider() is provider
"""


def test_a_provider_of_the_application_stays_alone(run_pytest: Runner) -> None:
    run = run_pytest(OWN, ini=ON)
    assert run.summary == {"passed": 1}, run.stdout
    assert "order" not in {span.name for span in run.spans}


RESET = """
    import logging
    from opentelemetry import trace
    from opentelemetry.util._once import Once

    def order(name):
        with trace.get_tracer("shop").start_as_current_span(name): pass

    def test_1(): order("first")

    def test_2_resets():
        trace._TRACER_PROVIDER = None
        trace._TRACER_PROVIDER_SET_ONCE = Once()
        order("lost")

    def test_3(): order("third")

    def test_4_resets_half(): trace._TRACER_PROVIDER = None

    def test_5(caplog, request):
        order("lost too")
        assert caplog.get_records("setup") == []

    def test_6_resets():
        trace._TRACER_PROVIDER_SET_ONCE = Once()

    def test_7(): order("seventh")
"""


def test_a_test_that_resets_the_globals_changes_nothing_for_the_next(run_pytest: Runner) -> None:
    run = run_pytest(RESET, ini=ON)
    assert run.summary == {"passed": 7}, run.stdout
    assert {"first", "third", "seventh"} <= {span.name for span in run.spans}
    assert not {"lost", "lost too"} & {span.name for span in run.spans}


def test_a_clock_that_a_test_replaces(run_pytest: Runner) -> None:
    pytest.importorskip("freezegun")
    suite = """
        import time
        import freezegun
        from opentelemetry import trace

        def test_a():
            with freezegun.freeze_time("2001-01-01"):
                with trace.get_tracer("shop").start_as_current_span("order") as span:
                    span.add_event("packed")
    """
    run = run_pytest(suite, ini=ON)
    call = run.phase("test_a", "call")
    assert call.start <= span(run, "order").start <= span(run, "order").end <= call.end


def test_times_that_are_none(run_pytest: Runner) -> None:
    """Of an application that gives seconds, or worse: the SDK takes them as they are."""
    suite = """
        import time
        from opentelemetry import trace

        def test_a():
            span = trace.get_tracer("shop").start_span("order", start_time=time.time())
            span.add_event("packed", timestamp=time.time())
            span.end(end_time=time.time())
            trace.get_tracer("shop").start_span("text", start_time="now").end(end_time="later")
    """
    run = run_pytest(suite, ini=ON)
    call = run.phase("test_a", "call")
    assert run.summary == {"passed": 1}
    for name in ("order", "text"):
        assert call.start <= span(run, name).start <= span(run, name).end <= call.end + TOLERANCE


def test_a_bad_value(run_pytest: Runner) -> None:
    run = run_pytest(SUITE, ini="otel_app_spans = maybe")
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "ini option otel_app_spans='maybe': use on or off" in run.stderr
