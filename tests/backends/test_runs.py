"""Runs as Jaeger shows them, sent straight to it and through the Collector."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from backends.collector import Collector
from backends.jaeger import Jaeger, Trace, run_status
from backends.otlp_json import records_in
from backends.programs import get_json, get_text, wait_for
from backends.project import Project, Run
from backends.sample import EVERY_OUTCOME, HELD

ROUTES = ("jaeger-grpc", "jaeger-http", "collector-grpc", "collector-http")
PROTOCOLS = {"grpc": "grpc", "http": "http/protobuf"}


def endpoint(request: pytest.FixtureRequest, route: str) -> tuple[str, str]:
    name, protocol = route.split("-")
    address = getattr(request.getfixturevalue(name), protocol)
    return f"--otel-endpoint=http://{address}", f"--otel-protocol={PROTOCOLS[protocol]}"


def finished_trace(jaeger: Jaeger, project: Project, run: Run) -> Trace:
    """Wait for the project's only trace to have its root, which is sent last."""

    def look() -> Trace | None:
        traces = jaeger.search(project.service)
        assert len(traces) <= 1
        return next((trace for trace in traces if trace.roots), None)

    return wait_for(f"the root in Jaeger of\n{run.output}", look)


@pytest.mark.parametrize("route", ROUTES)
def test_a_run_arrives_whole(request: pytest.FixtureRequest, jaeger: Jaeger, project: Project, route: str) -> None:
    project.write(EVERY_OUTCOME)
    run = project.run(*endpoint(request, route))
    assert run.exit_code == 1, run.output
    trace = finished_trace(jaeger, project, run)
    assert Counter(span.attributes["pytest.outcome"] for span in trace.tests) == run.counts
    assert len(trace.tests) == 8


@pytest.mark.parametrize("route", ROUTES)
def test_the_tree_is_sound(request: pytest.FixtureRequest, jaeger: Jaeger, project: Project, route: str) -> None:
    project.write(EVERY_OUTCOME)
    run = project.run(*endpoint(request, route))
    trace = finished_trace(jaeger, project, run)
    (root,) = trace.roots
    ids = [span.span_id for span in trace.spans]
    assert len(set(ids)) == len(ids)
    assert {span.parent_id for span in trace.spans} - set(ids) == {""}
    assert {span.parent_id for span in trace.tests} == {root.span_id}
    assert (root.name, root.service, run_status(root)) == ("pytest", project.service, "failure")
    assert trace.title == f"{project.service}: pytest"
    assert trace.warnings == []


@pytest.mark.parametrize("route", ROUTES)
def test_a_run_is_in_the_list_while_it_goes_on(
    request: pytest.FixtureRequest, jaeger: Jaeger, project: Project, route: str
) -> None:
    project.write(HELD)
    titles: set[str] = set()

    def shown() -> Trace | None:
        traces = jaeger.search(project.service)
        titles.update(trace.title for trace in traces)
        return next((trace for trace in traces if trace.named("test_shop.py::test_before")), None)

    with project.held(project.start(*endpoint(request, route))) as held:
        during = wait_for("the run, with its first test, while the second goes on", shown)
        assert during.roots == []
        assert len(during.tests) == 1
    assert held.run.counts == {"passed": 3}, held.run.output
    after = finished_trace(jaeger, project, held.run)
    assert after.trace_id == during.trace_id
    assert len(after.tests) == 3
    assert {*titles, after.title} == {f"{project.service}: pytest"}
    # Jaeger has been read while parents were missing; none of that may be left.
    assert after.warnings == []


def test_the_printed_links_open_the_trace(jaeger: Jaeger, project: Project) -> None:
    project.write(EVERY_OUTCOME)
    page = f"http://{jaeger.query}/trace/"
    run = project.run(f"--otel-endpoint=http://{jaeger.http}", f"--otel-trace-url={page}{{trace_id}}")
    trace = finished_trace(jaeger, project, run)
    links = re.findall(rf"{re.escape(page)}\w+", run.output)
    assert links == [f"{page}{trace.trace_id}"] * 2, run.output
    assert "<html" in get_text(links[0])
    (shown,) = get_json(links[0].replace("/trace/", "/api/traces/"))["data"]
    assert len(shown["spans"]) == len(trace.spans)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_jaeger_refuses_metrics_and_logs_and_the_traces_go_on(
    request: pytest.FixtureRequest, jaeger: Jaeger, project: Project, protocol: str
) -> None:
    project.write(EVERY_OUTCOME)
    run = project.run(*endpoint(request, f"jaeger-{protocol}"), "--otel-logs=on")
    for signal in ("metrics", "logs"):
        assert len(run.notices_of(signal)) == 1, run.output
    assert len(finished_trace(jaeger, project, run).tests) == 8


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_collector_takes_every_signal(tmp_path: Path, jaeger: Jaeger, project: Project, protocol: str) -> None:
    received = tmp_path / "received.jsonl"
    kept = {"receivers": ["otlp"], "exporters": ["file"]}
    overlay = {
        "exporters": {"file": {"path": str(received), "flush_interval": "100ms"}},
        "service": {"pipelines": {"metrics/file": kept, "logs/file": kept}},
    }
    project.write(EVERY_OUTCOME)
    collector = Collector(tmp_path, jaeger.http, overlay)
    with collector.program.running():
        address = getattr(collector, protocol)
        run = project.run(
            f"--otel-endpoint=http://{address}", f"--otel-protocol={PROTOCOLS[protocol]}", "--otel-logs=on"
        )
        assert run.notices_of("metrics") == run.notices_of("logs") == [], run.output
        assert len(finished_trace(jaeger, project, run).tests) == 8
    events = Counter(record.get("eventName") for record in records_in(received, "logRecords"))
    assert events["test.case.finished"] == 8
    assert outcome_counts(records_in(received, "metrics")) == run.counts


def outcome_counts(metrics: list[dict[str, Any]]) -> dict[str, int]:
    """Read what the counter stood at in the end, by `pytest.outcome`."""
    counters = [metric["sum"] for metric in metrics if metric["name"] == "test.case.result.count"]
    points = [point for counter in counters for point in counter["dataPoints"]]
    last = {point["attributes"][0]["value"]["stringValue"]: int(point["asInt"]) for point in points}
    return {outcome: count for outcome, count in last.items() if count}
