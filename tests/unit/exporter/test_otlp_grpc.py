from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from pytest_otlp.exporter.destination import Destination, TlsFiles
from pytest_otlp.exporter.otlp_answer import retry_delay
from pytest_otlp.exporter.otlp_grpc import GrpcTransport
from pytest_otlp.exporter.otlp_http import HttpTransport
from pytest_otlp.exporter.records import Record, Signal
from pytest_otlp.exporter.transport import Answer, Transport, Verdict
from pytest_otlp.version import __version__
from support.certificates import Authority
from support.otlp_server import (
    SILENT,
    Behaviour,
    OtlpServer,
    Reply,
    always,
    failing,
    grpc_error,
    huge,
    only,
    partial_success,
    slow,
)
from support.raw_server import raw_server, saying
from support.samples import EVENT, FULL_SPAN, METRICS, RESOURCE, span

LONG = 10.0
"""s: more than a test ever needs."""
ACCEPTED = Answer(Verdict.ACCEPTED)
NO_FILES = TlsFiles()


def send(transport: Transport, *records: Record, signal: Signal = Signal.TRACES, timeout: float = LONG) -> Answer:
    (payload,) = transport.encode(signal, RESOURCE, records or [span(1), span(2)]).payloads
    return transport.send(signal, payload, timeout)


@contextmanager
def transport_to(
    url: str,
    headers: Mapping[str, str] | None = None,
    tls: TlsFiles = NO_FILES,
    *,
    gzip: bool = True,
    proxy: str = "",
) -> Iterator[GrpcTransport]:
    transport = GrpcTransport({signal: Destination(url, headers or {}, gzip, tls, proxy) for signal in Signal})
    yield transport
    transport.close()


def answer_to(behaviour: Behaviour, timeout: float = LONG) -> Answer:
    with OtlpServer("grpc", behaviour=behaviour) as server, transport_to(server.endpoint) as transport:
        return send(transport, timeout=timeout)


def test_all_signals_arrive() -> None:
    with OtlpServer("grpc") as server, transport_to(server.endpoint) as transport:
        for _ in range(2):
            assert send(transport, FULL_SPAN) == ACCEPTED
            assert send(transport, *METRICS, signal=Signal.METRICS) == ACCEPTED
            assert send(transport, EVENT, signal=Signal.LOGS) == ACCEPTED
        assert (len(server.spans()), len(server.metrics()), len(server.logs())) == (2, 8, 2)


def test_the_same_arrives_as_over_http() -> None:
    with OtlpServer("grpc") as one, OtlpServer("http") as other:
        with transport_to(one.endpoint) as transport:
            assert send(transport, FULL_SPAN, span()) == ACCEPTED
        http = HttpTransport({Signal.TRACES: Destination(other.url("traces"))})
        assert send(http, FULL_SPAN, span()) == ACCEPTED
        http.close()
        assert [s._replace(arrival=0) for s in one.spans()] == [s._replace(arrival=0) for s in other.spans()]
        assert one.requests[0].body == other.requests[0].body


def test_headers_and_user_agent_are_sent() -> None:
    headers = {"Authorization": "Bearer t0ken", "x-tenant": "a"}
    with OtlpServer("grpc") as server, transport_to(server.endpoint, headers) as transport:
        assert send(transport) == ACCEPTED
        received = server.requests[0].headers
        assert (received["authorization"], received["x-tenant"]) == ("Bearer t0ken", "a")
        assert received["user-agent"].startswith(f"pytest-otlp/{__version__} ")


def test_without_compression_it_arrives_too() -> None:
    with OtlpServer("grpc") as server, transport_to(server.endpoint, gzip=False) as transport:
        assert send(transport) == ACCEPTED
        assert len(server.spans()) == 2


CODES = {
    Verdict.RETRY: "CANCELLED ABORTED OUT_OF_RANGE UNAVAILABLE DATA_LOSS",
    Verdict.REFUSED: "UNAUTHENTICATED PERMISSION_DENIED UNIMPLEMENTED",
    Verdict.REJECTED: "UNKNOWN INVALID_ARGUMENT NOT_FOUND ALREADY_EXISTS FAILED_PRECONDITION INTERNAL "
    "RESOURCE_EXHAUSTED",
}


