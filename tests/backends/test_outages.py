"""A Collector that is away, or dies with all it holds, while a run goes on: nothing is lost."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backends.collector import Collector
from backends.jaeger import Jaeger, Trace
from backends.programs import wait_for
from backends.project import Project, Run, finish
from backends.sample import SLOW_SERIES

TINY = {"queue_size": 30_000, "batch": {"min_size": 8_000, "max_size": 20_000}}
TINY_QUEUE = {"exporters": {"otlp_http/jaeger": {"sending_queue": TINY}}}
"""Bytes: it is full after a few tests."""


@contextmanager
def running(project: Project, collector: Collector, tests: int) -> Iterator[subprocess.Popen[str]]:
    """Yield a run of tests of 0.25 s, each of which leaves a file; it ends when all of them are over."""
    project.write(SLOW_SERIES)
    process = project.start(f"--otel-endpoint=http://{collector.http}", TESTS=str(tests))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


def wait_for_tests(project: Project, number: int) -> None:
    wait_for(f"{number} tests", lambda: len(list(project.folder.glob("over-*"))) >= number, 60)


def assert_all_arrived(jaeger: Jaeger, project: Project, run: Run, tests: int) -> None:
    assert run.counts == {"passed": tests}, run.output
    told = re.search(r"otlp: \d+ tests, (\d+) spans delivered", run.output)
    assert told, run.output

    def arrived() -> Trace | None:
        traces = jaeger.search(project.service)
        assert len(traces) <= 1
        return next((trace for trace in traces if len(trace.spans) >= int(told[1])), None)

    trace = wait_for(f"{told[1]} spans", arrived)
    ids = [span.span_id for span in trace.spans]
    assert len(ids) == len(set(ids)) == int(told[1])
    assert len(trace.tests) == tests
    assert trace.warnings == []


def test_the_collector_is_away_for_ten_seconds_of_a_run(tmp_path: Path, jaeger: Jaeger, project: Project) -> None:
    collector = Collector(tmp_path, jaeger.http)
    with collector.program.running(), running(project, collector, 56) as process:
        wait_for_tests(project, 4)
        collector.program.stop()
        wait_for_tests(project, 4 + 40)
        collector.program.start()
        assert process.poll() is None
        run = finish(process)
        assert_all_arrived(jaeger, project, run, 56)


def stack_without_jaeger(tmp_path: Path, overlay: dict[str, Any]) -> tuple[Jaeger, Collector]:
    for name in ("jaeger", "collector"):
        (tmp_path / name).mkdir()
    jaeger = Jaeger(tmp_path / "jaeger")
    return jaeger, Collector(tmp_path / "collector", jaeger.http, overlay)


def test_the_collector_is_killed_with_a_full_queue(tmp_path: Path, project: Project) -> None:
    jaeger, collector = stack_without_jaeger(tmp_path, TINY_QUEUE)
    with collector.program.running(), running(project, collector, 60) as process:
        wait_for("the first refusal", lambda: collector.own("otelcol_exporter_enqueue_failed_spans"), 60)
        assert process.poll() is None
        collector.program.kill()
        with jaeger.program.running():
            collector.program.start()
            run = finish(process)
            assert_all_arrived(jaeger, project, run, 60)
