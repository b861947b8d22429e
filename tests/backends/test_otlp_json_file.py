"""What `--otel-endpoint=file:` writes is what the Collector's own receiver for such files reads."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from backends.collector import Collector
from backends.jaeger import Jaeger
from backends.otlp_json import records_in
from backends.programs import ROOT, wait_for
from backends.project import Project
from backends.sample import EVERY_OUTCOME, MUCH_TEXT

EXAMPLE = ROOT / "docs/examples/read-file.yaml"


def span_ids(path: Path) -> set[str]:
    return {span["spanId"] for span in records_in(path, "spans")}


# Much text: the receiver splits lines of more than 1 MiB, and the halves are no JSON.
@pytest.mark.parametrize("suite", [EVERY_OUTCOME, MUCH_TEXT], ids=["every outcome", "much text"])
def test_the_collector_reads_the_file(tmp_path: Path, jaeger: Jaeger, project: Project, suite: str) -> None:
    project.write(suite)
    run = project.run("--otel-endpoint=file:run.jsonl")
    written, read = project.folder / "run.jsonl", tmp_path / "read.jsonl"
    ids = span_ids(written)
    assert len(ids) > sum(run.counts.values()), run.output
    overlay = {
        "exporters": {"file": {"path": str(read), "flush_interval": "100ms"}},
        "service": {"pipelines": {"traces": {"exporters": ["otlp_http/jaeger", "file"]}}},
    }
    collector = Collector(tmp_path, jaeger.http, overlay, {"OTLP_FILE": str(written)}, [str(EXAMPLE)])
    with collector.program.running():
        wait_for(f"{len(ids)} spans, read by the Collector", lambda: span_ids(read) == ids)
        (trace,) = wait_for("the run in Jaeger", lambda: [t for t in jaeger.search(project.service) if t.roots])
    assert Counter(span.attributes["pytest.outcome"] for span in trace.tests) == run.counts