@pytest.mark.parametrize(("verdict", "name"), [(v, name) for v, names in CODES.items() for name in names.split()])
def test_each_status_has_its_verdict(verdict: Verdict, name: str) -> None:
    answer = answer_to(always(grpc_error(grpc.StatusCode[name], "because\x1b[0m\nof this")))
    assert answer == Answer(verdict, f"answered {name}: because\\x1b[0m\\nof this")


def test_a_deadline_exceeded_on_the_other_side_is_a_timeout() -> None:
    answer = answer_to(always(grpc_error(grpc.StatusCode.DEADLINE_EXCEEDED)))
    assert answer == Answer(Verdict.RETRY, "no answer within 10 s")


def test_a_status_without_details() -> None:
    assert answer_to(always(grpc_error(grpc.StatusCode.ABORTED))) == Answer(Verdict.RETRY, "answered ABORTED")


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
@pytest.mark.parametrize("seconds", [0.0, 0.25, 60.0])
def test_an_endpoint_may_ask_to_wait(code: grpc.StatusCode, seconds: float) -> None:
    answer = answer_to(always(grpc_error(code, "full", seconds)))
    assert answer == Answer(Verdict.RETRY, f"answered {code.name}: full", retry_after=seconds)


@pytest.mark.parametrize(
    ("trailer", "seconds"),
    [(b"\xff", None), (b"", None), (Status(message="x").SerializeToString(), None), (b"\x18\x01", None)],
    ids=["garbage", "empty", "no details", "another type"],
)
def test_details_that_say_nothing_of_a_time(trailer: bytes, seconds: float | None) -> None:
    reply = Reply(code=grpc.StatusCode.UNAVAILABLE, trailers=(("x", "y"), ("grpc-status-details-bin", trailer)))
    answer = answer_to(always(reply))
    assert (answer.verdict, answer.retry_after) == (Verdict.RETRY, seconds)


def test_the_delay_stands_among_other_details() -> None:
    status = Status(code=8)
    status.details.add().Pack(ErrorInfo(reason="quota"))
    status.details.add().Pack(RetryInfo())
    assert retry_delay(status.SerializeToString()) == 0.0


@pytest.mark.parametrize("signal", Signal)
def test_a_partial_success_is_counted(signal: Signal) -> None:
    records: dict[Signal, list[Record]] = {
        Signal.TRACES: [span(n) for n in range(1, 8)],
        Signal.METRICS: list(METRICS),
        Signal.LOGS: [EVENT] * 4,
    }
    with (
        OtlpServer("grpc", behaviour=partial_success(3, "too old")) as server,
        transport_to(server.endpoint) as transport,
    ):
        answer = send(transport, *records[signal], signal=signal)
    assert answer == Answer(Verdict.ACCEPTED, "too old", 3)


def test_an_ok_that_is_no_otlp_answer_is_none() -> None:
    assert answer_to(always(Reply(body=b"\xff"))).verdict is Verdict.REFUSED


def test_a_huge_answer_is_not_taken() -> None:
    answer = answer_to(huge(2 << 20))
    assert answer.verdict is Verdict.REJECTED
    assert answer.reason.startswith("answered RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("behaviour", [always(SILENT), slow(60)], ids=["silent", "slow"])
def test_the_timeout_bounds_the_call(behaviour: Behaviour) -> None:
    assert answer_to(behaviour, timeout=0.3) == Answer(Verdict.RETRY, "no answer within 0.3 s")


def test_the_timeout_bounds_connecting() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        transport_to(f"http://127.0.0.1:{silent.getsockname()[1]}") as transport,
    ):
        assert send(transport, timeout=0.3) == Answer(Verdict.RETRY, "no answer within 0.3 s")


