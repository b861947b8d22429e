"""What arrived: spans found and matched to the tests they belong to. Runs in the server's environment."""

from __future__ import annotations

import gzip
import importlib
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

TEST = re.compile(r"(?<![A-Za-z])test_\d{5}(?!\d)")


class Request(NamedTuple):
    """One request as it was read; `arrived` in ns since the epoch, when its last byte was there."""

    path: str
    encoding: str
    arrived: int
    body: bytes


class Span(NamedTuple):
    """What matters of one span or event."""

    key: tuple[bytes, bytes]
    """Trace and span id."""
    parent: tuple[bytes, bytes]
    test: str
    """The test it names, or ""."""
    arrived: int


@dataclass
class Spans:
    """The spans of a run."""

    found: dict[tuple[bytes, bytes], Span] = field(default_factory=dict)
    repeated: int = 0

    def add(self, spans: Iterable[Span]) -> None:
        """Keep each span id once."""
        for span in spans:
            if span.key in self.found:
                self.repeated += 1
            else:
                self.found[span.key] = span

    def owner(self, span: Span) -> str:
        """The test that the span, or the nearest of its ancestors that names one, belongs to; "" if none does."""
        above: Span | None = span
        while above is not None and not above.test:
            above = self.found.get(above.parent)
        return above.test if above else ""

    def by_test(self) -> dict[str, tuple[int, int]]:
        """For each test, the number of its spans and the arrival of the last."""
        tests: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for span in self.found.values():
            if test := self.owner(span):
                number, last = tests[test]
                tests[test] = number + 1, max(last, span.arrived)
        return tests


def plain(request: Request) -> bytes:
    """The body without its content encoding."""
    if request.encoding == "gzip":
        return gzip.decompress(request.body)
    if request.encoding == "deflate":
        return zlib.decompress(request.body)
    return request.body


def compressed_size(request: Request) -> int:
    """Bytes of the body as it was sent, or as gzip would have made it where it was sent plain."""
    return len(request.body) if request.encoding else len(gzip.compress(request.body, 6))


def named_test(name: str, attributes: Iterable[Any]) -> str:
    """The test that a span's name, or one of its attributes, names."""
    if match := TEST.search(name):
        return match.group()
    for attribute in attributes:
        if match := TEST.search(attribute.value.string_value):
            return match.group()
    return ""


def otlp_spans(body: bytes, arrived: int) -> Iterator[Span]:
    """The spans of an ExportTraceServiceRequest."""
    service = importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    for resource_spans in service.ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                test = named_test(span.name, span.attributes)
                key, parent = (span.trace_id, span.span_id), (span.trace_id, span.parent_span_id)
                yield Span(key, parent, test, arrived)


def datadog_events(body: bytes, arrived: int) -> Iterator[Span]:
    """The events of a test cycle payload: one a test, one each for its file, module and session."""
    msgpack = importlib.import_module("msgpack")
    for event in msgpack.unpackb(body, strict_map_key=False)["events"]:
        content = event["content"]
        test = content["meta"].get("test.name", "") if event["type"] == "test" else ""
        trace = content.get("trace_id", 0).to_bytes(16, "big")
        ident = content.get("span_id") or content.get("test_suite_id") or content.get("test_module_id") or 0
        yield Span((trace, event["type"].encode() + str(ident).encode()), (b"", b""), test, arrived)


def spans_of(request: Request) -> Iterator[Span]:
    """The spans of a request of any kind; none where it carries something else."""
    if request.path.endswith("/v1/traces"):
        return otlp_spans(plain(request), request.arrived)
    if request.path.endswith("/api/v2/citestcycle"):
        return datadog_events(plain(request), request.arrived)
    return iter(())


def tally(requests: list[Request]) -> dict[str, Any]:
    """Counts, for JSON: requests and bytes by path, and the spans of each test."""
    spans = Spans()
    paths: dict[str, dict[str, int]] = {}
    for request in requests:
        path = paths.setdefault(request.path, {"requests": 0, "sent": 0, "gzip": 0})
        path["requests"] += 1
        path["sent"] += len(request.body)
        path["gzip"] += compressed_size(request)
        spans.add(spans_of(request))
    return {
        "paths": paths,
        "spans": len(spans.found),
        "repeated": spans.repeated,
        "traces": len({trace for trace, _ in spans.found}),
        "tests": spans.by_test(),
    }
