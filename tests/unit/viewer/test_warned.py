from __future__ import annotations

from contextlib import closing
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pytest_otlp import semconv
from pytest_otlp.viewer import warned
from pytest_otlp.viewer.brief import Item, parts_of
from pytest_otlp.viewer.schema import opened


def warning(message: str, times: int = 1) -> Item:
    """A span with it."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    for _ in range(times):
        event = span.events.add(name=semconv.WARNING_EVENT)
        event.attributes.add(key=semconv.WARNING_MESSAGE).value.string_value = message
    return parts_of(request.SerializeToString())[0].spans[0]


def test_warnings_of_shards_are_added_up(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "runs.db")) as store:
        warned.note(store, 1, warning("both"), 3)
        warned.note(store, 1, warning("early"), warned.NO_TEST)
        warned.note(store, 2, warning("both", 2), 4)
        warned.note(store, 2, warning("early"), 5)
        warned.note(store, 2, warning("late"), warned.NO_TEST)
        warned.move(store, 2, 1, offset=100)
        found = {told["message"]: (told["count"], told["test"]) for told in warned.of_run(store, 1)}
        assert found == {"both": (3, 3), "early": (2, 105), "late": (1, warned.NO_TEST)}
        assert warned.of_run(store, 2) == []
        warned.remove(store, 1)
        assert warned.of_run(store, 1) == []
