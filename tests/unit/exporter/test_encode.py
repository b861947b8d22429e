from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1 import logs_pb2

from pytest_otlp.exporter.encode import MOST_BYTES, MOST_RECORDS, Format, encode
from pytest_otlp.exporter.otlp_proto import severity_text
from pytest_otlp.exporter.records import (
    HistogramPoint,
    Link,
    Metric,
    MetricKind,
    NumberPoint,
    Record,
    Span,
    SpanEvent,
)
from pytest_otlp.exporter.transport import Encoded
from pytest_otlp.version import __version__
from support.received import ReceivedLog, ReceivedMetric, ReceivedPoint, ReceivedSpan, logs_in, metrics_in, spans_in
from support.samples import (
    COUNTER,
    EVENT,
    FULL_SPAN,
    GAUGE,
    HISTOGRAM,
    METRICS,
    PLAIN_LOG,
    RESOURCE,
    TIME,
    TRACE_ID,
    UP_DOWN,
    span,
)


def messages(encoded: Encoded, kind: type[Message]) -> list[Any]:
    data = [payload.data for payload in encoded.payloads]
    return [kind.FromString(piece) for piece in data if isinstance(piece, bytes)]


def spans(encoded: Encoded) -> list[ReceivedSpan]:
    return [found for message in messages(encoded, ExportTraceServiceRequest) for found in spans_in(message)]


def metrics(records: Sequence[Metric]) -> list[ReceivedMetric]:
    return [found for m in messages(encode(RESOURCE, records), ExportMetricsServiceRequest) for found in metrics_in(m)]


def logs(records: Sequence[Record]) -> list[ReceivedLog]:
    return [found for m in messages(encode(RESOURCE, records), ExportLogsServiceRequest) for found in logs_in(m)]


def test_a_span_arrives_as_it_is() -> None:
    (received,) = spans(encode(RESOURCE, [FULL_SPAN]))
    assert received == ReceivedSpan(
        trace_id=TRACE_ID.hex(),
        span_id="01" * 8,
        parent_id="02" * 8,
        name="tests/test_cart.py::test_total[€]",
        start=TIME,
        end=TIME + 1000,
        attributes={**FULL_SPAN.attributes, "numbers": [1, 2]},
        events=[("exception", TIME + 500, {"exception.type": "AssertionError"})],  # type: ignore[list-item]
        links=[("03" * 16, "04" * 8, {"why": "a test's own trace"})],  # type: ignore[list-item]
        status=2,
        message="AssertionError: 1 == 2",
        kind=1,
        trace_state="vendor=value",
        resource={"service.name": "shop", "process.pid": 42},
        scope=("pytest-otlp", __version__),
        arrival=0,
    )


def test_a_span_without_parent_or_error_has_none() -> None:
    (received,) = spans(encode(RESOURCE, [span()]))
    assert (received.parent_id, received.status, received.message) == ("", 0, "")


def test_an_error_without_text_is_an_error() -> None:
    (received,) = spans(encode(RESOURCE, [span(error="")]))
    assert (received.status, received.message) == (2, "")


def test_the_bytes_are_those_of_protobuf() -> None:
    """What the official classes write for the same message is as long: nothing unknown, nothing twice."""
    payload = encode(RESOURCE, [FULL_SPAN._replace(attributes={"a": "b", "n": 300, "long": "x" * 5000})]).payloads[0]
    assert isinstance(payload.data, bytes)
    message = ExportTraceServiceRequest.FromString(payload.data)
    assert len(message.SerializeToString()) == len(payload.data)


def test_metrics_arrive_as_they_are() -> None:
    counter, up_down, gauge, histogram = metrics(METRICS)
    assert (counter.kind, counter.monotonic, counter.cumulative) == ("sum", True, True)
    assert (up_down.kind, up_down.monotonic, up_down.cumulative) == ("sum", False, True)
    assert (gauge.kind, histogram.kind, histogram.cumulative) == ("gauge", "histogram", True)
    assert (counter.name, counter.description, counter.unit) == (COUNTER.name, "Tests that ended", "{test}")
    assert counter.points == [
        ReceivedPoint({"pytest.outcome": "passed"}, 7, TIME, TIME + 5),
        ReceivedPoint({"pytest.outcome": "failed"}, 0, TIME, TIME + 5),
    ]
    assert up_down.points == [ReceivedPoint({}, -2, TIME, TIME + 5)]
    assert gauge.points == [ReceivedPoint({}, 1.5, 0, TIME + 5)]
    assert histogram.points == [
        ReceivedPoint({"test.suite.name": "a"}, 0.6, TIME, TIME + 5, 3, 0.1, 0.3, (1, 2, 0), (0.1, 1.0)),
        ReceivedPoint({}, 0.0, TIME, TIME + 5, 0, 0.0, 0.0, (0, 0, 0), (0.1, 1.0)),
    ]


