from __future__ import annotations

import base64
import json
import resource
import signal as signals
import threading
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from pytest_otlp.exporter.encode import encode
from pytest_otlp.exporter.otlp_file import FileTransport
from pytest_otlp.exporter.otlp_json import LONGEST_LINE, json_lines
from pytest_otlp.exporter.records import Metric, MetricKind, NumberPoint, Record, Signal
from pytest_otlp.exporter.transport import Answer, Verdict
from pytest_otlp.version import __version__
from support.samples import COUNTER, EVENT, FULL_SPAN, HISTOGRAM, METRICS, PLAIN_LOG, RESOURCE, TIME, TRACE_ID, span

MESSAGES: dict[Signal, type[Message]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
}
IDS = ("traceId", "spanId", "parentSpanId")


def as_protobuf_has_it(value: Any) -> Any:
    """Ids in base64, as Protobuf's own JSON has bytes: the one difference to OTLP/JSON. And no empty status."""
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode() if key in IDS else as_protobuf_has_it(item)
            for key, item in value.items()
            if (key, item) != ("status", {})
        }
    return [as_protobuf_has_it(item) for item in value] if isinstance(value, list) else value


def parsed(line: bytes, signal: Signal) -> Message:
    return json_format.ParseDict(as_protobuf_has_it(json.loads(line)), MESSAGES[signal]())


def lines(signal: Signal, records: list[Record]) -> list[bytes]:
    encoded = encode(RESOURCE, records, json_lines(signal))
    assert encoded.unencodable == 0
    return [payload.data for payload in encoded.payloads if isinstance(payload.data, bytes)]


CASES: list[tuple[Signal, list[Record]]] = [
    (Signal.TRACES, [FULL_SPAN, span(), span(2, parent=1, error="")]),
    (Signal.METRICS, list(METRICS)),
    (Signal.METRICS, [Metric("n", "", "", MetricKind.GAUGE, 0, TIME, [NumberPoint({}, float("inf"))])]),
    (Signal.LOGS, [EVENT, PLAIN_LOG]),
    (Signal.TRACES, [span(attributes={"s": "\ud800\0\x1b", "deep": ["\udc80"]}, name="\udfff")]),
    (Signal.TRACES, [span(attributes={"big": 2**64, "least": -(2**63), "inf": [float("-inf")], "none": None})]),  # type: ignore[dict-item]
]


@pytest.mark.parametrize(("signal", "records"), CASES)
def test_a_line_says_what_the_protobuf_message_says(signal: Signal, records: list[Record]) -> None:
    (line,) = lines(signal, records)
    (payload,) = encode(RESOURCE, records).payloads
    assert isinstance(payload.data, bytes)
    if signal is Signal.LOGS and "event_name" not in LogRecord.DESCRIPTOR.fields_by_name:
        pytest.skip("this opentelemetry-proto knows no events")
    assert parsed(line, signal) == MESSAGES[signal].FromString(payload.data)


texts = st.text(st.characters(), max_size=20)
values = texts | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.lists(texts)


@given(attributes=st.dictionaries(texts, values, max_size=5), error=st.none() | texts)
def test_any_text_and_any_value_is_as_in_protobuf(attributes: dict[str, Any], error: str | None) -> None:
    record = span(attributes=attributes, error=error)
    (line,) = lines(Signal.TRACES, [record])
    (payload,) = encode(RESOURCE, [record]).payloads
    assert isinstance(payload.data, bytes)
    assert line.count(b"\n") == 1
    assert parsed(line, Signal.TRACES) == ExportTraceServiceRequest.FromString(payload.data)


def test_a_nan_is_the_text_that_the_specification_has_for_it() -> None:
    (line,) = lines(Signal.TRACES, [span(attributes={"ratio": float("nan")})])
    assert b'{"key":"ratio","value":{"doubleValue":"NaN"}}' in line


def test_a_line_is_written_as_the_collector_writes_it() -> None:
    """The names, their order and the kinds of values are those of its file exporter."""
    record = FULL_SPAN._replace(attributes={"text": "née", "flag": False, "number": 7, "ratio": 0.5, "texts": ["a"]})
    (line,) = lines(Signal.TRACES, [record])
    assert (
        line
        == (
            '{"resourceSpans":[{"resource":{"attributes":['
            '{"key":"service.name","value":{"stringValue":"shop"}},{"key":"process.pid","value":{"intValue":"42"}}]},'
            f'"scopeSpans":[{{"scope":{{"name":"pytest-otlp","version":"{__version__}"}},"spans":[{{'
            f'"traceId":"{TRACE_ID.hex()}","spanId":"0101010101010101","traceState":"vendor=value",'
            '"parentSpanId":"0202020202020202","name":"tests/test_cart.py::test_total[€]","kind":1,'
            f'"startTimeUnixNano":"{TIME}","endTimeUnixNano":"{TIME + 1000}","attributes":['
            '{"key":"text","value":{"stringValue":"née"}},{"key":"flag","value":{"boolValue":false}},'
            '{"key":"number","value":{"intValue":"7"}},{"key":"ratio","value":{"doubleValue":0.5}},'
            '{"key":"texts","value":{"arrayValue":{"values":[{"stringValue":"a"}]}}}],'
            f'"events":[{{"timeUnixNano":"{TIME + 500}","name":"exception","attributes":['
            '{"key":"exception.type","value":{"stringValue":"AssertionError"}}]}],'
            '"links":[{"traceId":"03030303030303030303030303030303","spanId":"0404040404040404","attributes":['
            '{"key":"why","value":{"stringValue":"a test\'s own trace"}}]}],'
            '"status":{"message":"AssertionError: 1 == 2","code":2}}]}]}]}\n'
        ).encode()
    )


