"""Send a run of tests with four spans each at a steady rate, or a trace of many spans; say when what was sent.

python benchmarks/view_sender.py steady ENDPOINT TESTS SPANS_A_SECOND
    says the run's id, waits for a line, sends; one line a request: epoch ms before it was sent, tests so far
python benchmarks/view_sender.py trace ENDPOINT SPANS
    one test with that many spans of an application within; says the run's id
"""

from __future__ import annotations

import hashlib
import http.client
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

BATCH = 250
"""Tests a request."""
MS = 1_000_000
OUTCOMES = ("passed",) * 97 + ("failed", "skipped", "passed")


def pairs(**values: str | float) -> list[KeyValue]:
    return [KeyValue(key=key.replace("__", "."), value=value_of(value)) for key, value in values.items()]


def value_of(value: str | float) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=value)


class Run:
    def __init__(self) -> None:
        self.start = time.time_ns()
        self.trace = hashlib.sha256(str(self.start).encode()).digest()[:16]
        self.root = self.trace[:8]

    def span(self, key: str, parent: bytes, name: str, at: int, length: int, attributes: list[KeyValue]) -> Span:
        return Span(
            trace_id=self.trace,
            span_id=hashlib.sha256(key.encode()).digest()[:8],
            parent_span_id=parent,
            name=name,
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=self.start + at,
            end_time_unix_nano=self.start + at + length,
            attributes=attributes,
        )

    def request(self, spans: list[Span], service: str = "bench") -> bytes:
        message = ResourceSpans()
        names = pairs(service__name=service, pytest__run__id=self.trace.hex(), telemetry__distro__name="pytest-otlp")
        message.resource.attributes.extend(names if service == "bench" else names[:1])
        message.scope_spans.add().spans.extend(spans)
        return ExportTraceServiceRequest(resource_spans=[message]).SerializeToString()

    def marker(self, tests: int) -> bytes:
        attributes = pairs(
            test__suite__name="pytest", test__suite__run__status="in_progress", pytest__tests__collected=tests
        )
        return self.request([self.span("marker", b"", "pytest", 1000, 1000, attributes)])

    def test(self, n: int, at: int) -> list[Span]:
        nodeid = f"tests/test_{n // 100:04}.py::test_case[{n}]"
        length = (5 + n * 7919 % 3000) * MS
        outcome = OUTCOMES[n % 100]
        attributes = pairs(
            test__case__name=nodeid,
            test__case__result__status="pass",
            pytest__outcome=outcome,
            pytest__duration=length / 1e9,
            pytest__worker=f"gw{n % 4}",
            pytest__attempt=1,
            code__line__number=n % 90 + 1,
        )
        span = self.span(nodeid, self.root, nodeid, at, length, attributes)
        phases = [
            self.span(
                f"{nodeid} {name}",
                span.span_id,
                name,
                at + offset,
                part,
                pairs(pytest__phase=name, pytest__outcome="passed"),
            )
            for name, offset, part in (("setup", 0, MS), ("call", MS, length - 2 * MS), ("teardown", length - MS, MS))
        ]
        return [span, *phases]


class Connection:
    def __init__(self, endpoint: str) -> None:
        self._http = http.client.HTTPConnection(urlsplit(endpoint).netloc)

    def send(self, body: bytes) -> None:
        self._http.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        answer = self._http.getresponse()
        answer.read()
        assert answer.status == 200, answer.status


def steady(endpoint: str, tests: int, rate: float) -> Iterator[str]:
    run, connection = Run(), Connection(endpoint)
    bodies = [
        run.request([span for n in range(first, first + BATCH) for span in run.test(n, n * 200_000)])
        for first in range(0, tests, BATCH)
    ]
    connection.send(run.marker(tests))
    yield run.trace.hex()
    sys.stdin.readline()
    began = time.monotonic()
    for i, body in enumerate(bodies):
        time.sleep(max(0.0, began + i * BATCH * 4 / rate - time.monotonic()))
        moment = time.time() * 1000
        connection.send(body)
        yield f"{moment:.1f} {(i + 1) * BATCH}"


def trace(endpoint: str, spans: int) -> Iterator[str]:
    run, connection = Run(), Connection(endpoint)
    connection.send(run.marker(1))
    own = run.test(0, 0)
    connection.send(run.request(own))
    parents = [own[2].span_id]
    found: list[Span] = []
    step = 2_900 * MS // spans
    for i in range(spans):
        attributes = pairs(db__system__name="postgresql", db__query__text=f"SELECT {i}")
        parent = parents[i * 31 % len(parents)]
        span = run.span(f"app {i}", parent, f"query {i % 40}", i * step, step * (1 + i % 50), attributes)
        found.append(span)
        if len(parents) < 1000:
            parents.append(span.span_id)
    for first in range(0, spans, 2000):
        connection.send(run.request(found[first : first + 2000], service="app"))
    yield run.trace.hex()


if __name__ == "__main__":
    what, endpoint, *numbers = sys.argv[1:]
    for line in (steady if what == "steady" else trace)(endpoint, *map(int, numbers)):
        print(line, flush=True)
