"""Events as they are written down, into what an endpoint decodes: any text, order and nesting, cut anywhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pytest_otlp import events
from pytest_otlp.events import Event
from pytest_otlp.exporter.delivery import Sender
from pytest_otlp.exporter.encode import MOST_BYTES, MOST_RECORDS, encode
from pytest_otlp.exporter.exporter import Exporter, Outcome, Senders
from pytest_otlp.exporter.progress import Progress
from pytest_otlp.exporter.records import Attributes, Record, Signal, Span
from pytest_otlp.exporter.transport import Answer, Encoded, Payload, Verdict
from pytest_otlp.journal import JournalReader
from support import model
from support.model import BEGIN, Plan, a_session
from support.received import ReceivedSpan, spans_in

HANGS = 30.0


class Endpoint:
    """Decodes what it is sent, as a server does."""

    one_by_one = True
    target = "endpoint:1"

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.sizes: list[tuple[int, int]] = []

    def encode(self, _signal: Signal, resource: Attributes, records: Sequence[Record]) -> Encoded:
        return encode(resource, records)

    def send(self, _signal: Signal, payload: Payload, _timeout: float) -> Answer:
        assert isinstance(payload.data, bytes)
        found = list(spans_in(ExportTraceServiceRequest.FromString(payload.data)))
        self.sizes.append((len(payload.data), len(found)))
        self.spans += found
        return Answer(Verdict.ACCEPTED)

    def close(self) -> None: ...


def delivered(journal: Path) -> tuple[Endpoint, Outcome]:
    """What an exporter makes of a journal whose process is gone."""
    endpoint, progress = Endpoint(), Progress(journal)
    sender = Sender(Signal.TRACES, endpoint, HANGS, progress.settle)
    exporter = Exporter(Senders(sender, None, None), progress, dict)
    with closing(JournalReader(journal)) as reader:
        while (lines := reader.lines()) is not None:
            exporter.take(lines)
    exporter.abandon(BEGIN + 10**9)
    exporter.close()
    sender.hurry(time.monotonic() + HANGS)
    sender.join(time.monotonic() + HANGS)
    progress.close()
    return endpoint, exporter.outcome()


def written(told: Sequence[Event]) -> bytes:
    return "".join(map(events.encode, told)).encode("ascii")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journals")


def fresh(folder: Path, content: bytes) -> Path:
    journal = folder / "run.jsonl"
    journal.with_suffix(".sent").unlink(missing_ok=True)
    journal.write_bytes(content)
    return journal


@given(model.plans(), st.data())
@settings(max_examples=40)
def test_every_span_of_a_run_arrives_once(folder: Path, plan: Plan, data: st.DataObject) -> None:
    order = [number for number, stream in enumerate(plan.streams) for _ in stream]
    told = plan.in_order(data.draw(st.permutations(order)))
    content = written(told)
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    endpoint, outcome = delivered(fresh(folder, content[:cut]))
    ids = [span.span_id for span in endpoint.spans]
    assert len(ids) == len(set(ids)) == outcome.produced == outcome.delivered
    assert (outcome.rejected, outcome.kept) == (0, 0)
    assert bool(ids) == (b"\n" in content[:cut])
    known = {*ids, ""} | {plan.session.parent_id}
    assert all(span.parent_id in known for span in endpoint.spans)
    assert all(0 < span.start < span.end for span in endpoint.spans)


@given(st.lists(model.events, max_size=12))
@settings(max_examples=60)
def test_any_events_in_any_order_add_up(folder: Path, told: list[Event]) -> None:
    """What no process of ours would write: all that can be read is counted, and nothing else comes of it."""
    _, outcome = delivered(fresh(folder, written([a_session(), *told])))
    assert outcome.produced == outcome.delivered + outcome.rejected
    assert outcome.kept == 0


@given(st.lists(st.binary(max_size=40) | model.events.map(lambda event: events.encode(event).encode("ascii"))))
@settings(max_examples=60)
def test_any_bytes_for_a_journal(folder: Path, lines: list[bytes]) -> None:
    content = written([a_session()]) + b"\n".join(lines)
    _, outcome = delivered(fresh(folder, content))
    assert outcome.produced == outcome.delivered + outcome.rejected
    assert outcome.kept == 0


@given(st.lists(st.integers(1, 3_000_000), max_size=5), st.integers(0, 1200))
@settings(max_examples=8, deadline=None)
def test_requests_are_small_enough_by_their_encoded_size(large: list[int], small: int) -> None:
    """4 MiB is what a gRPC server takes; characters of three bytes make the difference."""
    spans = [a_span(number, "\u20ac" * (size // 3)) for number, size in enumerate(large)]
    spans += [a_span(len(large) + number, "x") for number in range(small)]
    encoded = encode({"service.name": "shop"}, spans)
    sizes = [(len(payload.data), payload.size) for payload in encoded.payloads]
    assert all(size <= MOST_BYTES < 4 * 1024 * 1024 and number <= MOST_RECORDS for size, number in sizes)
    assert sum(payload.consumed for payload in encoded.payloads) == len(spans)


def a_span(number: int, text: str) -> Span:
    return Span(bytes(15) + b"\1", (number + 1).to_bytes(8, "big"), b"", "span", 1, 2, {"text": text})