@pytest.mark.parametrize(
    ("signal", "bad"),
    [
        (Signal.TRACES, span()._replace(trace_id=b"")),
        (Signal.TRACES, span()._replace(parent_id=b"1")),
        (Signal.TRACES, span()._replace(start=-1)),
        (Signal.LOGS, EVENT._replace(severity=25)),
        (Signal.LOGS, EVENT._replace(span_id=b"1")),
        (Signal.METRICS, COUNTER._replace(points=[NumberPoint({}, 2**63)])),
        (Signal.METRICS, HISTOGRAM._replace(bounds=[])),
    ],
)
def test_what_is_set_aside_is_what_protobuf_sets_aside(signal: Signal, bad: Record) -> None:
    assert encode({}, [bad], json_lines(signal)).unencodable == encode({}, [bad]).unencodable == 1


def test_lines_are_short_enough_for_the_collectors_receiver() -> None:
    records = [span(number, attributes={"text": "é" * 100_000}) for number in range(1, 30)]
    encoded = encode(RESOURCE, [*records, span(99, attributes={"text": "\0" * 3_000_000})], json_lines(Signal.TRACES))
    assert all(len(payload.data) <= LONGEST_LINE for payload in encoded.payloads)
    assert (sum(payload.size for payload in encoded.payloads), encoded.cut) == (30, 1)


def send(transport: FileTransport, signal: Signal, *records: Record) -> Answer:
    (payload,) = transport.encode(signal, RESOURCE, records).payloads
    return transport.send(signal, payload, 1.0)


def test_a_file_is_appended_to_by_all_signals(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("{}\n")
    transport = FileTransport(str(path))
    assert transport.target == str(path)
    for signal, records in CASES[:4]:
        assert send(transport, signal, *records) == Answer(Verdict.ACCEPTED)
    transport.close()
    transport.close()
    written = path.read_bytes().splitlines(keepends=True)
    assert written[0] == b"{}\n"
    assert [next(iter(json.loads(line))) for line in written[1:]] == [
        "resourceSpans",
        "resourceMetrics",
        "resourceMetrics",
        "resourceLogs",
    ]


def test_nothing_sent_leaves_no_file(tmp_path: Path) -> None:
    FileTransport(str(tmp_path / "run.jsonl")).close()
    assert not list(tmp_path.iterdir())


def test_lines_of_several_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    transport = FileTransport(str(path))

    def send_some() -> None:
        for _ in range(20):
            send(transport, Signal.TRACES, span(attributes={"text": "x" * 50_000}))

    threads = [threading.Thread(target=send_some) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    transport.close()
    assert len([json.loads(line) for line in path.read_bytes().splitlines()]) == 60


def test_a_path_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    transport = FileTransport(str(tmp_path / "missing" / "run.jsonl"))
    assert send(transport, Signal.TRACES, span()) == Answer(
        Verdict.REFUSED, "cannot be written: No such file or directory"
    )


def test_a_full_disk_is_refused() -> None:
    transport = FileTransport("/dev/full")
    assert send(transport, Signal.TRACES, span()) == Answer(
        Verdict.REFUSED, "cannot be written: No space left on device"
    )
    transport.close()


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    transport = FileTransport(str(path))
    assert send(transport, Signal.TRACES, span(1)).verdict is Verdict.ACCEPTED
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signals.signal(signals.SIGXFSZ, signals.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, hard))
        answer = send(transport, Signal.TRACES, span(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signals.signal(signals.SIGXFSZ, previous)
    assert answer == Answer(Verdict.REFUSED, "cannot be written: File too large")
    assert send(transport, Signal.TRACES, span(3)).verdict is Verdict.ACCEPTED
    transport.close()
    first, torn, last = path.read_bytes().splitlines()
    assert (b'"0000000000000001"' in first, b'"0000000000000003"' in last) == (True, True)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(torn)
    json.loads(last)