def test_log_records_arrive_as_they_are() -> None:
    event, plain = logs([EVENT, PLAIN_LOG])
    assert (event.event_name, event.time, event.body) == ("test.case.finished", TIME, "failed")
    assert (event.severity, event.severity_text) == (17, "ERROR")
    assert (event.trace_id, event.span_id, event.attributes) == (TRACE_ID.hex(), "01" * 8, {"test.case.name": "t"})
    assert (plain.event_name, plain.body, plain.trace_id, plain.span_id) == ("", None, "", "")
    assert (plain.severity, plain.severity_text) == (10, "INFO2")


def test_severities_are_named_as_the_specification_has_it() -> None:
    names = [severity_text(number) for number in range(1, 25)]
    official = logs_pb2.SeverityNumber.keys()[1:]
    assert names == [name.removeprefix("SEVERITY_NUMBER_") for name in official]


texts = st.text(st.characters(), max_size=40)  # surrogates included
numbers = st.integers() | st.integers(-(2**70), 2**70)
scalars = texts | st.booleans() | numbers | st.floats()
values = scalars | st.lists(texts) | st.lists(numbers) | st.lists(st.floats()) | st.lists(st.booleans())


def expected(value: Any) -> Any:
    """What a receiver finds; a float by its text, as NaN equals nothing."""
    if isinstance(value, list):
        return [expected(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def by_text(value: Any) -> Any:
    if isinstance(value, list):
        return [by_text(item) for item in value]
    return repr(value) if isinstance(value, float) else value


@given(attributes=st.dictionaries(texts, values, max_size=8), name=texts, error=st.none() | texts)
def test_any_text_and_any_value_arrives(attributes: dict[str, Any], name: str, error: str | None) -> None:
    attributes = {key: value for key, value in attributes.items() if key == expected(key)}
    encoded = encode(RESOURCE, [span(attributes=attributes, name=name, error=error)])
    (received,) = spans(encoded)
    assert (encoded.unencodable, encoded.cut) == (0, 0)
    assert {key: by_text(value) for key, value in received.attributes.items()} == {
        key: expected(value) for key, value in attributes.items()
    }
    assert received.name == expected(name)
    assert received.message == expected(error or "")


class Text(str):
    __slots__ = ()


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_a_number_that_python_does_not_write_in_decimals_is_hexadecimal() -> None:
    (found,) = spans(encode(RESOURCE, [span(attributes={"value": 10**5000})]))
    assert found.attributes == {"value": hex(10**5000)}


def type_name(value: Any) -> str:
    return type(value).__name__


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (Text("a subclass"), "a subclass"),
        (type("Number", (int,), {})(3), 3),
        (type("Ratio", (float,), {})(0.5), 0.5),
        (range(3), [0, 1, 2]),
        (None, "None"),
        (b"bytes", "b'bytes'"),
        ({"a": 1}, "{'a': 1}"),
        (Unprintable(), "<unprintable Unprintable object>"),
        ([["nested"], None], [["nested"], "None"]),
        ("a\0b", "a\0b"),
        ("\ud83d\x1b", "\\ud83d\x1b"),
    ],
    ids=type_name,
)
def test_values_of_other_types_become_what_is_nearest(value: Any, received: Any) -> None:
    (found,) = spans(encode(RESOURCE, [span(attributes={"value": value})]))
    assert found.attributes == {"value": received}


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


BAD: list[Any] = [
    span()._replace(trace_id=b"short"),
    span()._replace(span_id=b""),
    span()._replace(parent_id=b"short"),
    span()._replace(start=-1),
    span()._replace(end=2**64),
    span()._replace(links=[Link(TRACE_ID, b"", {})]),
    span(attributes={"endless": endless()}),
    EVENT._replace(severity=0),
    EVENT._replace(span_id=b"short"),
    HISTOGRAM._replace(bounds=[1.0]),
    COUNTER._replace(points=[NumberPoint({}, 2**63)]),
    "no record",
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: type(bad).__name__)
def test_a_bad_record_is_set_aside_and_takes_no_other_with_it(bad: Any) -> None:
    encoded = encode(RESOURCE, [bad, span(1), bad, span(2), bad])
    assert [found.span_id for found in spans(encoded)] == ["0" * 15 + "1", "0" * 15 + "2"]
    assert encoded.unencodable == 3
    assert [(payload.size, payload.consumed) for payload in encoded.payloads] == [(2, 5)]


def test_bad_records_after_a_full_payload_belong_to_it() -> None:
    encoded = encode(RESOURCE, [*map(span, range(1, MOST_RECORDS + 1)), BAD[0]])
    assert [(payload.size, payload.consumed) for payload in encoded.payloads] == [(MOST_RECORDS, MOST_RECORDS + 1)]


def test_nothing_but_bad_records_makes_no_payload() -> None:
    assert encode(RESOURCE, [BAD[0]] * 3) == Encoded([], 3, 0)


def test_nothing_makes_no_payload() -> None:
    assert encode(RESOURCE, []) == Encoded([], 0, 0)


