"""The current span where tests run: what they say to it, what nests below it, and what they may not notice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.runs import Run, Runner
from support.traces import ERROR

SPOKEN = """
    import pytest
    from opentelemetry import trace
    from opentelemetry.trace import Status, StatusCode

    @pytest.fixture
    def told():
        trace.get_current_span().set_attribute("in.setup", 1)
        trace.get_current_span().add_event("prepared")
        yield
        trace.get_current_span().set_attribute("in.teardown", 2)

    def test_says(told):
        span = trace.get_current_span()
        assert span.is_recording()
        span.set_attribute("in.call", "x")
        span.set_attributes({"list": ["a", "b"], "db_password": "hunter2", "object": {"a": 1}, "flag": True})
        span.add_event("paid", {"amount": 3})
        span.update_name("another name")
        span.end()
        span.set_attribute("after.end", 0.5)

    def test_records():
        try:
            raise LookupError("swallowed")
        except LookupError as error:
            trace.get_current_span().record_exception(error)

    def test_fixture(otel_span):
        assert otel_span is trace.get_current_span()
        otel_span.set_attribute("by", "fixture")

    def test_status():
        trace.get_current_span().set_status(Status(StatusCode.ERROR, "half done"))

    def test_status_taken_back():
        trace.get_current_span().set_status(StatusCode.ERROR, "half done")
        trace.get_current_span().set_status(StatusCode.OK)

    def test_silent(): pass
"""


def properties(run: Run, test: str) -> dict[str, Any]:
    prefix = "pytest.property."
    found = run.test(test).attributes
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def test_what_tests_say_to_their_span(run_pytest: Runner) -> None:
    run = run_pytest(SPOKEN)
    assert run.exit_code == 0, run.stdout
    assert (
        run.tree()
        == """
pytest success
  collection
  test_it.py::test_says passed (setup *prepared, call *paid, teardown)
  test_it.py::test_records passed (setup, call *LookupError, teardown)
  test_it.py::test_fixture passed (setup, call, teardown)
  test_it.py::test_status passed !half done (setup, call !, teardown)
  test_it.py::test_status_taken_back passed (setup, call, teardown)
  test_it.py::test_silent passed (setup, call, teardown)
"""
    )
    assert properties(run, "test_says") == {
        "in.setup": 1,
        "in.call": "x",
        "in.teardown": 2,
        "list": ["a", "b"],
        "db_password": "[redacted]",
        "object": "{'a': 1}",
        "flag": True,
        "after.end": 0.5,
    }
    assert properties(run, "test_fixture") == {"by": "fixture"}
    assert properties(run, "test_silent") == {}
    (paid,) = run.phase("test_says", "call").events
    assert paid.attributes == {"amount": 3}
    (recorded,) = run.phase("test_records", "call").events
    assert recorded.attributes["exception.message"] == "swallowed"
    assert "LookupError: swallowed" in recorded.attributes["exception.stacktrace"]


def test_events_of_a_test_without_phases(run_pytest: Runner) -> None:
    run = run_pytest(SPOKEN, "--otel-detail=tests", "-k", "says or status")
    assert (
        run.tree()
        == """
pytest success
  collection
  test_it.py::test_says passed *prepared *paid
  test_it.py::test_status passed !half done
  test_it.py::test_status_taken_back passed