def test_a_failure_may_be_tried_again_on_the_same_channel() -> None:
    reply = grpc_error(grpc.StatusCode.UNAVAILABLE, "busy")
    with OtlpServer("grpc", behaviour=failing(2, reply)) as server, transport_to(server.endpoint) as transport:
        assert [send(transport).verdict for _ in range(3)] == [Verdict.RETRY, Verdict.RETRY, Verdict.ACCEPTED]
        assert len(server.spans()) == 2


def test_a_signal_that_is_not_known_is_refused() -> None:
    with OtlpServer("grpc", behaviour=only("traces")) as server, transport_to(server.endpoint) as transport:
        assert send(transport, EVENT, signal=Signal.LOGS).verdict is Verdict.REFUSED
        assert send(transport) == ACCEPTED


def test_a_signal_without_an_endpoint_is_refused() -> None:
    transport = GrpcTransport({})
    assert send(transport) == Answer(Verdict.REFUSED, "no endpoint for traces")
    assert transport.target == ""


def test_a_backend_that_returns_is_found_soon() -> None:
    """The default of gRPC, up to two minutes between attempts, would not find it in this time."""
    with OtlpServer("grpc") as server:
        pass
    with transport_to(server.endpoint) as transport:
        begin = time.monotonic()
        while time.monotonic() < begin + 4:
            assert send(transport).unreachable
        with OtlpServer("grpc", port=server.port) as back:
            deadline = time.monotonic() + 4
            while not back.spans() and time.monotonic() < deadline:
                send(transport)
            assert back.spans()


def test_nobody_listens() -> None:
    with OtlpServer("grpc") as server:
        pass
    with transport_to(server.endpoint) as transport:
        assert send(transport) == Answer(Verdict.RETRY, "cannot connect: Connection refused", unreachable=True)
        assert transport.target == f"127.0.0.1:{server.port}"


def test_a_host_that_is_not_known() -> None:
    with transport_to("http://no-such-host.invalid:4317") as transport:
        answer = send(transport)
    assert (answer.verdict, answer.unreachable) == (Verdict.RETRY, True)
    assert answer.reason.startswith("cannot connect: ")


def test_through_a_proxy_nobody_but_grpc_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    with OtlpServer() as server:
        pass
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    with transport_to("http://collector.example:4317", proxy="http://x") as transport:
        answer = send(transport)
    assert answer.verdict is Verdict.RETRY
    assert answer.reason.startswith("answered UNAVAILABLE: ")


USE_HTTP_PROTOBUF = Answer(Verdict.REFUSED, "speaks HTTP/1, not gRPC: use --otel-protocol http/protobuf")
USE_HTTPS = Answer(Verdict.REFUSED, "speaks TLS: use https://")
USE_HTTP = Answer(Verdict.REFUSED, "speaks plain HTTP: use http://")


def test_an_http_endpoint_is_named(authority: Authority) -> None:
    with OtlpServer() as server, transport_to(server.endpoint) as transport:
        assert send(transport) == USE_HTTP_PROTOBUF
    files = TlsFiles(str(authority.certificate))
    with OtlpServer(tls=authority.issue("127.0.0.1")) as server, transport_to(server.endpoint, tls=files) as transport:
        assert send(transport) == USE_HTTP_PROTOBUF


def test_an_endpoint_that_speaks_something_else_may_be_tried_again() -> None:
    with (
        raw_server(saying(b"220 mail.example ESMTP\r\n")) as port,
        transport_to(f"http://127.0.0.1:{port}") as transport,
    ):
        answer = send(transport)
    assert answer.verdict is Verdict.RETRY
    assert answer.reason.startswith("answered UNAVAILABLE: ")