def test_payloads_have_at_most_so_many_records_in_their_order() -> None:
    encoded = encode(RESOURCE, [span(number) for number in range(1, 2301)])
    assert [payload.size for payload in encoded.payloads] == [2048, 252]
    assert [int(found.span_id, 16) for found in spans(encoded)] == list(range(1, 2301))


def test_payloads_have_at_most_so_many_bytes() -> None:
    encoded = encode(RESOURCE, [span(number, attributes={"log": "x" * 1_000_000}) for number in range(1, 9)])
    assert [payload.size for payload in encoded.payloads] == [3, 3, 2]
    assert all(len(payload.data) <= MOST_BYTES for payload in encoded.payloads)
    assert len(spans(encoded)) == 8
    assert encoded.cut == 0


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_no_payload_is_too_large_whatever_the_sizes(sizes: list[int]) -> None:
    from pytest_otlp.exporter.encode import PROTOBUF

    small = PROTOBUF._replace(most_bytes=600)
    encoded = encode(RESOURCE, [span(n, name="x" * size) for n, size in enumerate(sizes, 1)], small)
    assert all(len(payload.data) <= 600 for payload in encoded.payloads)
    assert sum(payload.consumed for payload in encoded.payloads) == len(sizes)
    assert encoded.unencodable == 0


def test_a_record_that_is_too_large_is_cut() -> None:
    stack = "begin" + "x" * 9_000_000 + "end"
    large = span(2, attributes={"short": "kept", "n": 1})._replace(
        events=[SpanEvent("exception", TIME, {"exception.stacktrace": stack, "lines": ["y" * 5_000_000]})]
    )
    encoded = encode(RESOURCE, [span(1), large, span(3)])
    assert sum(payload.consumed for payload in encoded.payloads) == 3
    assert (encoded.cut, encoded.unencodable) == (1, 0)
    found = spans(encoded)[1]
    assert found.attributes == {"short": "kept", "n": 1}
    trace = found.events[0].attributes["exception.stacktrace"]
    assert trace.startswith("begin")
    assert trace.endswith("end")
    assert "of 9000008 bytes left out" in trace
    assert all(len(payload.data) <= MOST_BYTES for payload in encoded.payloads)


def test_a_record_of_many_texts_is_cut_as_short_as_need_be() -> None:
    many = {f"pytest.property.{number}": "x" * 400 for number in range(25_000)}
    encoded = encode(RESOURCE, [span(1, attributes=many)])
    assert (encoded.unencodable, encoded.cut) == (0, 1)
    assert list(spans(encoded)[0].attributes) == list(many)


def test_a_record_that_no_cutting_makes_small_enough_is_set_aside() -> None:
    many = {f"attribute.{number}": number for number in range(200_000)}
    encoded = encode(RESOURCE, [span(1, attributes=many), span(2)])
    assert (encoded.unencodable, encoded.cut, len(spans(encoded))) == (1, 0, 1)


def test_a_metric_that_is_too_large_is_divided_by_its_points() -> None:
    points = [HistogramPoint({"test.suite.name": "x" * 300 + str(n)}, 1, 1.0, 1.0, 1.0, [1]) for n in range(20_000)]
    encoded = encode(RESOURCE, [COUNTER, HISTOGRAM._replace(points=points, bounds=[]), GAUGE])
    assert sum(payload.consumed for payload in encoded.payloads) == 3
    assert (encoded.unencodable, encoded.cut) == (0, 0)
    assert all(len(payload.data) <= MOST_BYTES for payload in encoded.payloads)
    parts = [m for message in messages(encoded, ExportMetricsServiceRequest) for m in metrics_in(message)]
    of_histogram = [part for part in parts if part.name == HISTOGRAM.name]
    assert len(of_histogram) > 1
    assert [p.attributes for part in of_histogram for p in part.points] == [point.attributes for point in points]


def test_a_point_that_is_too_large_is_set_aside() -> None:
    encoded = encode(RESOURCE, [GAUGE._replace(points=[NumberPoint({"a": "x" * 5_000_000}, 1)]), UP_DOWN])
    assert encoded.unencodable == 1
    assert [(payload.size, payload.consumed) for payload in encoded.payloads] == [(1, 2)]


def test_a_gauge_of_a_whole_number_stays_one() -> None:
    (metric,) = metrics([Metric("n", "", "", MetricKind.GAUGE, 0, TIME, [NumberPoint({}, 3)])])
    assert repr(metric.points[0].value) == "3"


def test_a_format_may_set_its_own_limit() -> None:
    lines = Format(lambda _: b"12345", lambda _, records: b",".join(records), 32 + 12)
    encoded = encode({}, [span(n) for n in range(1, 10)], lines)
    assert [payload.data for payload in encoded.payloads] == [b"12345,12345"] * 4 + [b"12345"]


def test_a_span_without_attributes_is_no_problem() -> None:
    (received,) = spans(encode({}, [Span(TRACE_ID, b"\1" * 8, b"", "", 0, 0, {})]))
    assert (received.name, received.attributes, received.resource) == ("", {}, {})
