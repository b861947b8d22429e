"""The shipped Collector configuration by itself, with spans made by hand."""

from __future__ import annotations

import uuid
from pathlib import Path

from backends.collector import Collector
from backends.jaeger import Jaeger
from backends.otlp_json import one_span, sizes_received
from backends.programs import post_json, wait_for

MEBI = 1024 * 1024


def wait_for_spans(jaeger: Jaeger, service: str, number: int) -> None:
    def look() -> bool:
        return sum(len(trace.spans) for trace in jaeger.search(service)) == number

    wait_for(f"{number} spans of {service} in Jaeger", look)


def stack(folder: Path) -> tuple[Jaeger, Collector]:
    for name in ("jaeger", "collector"):
        (folder / name).mkdir()
    jaeger = Jaeger(folder / "jaeger")
    return jaeger, Collector(folder / "collector", jaeger.http)


def test_accepted_spans_outlive_a_killed_collector(tmp_path: Path) -> None:
    jaeger, collector = stack(tmp_path)
    with collector.program.running():
        for _ in range(5):
            assert post_json(f"http://{collector.http}/v1/traces", one_span("killed")) == 200
        collector.program.kill()
        with jaeger.program.running():
            collector.program.start()
            wait_for_spans(jaeger, "killed", 5)


def test_jaeger_comes_back(tmp_path: Path) -> None:
    jaeger, collector = stack(tmp_path)
    with collector.program.running(), jaeger.program.running():
        post_json(f"http://{collector.http}/v1/traces", one_span("before"))
        wait_for_spans(jaeger, "before", 1)
        jaeger.program.stop()
        post_json(f"http://{collector.http}/v1/traces", one_span("while-away"))
        wait_for("a failed export", lambda: "connection refused" in collector.program.log.read_text())
        jaeger.program.start()
        wait_for_spans(jaeger, "while-away", 1)


def test_an_attribute_that_jaeger_cannot_store_is_cut(jaeger: Jaeger, collector: Collector) -> None:
    service = f"large-{uuid.uuid4().hex[:8]}"
    post_json(f"http://{collector.http}/v1/traces", one_span(service, query="x" * MEBI))
    wait_for_spans(jaeger, service, 1)
    ((span,),) = (trace.spans for trace in jaeger.search(service))
    assert len(span.attributes["query"]) == 32 * 1024


def test_batches_stay_under_what_a_grpc_server_accepts(tmp_path: Path) -> None:
    """Both come within the time of a batch; together they would be too large, the second alone is nearly so."""
    attribute = "x" * 30_000
    requests = [one_span("large", **{f"part-{part}": attribute for part in range(parts)}) for parts in (30, 130)]
    with sizes_received() as (address, sizes):
        collector = Collector(tmp_path, address)
        with collector.program.running():
            for request in requests:
                post_json(f"http://{collector.http}/v1/traces", request)
            wait_for("both spans", lambda: sum(sizes) > 160 * len(attribute))
    assert max(sizes) < 4 * MEBI


def test_jaeger_does_not_show_itself(jaeger: Jaeger) -> None:
    jaeger.search("anything")
    assert "jaeger" not in jaeger.services()