def test_an_endpoint_that_does_not_answer_what_it_speaks_may_be_tried_again() -> None:
    stop = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.settimeout(0.1)
        said = b""
        with suppress(TimeoutError):
            while len(said) < 50:
                said += connection.recv(1000)
        if len(said) < 50:  # Only gRPC itself says more than the first word.
            stop.wait(LONG)

    with raw_server(talk) as port, transport_to(f"http://127.0.0.1:{port}") as transport:
        answer = send(transport, timeout=1.5)
        stop.set()
    assert answer.verdict is Verdict.RETRY
    assert answer.reason.startswith("answered UNAVAILABLE: ")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_tls_endpoint_is_named(authority: Authority, protocol: str) -> None:
    server = OtlpServer("http" if protocol == "http" else "grpc", tls=authority.issue("127.0.0.1"))
    with server, transport_to(f"http://127.0.0.1:{server.port}") as transport:
        assert send(transport) == USE_HTTPS


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_an_endpoint_without_tls_is_named(protocol: str) -> None:
    server = OtlpServer("http" if protocol == "http" else "grpc")
    with server, transport_to(f"https://127.0.0.1:{server.port}") as transport:
        assert send(transport) == USE_HTTP


def test_tls_with_an_authority_of_the_user(authority: Authority) -> None:
    server = OtlpServer("grpc", tls=authority.issue("127.0.0.1"))
    with server, transport_to(server.endpoint, tls=TlsFiles(str(authority.certificate))) as transport:
        assert send(transport) == ACCEPTED


def test_a_certificate_that_is_not_trusted_is_named(authority: Authority, other_authority: Authority) -> None:
    for trusted in ("", str(other_authority.certificate)):
        server = OtlpServer("grpc", tls=authority.issue("127.0.0.1"))
        with server, transport_to(server.endpoint, tls=TlsFiles(trusted)) as transport:
            answer = send(transport)
        assert answer.verdict is Verdict.REFUSED
        assert answer.reason.startswith("certificate not trusted: ")


def test_a_certificate_for_another_host_is_named(authority: Authority) -> None:
    server = OtlpServer("grpc", tls=authority.issue("collector.example"))
    with server, transport_to(server.endpoint, tls=TlsFiles(str(authority.certificate))) as transport:
        answer = send(transport)
    assert answer.verdict is Verdict.REFUSED
    assert answer.reason.startswith("certificate not trusted: ")


def test_a_certificate_of_the_client(authority: Authority, other_authority: Authority) -> None:
    pair = other_authority.issue("client.example")
    files = TlsFiles(str(authority.certificate), str(pair.key), str(pair.certificate))
    with OtlpServer("grpc", tls=authority.issue("127.0.0.1", clients=other_authority)) as server:
        with transport_to(server.endpoint, tls=files) as transport:
            assert send(transport) == ACCEPTED
        with transport_to(server.endpoint, tls=TlsFiles(str(authority.certificate))) as transport:
            answer = send(transport)
        # A gRPC server only closes the connection, so nobody can tell why.
        assert answer.verdict is Verdict.RETRY
        assert len(server.requests) == 1


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    with transport_to("https://127.0.0.1:1", tls=TlsFiles(missing)) as transport:
        assert send(transport) == Answer(Verdict.REFUSED, f"certificate {missing}: No such file or directory")


@pytest.mark.parametrize("header", [("x-name", "née"), ("x name", "a"), ("x-break", "a\nb")])
def test_a_header_that_grpc_does_not_know_is_named_without_its_value(header: tuple[str, str]) -> None:
    with OtlpServer("grpc") as server, transport_to(server.endpoint, dict([header])) as transport:
        assert send(transport) == Answer(Verdict.REFUSED, f"header {header[0]} cannot be sent over gRPC")
        assert not server.requests


def test_whatever_goes_wrong_is_an_answer() -> None:
    with transport_to("http://\ud800:4317") as transport:
        assert send(transport) == Answer(Verdict.REJECTED, "could not be sent (UnicodeEncodeError)")


def test_a_header_that_an_endpoint_repeats_is_not_shown() -> None:
    reply = grpc_error(grpc.StatusCode.UNAUTHENTICATED, "no such token: s3cret")
    headers = {"authorization": "Bearer s3cret"}
    with OtlpServer("grpc", behaviour=always(reply)) as server, transport_to(server.endpoint, headers) as transport:
        assert send(transport) == Answer(Verdict.REFUSED, "answered UNAUTHENTICATED: no such token: ***")