"""
    )


def test_an_event_at_a_time_that_is_none(run_pytest: Runner) -> None:
    """In s, before the epoch, after its end, or no number: it stands where it was added."""
    suite = """
        import time
        import pytest

        @pytest.mark.parametrize("given", [time.time(), -1, 2 ** 70, "now", True])
        def test_said(otel_span, given):
            otel_span.add_event("said", timestamp=given)
    """
    run = run_pytest(suite)
    assert run.summary == {"passed": 5}
    assert [event.name for span in run.spans for event in span.events] == ["said"] * 5


IDS = """
    import json
    import pytest
    from opentelemetry import context, propagate, trace

    seen = {}

    def note(name):
        carrier = {}
        propagate.inject(carrier)
        span = trace.get_current_span().get_span_context()
        seen[name] = [f"{span.span_id:016x}", f"{span.trace_id:032x}", carrier["traceparent"], span.is_valid]

    @pytest.fixture(scope="module", autouse=True)
    def kept():
        note("module")
        yield
        note("module teardown")
        with open("seen.json", "w") as file:
            json.dump(seen, file)

    @pytest.fixture
    def fix():
        note("setup")
        yield
        note("teardown")

    def test_a(fix): note("call")

    def test_leaves_a_context():
        context.attach(trace.set_span_in_context(trace.INVALID_SPAN))

    def test_b(fix): note("next")
"""


@pytest.mark.parametrize("detail", ["phases", "tests"])
def test_ids_and_propagation(run_pytest: Runner, detail: str) -> None:
    run = run_pytest(IDS, f"--otel-detail={detail}")
    seen = json.loads((run.folder / "seen.json").read_text())
    for name, test, phase in [
        ("module", "test_a", "setup"),
        ("call", "test_a", "call"),
        ("next", "test_b", "call"),
        ("setup", "test_b", "setup"),
        ("teardown", "test_b", "teardown"),
        ("module teardown", "test_b", "teardown"),
    ]:
        span = run.phase(test, phase) if detail == "phases" else run.test(test)
        traceparent = f"00-{span.trace_id}-{span.span_id}-01"
        assert seen[name] == [span.span_id, span.trace_id, traceparent, True], name


LATE = """
    import asyncio, json, sys, threading

    seen = {}

    def note(name):
        from opentelemetry import trace

        seen[name] = f"{trace.get_current_span().get_span_context().span_id:016x}"

    def test_before():
        assert not any(name.startswith("opentelemetry.") for name in sys.modules)

    def test_first():
        %s

    def test_later():
        note("test_later")
        with open("seen.json", "w") as file:
            json.dump(seen, file)
"""


@pytest.mark.parametrize(
    "first",
    [
        'note("test_first")',
        'asyncio.run(asyncio.wait_for(asyncio.to_thread(note, "thread"), 60)); note("test_first")',
        'thread = threading.Thread(target=note, args=["thread"]); thread.start(); thread.join()',
    ],
    ids=["in a test", "in a task's thread", "in a thread"],
)
def test_whoever_imports_opentelemetry_first(run_pytest: Runner, first: str) -> None:
    """Nothing of it is imported before, and whoever asks then finds the span."""
    run = run_pytest(LATE % first)
    assert run.exit_code == 0, run.stdout
    seen = json.loads((run.folder / "seen.json").read_text())
    assert seen["test_later"] == run.phase("test_later", "call").span_id
    if "test_first" in seen and "thread" not in seen:
        assert seen["test_first"] == run.phase("test_first", "call").span_id


APPLICATION = """
    import json
    import pytest
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    tracer = provider.get_tracer("shop")

    @pytest.fixture
    def stock():
        with tracer.start_as_current_span("stock"):
            yield
        with tracer.start_as_current_span("clear"):
            pass

    def test_a(stock):
        with tracer.start_as_current_span("order"):
            with tracer.start_as_current_span("pay"):
                pass

    def test_b():
        with tracer.start_as_current_span("next"):
            pass

    def test_they_are_written():
        spans = {s.name: [f"{s.parent.span_id:016x}", f"{s.context.trace_id:032x}"] for s in made.get_finished_spans()}
        spans["id of order"] = [f"{s.context.span_id:016x}" for s in made.get_finished_spans() if s.name == "order"]
        with open("seen.json", "w") as file:
            json.dump(spans, file)
        assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"
"""


def test_spans_of_the_tested_application_nest(run_pytest: Runner) -> None:
    """A generator fixture's context is pytest's own between its halves: the SDK's `stock` stays current in the call."""
    run = run_pytest(APPLICATION)
    assert run.exit_code == 0, run.stdout
    seen = json.loads((run.folder / "seen.json").read_text())
    assert seen["stock"] == [run.phase("test_a", "setup").span_id, run.root.trace_id]
    assert seen["clear"] == [run.phase("test_a", "teardown").span_id, run.root.trace_id]
    assert seen["pay"] == [seen["id of order"][0], run.root.trace_id]
    assert seen["next"] == [run.phase("test_b", "call").span_id, run.root.trace_id]


NOTICED = """
    import json, logging, os, signal, sys, warnings
    from opentelemetry import trace

    def test_world(request):
        provider = type(trace.get_tracer_provider()).__name__
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTEST_CURRENT_TEST", "COLUMNS")}
        handlers = [str(handler) for handler in logging.getLogger().handlers]
        filters = [str(filter[:2]) for filter in warnings.filters]
        facts = [provider, environment, handlers, filters, sys.excepthook.__module__, str(signal.getsignal(2))]
        with open(request.config.getoption("--basetemp"), "w") as file:
            json.dump(facts, file)
"""


def test_the_world_is_the_same_with_and_without(run_pytest: Runner) -> None:
    with_plugin, without = run_pytest.folder.parent / "with.json", run_pytest.folder.parent / "without.json"
    assert run_pytest(NOTICED, f"--basetemp={with_plugin}").exit_code == 0
    assert run_pytest.without(NOTICED, f"--basetemp={without}").exit_code == 0
    assert json.loads(with_plugin.read_text()) == json.loads(without.read_text())


def test_without_the_plugin_the_fixture_ignores_everything(run_pytest: Runner) -> None:
    suite = """
        def test_a(otel_span):
            assert not otel_span.is_recording()
            otel_span.set_attribute("a", 1)
            otel_span.add_event("b")
    """
    assert run_pytest.without(suite).summary == {"passed": 1}


def test_context_off(run_pytest: Runner) -> None:
    suite = """
        from opentelemetry import trace

        def test_a(otel_span):
            assert not otel_span.is_recording()
            assert not trace.get_current_span().get_span_context().is_valid
    """
    run = run_pytest(suite, ini="otel_context = off")
    assert run.exit_code == 0, run.stdout


def test_too_many_words_are_left_out_and_the_rest_arrives(run_pytest: Runner) -> None:
    suite = """
        def test_a(otel_span):
            for number in range(1000):
                otel_span.set_attribute(f"n{number}", number)
                otel_span.add_event(f"e{number}")
    """
    run = run_pytest(suite)
    assert len(properties(run, "test_a")) == 128
    assert len(run.phase("test_a", "call").events) == 128
    assert run.test("test_a").status != ERROR


def test_a_parent_from_outside(run_pytest: Runner) -> None:
    suite = """
        from opentelemetry import baggage, trace

        def test_a():
            context = trace.get_current_span().get_span_context()
            assert context.trace_state.get("vendor") == "v1"
            assert baggage.get_baggage("tenant") == "acme"
    """
    trace_id, parent_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    env = {
        "TRACEPARENT": f"00-{trace_id}-{parent_id}-01",
        "TRACESTATE": "vendor=v1",
        "BAGGAGE": "tenant=acme",
        "PYTEST_CURRENT_TEST": None,
    }
    run = run_pytest(suite, env=env, parent_id=parent_id)
    assert run.exit_code == 0, run.stdout
    assert {(span.trace_id, span.trace_state) for span in run.spans} == {(trace_id, "vendor=v1")}


def test_the_environment_of_an_outer_test_is_no_parent(run_pytest: Runner) -> None:
    env = {"TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    run = run_pytest("def test_a(): pass", env=env)
    assert run.root.trace_id != "0af7651916cd43dd8448eb211c80319c"
