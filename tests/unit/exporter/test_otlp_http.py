from __future__ import annotations

import email.utils
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from google.rpc.status_pb2 import Status

from pytest_otlp.exporter.destination import Destination, TlsFiles
from pytest_otlp.exporter.http1 import MOST_ANSWER_BYTES
from pytest_otlp.exporter.otlp_http import HttpTransport
from pytest_otlp.exporter.records import Record, Signal
from pytest_otlp.exporter.transport import Answer, Payload, Verdict
from pytest_otlp.version import __version__
from support.certificates import Authority
from support.otlp_server import (
    SILENT,
    Behaviour,
    OtlpServer,
    Reply,
    accept,
    always,
    failing,
    huge,
    login_page,
    only,
    partial_success,
    redirect,
    reset,
    slow,
    slow_body,
    slow_head,
)
from support.raw_server import raw_server, read_head, resetting, saying, tunnel
from support.samples import EVENT, FULL_SPAN, METRICS, RESOURCE, span

LONG = 10.0
"""s: more than a test ever needs."""
ACCEPTED = Answer(Verdict.ACCEPTED)


class Sender:
    """A transport to one URL for each signal, and payloads for it."""

    def __init__(self, urls: Mapping[Signal, str], **details: object) -> None:
        self.transport = HttpTransport({s: Destination(url, **details) for s, url in urls.items()})  # type: ignore[arg-type]

    def send(self, *records: Record, signal: Signal = Signal.TRACES, timeout: float = LONG) -> Answer:
        encoded = self.transport.encode(signal, RESOURCE, records or [span(1), span(2)])
        (payload,) = encoded.payloads
        return self.transport.send(signal, payload, timeout)


@contextmanager
def sender_to(url: str, **details: object) -> Iterator[Sender]:
    sender = Sender({Signal.TRACES: url}, **details)
    yield sender
    sender.transport.close()


@contextmanager
def sending(server: OtlpServer, **details: object) -> Iterator[Sender]:
    with sender_to(server.url("traces"), **details) as sender:
        yield sender


def answer_to(behaviour: Behaviour, timeout: float = LONG) -> Answer:
    with OtlpServer(behaviour=behaviour) as server, sending(server) as sender:
        return sender.send(timeout=timeout)


def test_all_signals_arrive_each_on_one_connection() -> None:
    with OtlpServer() as server:
        sender = Sender({signal: server.url(signal.value) for signal in Signal})
        for _ in range(3):
            assert sender.send(FULL_SPAN) == ACCEPTED
            assert sender.send(*METRICS, signal=Signal.METRICS) == ACCEPTED
            assert sender.send(EVENT, signal=Signal.LOGS) == ACCEPTED
        sender.transport.close()
        assert len(server.spans()) == 3
        assert len(server.metrics()) == 12
        assert len(server.logs()) == 3
        assert {request.connection for request in server.requests} == {0, 1, 2}


def test_requests_beside_each_other_have_connections_of_their_own() -> None:
    """Which are used again."""
    together = threading.Event()
    with OtlpServer(behaviour=always(Reply(until=together))) as server, sending(server) as sender:
        answers: list[Answer] = []
        threads = [threading.Thread(target=lambda: answers.append(sender.send())) for _ in range(3)]
        for thread in threads:
            thread.start()
        server.wait_for(lambda server: len(server.requests) == 3, LONG)
        together.set()
        for thread in threads:
            thread.join(LONG)
        answers += [sender.send(), sender.send()]
        assert {request.connection for request in server.requests} == {0, 1, 2}
    assert answers == [ACCEPTED] * 5


def test_a_request_is_gzip_and_says_what_it_is() -> None:
    with (
        OtlpServer() as server,
        sending(server, headers={"x-tenant": "née", "authorization": "Bearer t0ken"}) as sender,
    ):
        sender.send(span(attributes={"text": "x" * 1000}))
        (request,) = server.requests
        assert request.headers["content-type"] == "application/x-protobuf"
        assert request.headers["content-encoding"] == "gzip"
        assert request.headers["user-agent"] == f"pytest-otlp/{__version__}"
        assert request.headers["host"] == f"127.0.0.1:{server.port}"
        assert request.headers["authorization"] == "Bearer t0ken"
        assert request.headers["x-tenant"].encode("latin-1").decode() == "née"
        assert request.wire_bytes < 500 < len(request.body)


def test_equal_payloads_are_equal_bytes_on_the_wire() -> None:
    from pytest_otlp.exporter.otlp_http import gzipped

    assert gzipped(b"payload") == gzipped(b"payload")
    assert gzipped(b"payload")[4:8] == bytes(4)
    assert gzip.decompress(gzipped(b"payload")) == b"payload"


def test_without_compression_the_bytes_are_those_of_the_message() -> None:
    with OtlpServer() as server, sending(server, gzip=False) as sender:
        assert sender.send() == ACCEPTED
        assert "content-encoding" not in server.requests[0].headers
        assert server.requests[0].wire_bytes == len(server.requests[0].body)


def test_a_header_of_the_user_cannot_break_the_framing() -> None:
    with OtlpServer() as server, sending(server, headers={"content-length": "1", "content-type": "x"}) as sender:
        assert sender.send() == ACCEPTED
        assert len(server.spans()) == 2


@pytest.mark.parametrize(
    ("status", "verdict", "phrase"),
    [
        (200, Verdict.ACCEPTED, ""),
        (202, Verdict.ACCEPTED, ""),
        (204, Verdict.ACCEPTED, ""),
        (400, Verdict.REJECTED, "Bad Request"),
        (401, Verdict.REFUSED, "Unauthorized"),
        (403, Verdict.REFUSED, "Forbidden"),
        (404, Verdict.REFUSED, "Not Found"),
        (405, Verdict.REFUSED, "Method Not Allowed"),
        (407, Verdict.REFUSED, "Proxy Authentication Required"),
        (408, Verdict.RETRY, "Request Timeout"),
        (409, Verdict.REJECTED, "Conflict"),
        (413, Verdict.REJECTED, None),
        (422, Verdict.REJECTED, None),
        (429, Verdict.RETRY, "Too Many Requests"),
        (500, Verdict.REJECTED, "Internal Server Error"),
        (501, Verdict.REFUSED, "Not Implemented"),
        (502, Verdict.RETRY, "Bad Gateway"),
        (503, Verdict.RETRY, "Service Unavailable"),
        (504, Verdict.RETRY, "Gateway Timeout"),
        (599, Verdict.REJECTED, ""),
    ],
)
def test_each_status_has_its_verdict(status: int, verdict: Verdict, phrase: str | None) -> None:
    answer = answer_to(always(Reply(status)))
    assert answer.verdict is verdict
    if verdict is Verdict.ACCEPTED:
        assert answer == ACCEPTED
    elif phrase is not None:  # what 413 and 422 are called has changed in Python
        assert answer.reason == f"answered {status} {phrase}".strip()
    else:
        assert answer.reason.startswith(f"answered {status} ")
    assert not answer.unreachable


TEXT = {"Content-Type": "text/plain; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        (TEXT, b"404 page not found\n", ": 404 page not found"),
        (TEXT, b"\x1b[2Jtwo\nlines\xff", ": \\x1b[2Jtwo\\nlines�"),
        (TEXT, b"x" * 1000, ": " + "x" * 200 + "…"),
        (JSON, b'{"code": 3, "message": "wrong"}', ": wrong"),
        (JSON, b'{"message": 7}', ""),
        (JSON, b"[1]", ""),
        (JSON, b"{", ""),
        (PROTOBUF, Status(code=3, message="bad id").SerializeToString(), ": bad id"),
        (PROTOBUF, b"\xff", ""),
        ({"Content-Type": "text/html"}, b"<html>", ""),
    ],
)
def test_what_an_endpoint_says_of_an_error_is_told_in_one_line(headers: dict[str, str], body: bytes, said: str) -> None:
    answer = answer_to(always(Reply(400, headers, body)))
    assert answer == Answer(Verdict.REJECTED, f"answered 400 Bad Request{said}")


@pytest.mark.parametrize("message", ["no such token: s3cret-t0ken", "you sent Bearer s3cret-t0ken"])
def test_a_header_that_an_endpoint_repeats_is_not_shown(message: str) -> None:
    reply = Reply(401, TEXT, message.encode())
    headers = {"authorization": "Bearer s3cret-t0ken", "x-scope": "a"}
    with OtlpServer(behaviour=always(reply)) as server, sending(server, headers=headers) as sender:
        answer = sender.send()
    assert answer.verdict is Verdict.REFUSED
    assert "s3cret" not in answer.reason
    assert "***" in answer.reason
    assert "answered 401 Unauthorized" in answer.reason


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2.0),
        ("0", 0.0),
        (" 60 ", 60.0),
        ("9" * 40, 999_999_999.0),
        ("soon", None),
        ("-1", None),
        ("", None),
        ("½", None),
    ],
)
def test_an_endpoint_may_ask_to_wait(status: int, text: str, seconds: float | None) -> None:
    answer = answer_to(always(Reply(status, {"Retry-After": text.encode().decode("latin-1")})))
    assert (answer.verdict, answer.retry_after) == (Verdict.RETRY, seconds)


def test_an_endpoint_may_ask_to_wait_until_a_date() -> None:
    later = email.utils.formatdate(time.time() + 100, usegmt=True)
    answer = answer_to(always(Reply(503, {"Retry-After": later})))
    assert answer.retry_after is not None
    assert 0 < answer.retry_after <= 101
    past = answer_to(always(Reply(503, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"})))
    assert past.retry_after == 0.0


def test_only_who_may_try_again_is_told_when() -> None:
    assert answer_to(always(Reply(400, {"Retry-After": "2"}))).retry_after is None


@pytest.mark.parametrize("json_", [False, True])
@pytest.mark.parametrize("signal", Signal)
def test_a_partial_success_is_counted(signal: Signal, json_: bool) -> None:
    with OtlpServer(behaviour=partial_success(3, "too old", json=json_)) as server:
        sender = Sender({signal: server.url(signal.value)})
        spans = [span(n) for n in range(1, 8)]
        records: dict[Signal, Sequence[Record]] = {
            Signal.TRACES: spans,
            Signal.METRICS: METRICS,
            Signal.LOGS: [EVENT] * 4,
        }
        answer = sender.send(*records[signal], signal=signal)
        sender.transport.close()
    assert answer == Answer(Verdict.ACCEPTED, "too old", 3)


def test_no_more_is_rejected_than_was_sent() -> None:
    assert answer_to(partial_success(10**15)) == Answer(Verdict.ACCEPTED, "no reason given", 2)
    assert answer_to(partial_success(-1, "less than nothing")) == ACCEPTED


def test_a_warning_with_nothing_rejected_is_no_problem() -> None:
    assert answer_to(partial_success(0, "use the new endpoint")) == ACCEPTED


def test_the_reason_of_a_rejection_is_escaped_and_cut() -> None:
    answer = answer_to(partial_success(1, "\x1b]0;title\x07" + "x" * 1000))
    assert answer.reason.startswith("\\x1b]0;title\\x07xxx")
    assert len(answer.reason) <= 201


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (PROTOBUF, b"\x0a\x00"),
        (JSON, b"{}"),
        (JSON, b' {"partialSuccess": {}}'),
        (JSON, b'{"partialSuccess": null}'),
        (TEXT, b"{}"),
        ({"Content-Type": ""}, b"\x0a\x00"),
    ],
)
def test_empty_export_responses_are_success(headers: dict[str, str], body: bytes) -> None:
    assert answer_to(always(Reply(200, headers, body))) == ACCEPTED


@pytest.mark.parametrize(
    ("headers", "body", "named"),
    [
        ({"Content-Type": "text/html; charset=utf-8"}, b"<html>Log in", "text/html"),
        ({"Content-Type": "text/html"}, b"{}", "text/html"),
        (TEXT, b"OK", "text/plain"),
        (JSON, b'{"partialSuccess": [1]}', "application/json"),
        (JSON, b'{"partialSuccess": {"rejectedSpans": "x"}}', "application/json"),
        (JSON, b"{", "application/json"),
        (PROTOBUF, b"\xff\xff", "application/x-protobuf"),
        (PROTOBUF, b"\x08\x01", "application/x-protobuf"),
        ({"Content-Type": "x/\x1b[1m"}, b"?", "x/\\x1b[1m"),
        ({"Content-Type": ""}, b"OK", "no content type"),
    ],
)
def test_a_success_that_is_no_otlp_answer_is_none(headers: dict[str, str], body: bytes, named: str) -> None:
    answer = answer_to(always(Reply(200, headers, body)))
    assert answer == Answer(Verdict.REFUSED, f"answered 200 with {named}, which is no OTLP answer")


def test_a_login_page_is_no_success() -> None:
    assert answer_to(login_page).reason == "answered 200 with text/html, which is no OTLP answer"


@pytest.mark.parametrize(
    ("location", "status", "reason"),
    [
        ("https://login.example/sso?token=s3cret", 302, "answered 302 Found, a redirect to login.example"),
        ("/elsewhere", 301, "answered 301 Moved Permanently, a redirect"),
        ("https://[bad", 307, "answered 307 Temporary Redirect, a redirect"),
        ("", 308, "answered 308 Permanent Redirect, a redirect"),
        ("", 304, "answered 304 Not Modified, a redirect"),
    ],
)
def test_a_redirect_is_not_followed_and_no_success(location: str, status: int, reason: str) -> None:
    assert answer_to(redirect(location, status)) == Answer(Verdict.REFUSED, reason)


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    with OtlpServer(behaviour=huge(64 * MOST_ANSWER_BYTES)) as server, sending(server) as sender:
        answer = sender.send()
        assert answer.verdict is Verdict.REFUSED
        server.behaviour = accept
        assert sender.send() == ACCEPTED
        assert [request.connection for request in server.requests] == [0, 1]


def test_a_large_answer_of_the_longest_length_allowed_is_read() -> None:
    unknown = b"\x7a" + b"\xfb\xff\x3f" + bytes(MOST_ANSWER_BYTES - 5)
    assert answer_to(always(Reply(200, PROTOBUF, unknown))) == ACCEPTED


@pytest.mark.parametrize(
    "behaviour",
    [always(SILENT), slow(60), slow_head(0.05), slow_body(0.05)],
    ids=["silent", "slow", "slow head", "slow body"],
)
def test_the_timeout_bounds_the_whole_exchange(behaviour: Behaviour) -> None:
    assert answer_to(behaviour, timeout=0.3) == Answer(Verdict.RETRY, "no answer within 0.3 s")


def test_the_timeout_bounds_sending() -> None:
    stop = threading.Event()

    def read_nothing(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stop.wait(LONG)

    with raw_server(read_nothing) as port, sender_to(f"http://127.0.0.1:{port}/", gzip=False) as sender:
        answer = sender.transport.send(Signal.TRACES, Payload(bytes(8_000_000), 1, 1), 1.0)
        stop.set()
    assert answer == Answer(Verdict.RETRY, "no answer within 1 s")


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_without_time_nothing_is_tried(timeout: float) -> None:
    with OtlpServer() as server, sending(server) as sender:
        answer = sender.send(timeout=timeout)
        assert answer == Answer(Verdict.RETRY, "cannot connect: no connection in time", unreachable=True)
        assert not server.requests


def test_after_a_timeout_the_next_request_has_a_connection_of_its_own() -> None:
    with OtlpServer(behaviour=failing(1, Reply(delay=60))) as server, sending(server) as sender:
        assert sender.send(timeout=0.2).verdict is Verdict.RETRY
        assert sender.send() == ACCEPTED


def test_a_connection_that_the_server_closed_meanwhile_is_replaced_at_once() -> None:
    with OtlpServer() as first, sending(first) as sender:
        assert sender.send() == ACCEPTED
        first.stop()
        with OtlpServer(port=first.port) as second:
            assert sender.send() == ACCEPTED
            assert len(second.spans()) == 2


def test_an_announced_close_is_no_surprise() -> None:
    with OtlpServer(behaviour=always(Reply(200, {"Connection": "close"}))) as server, sending(server) as sender:
        assert [sender.send(), sender.send()] == [ACCEPTED, ACCEPTED]
        assert [request.connection for request in server.requests] == [0, 1]


def test_nobody_listens() -> None:
    with OtlpServer() as server:
        pass
    with sending(server) as sender:
        assert sender.send() == Answer(Verdict.RETRY, "cannot connect: Connection refused", unreachable=True)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70 + ".invalid", "é" * 64 + ".invalid"])
def test_a_host_that_is_not_known(host: str) -> None:
    with sender_to(f"http://{host}:4318/v1/traces") as sender:
        answer = sender.send()
    assert (answer.verdict, answer.unreachable) == (Verdict.RETRY, True)
    assert answer.reason.startswith("cannot connect: ")


def test_a_name_with_several_addresses_is_tried_at_each() -> None:
    """`localhost` is often ::1 first, where this server does not listen."""
    with OtlpServer() as server, sender_to(f"http://localhost:{server.port}/v1/traces") as sender:
        assert sender.send() == ACCEPTED
        assert sender.transport.target == f"localhost:{server.port}"


def test_a_reset_within_an_answer_may_be_tried_again() -> None:
    assert answer_to(reset(after=150)) == Answer(Verdict.RETRY, "broke off its answer")


def test_an_answer_that_ends_early_may_be_tried_again() -> None:
    with (
        raw_server(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")) as port,
        sender_to(f"http://127.0.0.1:{port}/v1/traces") as sender,
    ):
        assert sender.send() == Answer(Verdict.RETRY, "broke off its answer")


def test_a_connection_that_is_closed_without_an_answer_may_be_tried_again() -> None:
    with raw_server(saying(b"")) as port, sender_to(f"http://127.0.0.1:{port}/v1/traces") as sender:
        assert sender.send() == Answer(Verdict.RETRY, "closed the connection without an answer")


@pytest.mark.parametrize("size", [10, 30_000_000])
def test_a_connection_that_is_reset_may_be_tried_again(size: int) -> None:
    with raw_server(resetting) as port, sender_to(f"http://127.0.0.1:{port}/", gzip=False) as sender:
        answer = sender.transport.send(Signal.TRACES, Payload(bytes(size), 1, 1), LONG)
    assert answer == Answer(Verdict.RETRY, "closed the connection without an answer")


def test_an_answer_before_the_request_is_read_counts() -> None:
    def too_large(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_RDWR)
        connection.recv(1)

    with raw_server(too_large) as port, sender_to(f"http://127.0.0.1:{port}/", gzip=False) as sender:
        answer = sender.transport.send(Signal.TRACES, Payload(bytes(30_000_000), 1, 1), LONG)
    # Whether the answer outlives the reset that follows it is up to the system.
    assert answer.verdict in (Verdict.REJECTED, Verdict.RETRY)


def test_a_chunked_answer_is_read() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    with raw_server(saying(answer)) as port, sender_to(f"http://127.0.0.1:{port}/v1/traces") as sender:
        assert sender.send() == ACCEPTED


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.example ESMTP\r\n",
        b"HTTP/banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000 + b"\r\n",
        b"\0" * 80,
    ],
    ids=["mail", "bad status line", "endless head", "zeros"],
)
def test_what_is_no_http_is_said(answer: bytes) -> None:
    with raw_server(saying(answer)) as port, sender_to(f"http://127.0.0.1:{port}/v1/traces") as sender:
        assert sender.send() == Answer(Verdict.REFUSED, "does not speak HTTP")


USE_GRPC = Answer(Verdict.REFUSED, "speaks gRPC (HTTP/2): use --otel-protocol grpc")
USE_HTTPS = Answer(Verdict.REFUSED, "speaks TLS: use https://")
USE_HTTP = Answer(Verdict.REFUSED, "speaks plain HTTP: use http://")


def test_a_grpc_endpoint_is_named() -> None:
    with OtlpServer("grpc") as server, sender_to(f"{server.endpoint}/v1/traces") as sender:
        assert sender.send() == USE_GRPC


def test_a_grpc_endpoint_that_just_closes_is_named() -> None:
    def impatient(connection: socket.socket) -> None:
        if connection.recv(65536).startswith(b"PRI"):
            connection.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))

    with raw_server(impatient) as port, sender_to(f"http://127.0.0.1:{port}/v1/traces") as sender:
        assert sender.send() == USE_GRPC


def test_a_grpc_endpoint_with_tls_is_named(authority: Authority) -> None:
    with (
        OtlpServer("grpc", tls=authority.issue("127.0.0.1")) as server,
        sender_to(f"{server.endpoint}/v1/traces", tls=TlsFiles(str(authority.certificate))) as sender,
    ):
        assert sender.send() == USE_GRPC


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_http_to_a_tls_endpoint_is_named(authority: Authority, protocol: Literal["http", "grpc"]) -> None:
    with (
        OtlpServer(protocol, tls=authority.issue("127.0.0.1")) as server,
        sender_to(f"http://127.0.0.1:{server.port}/v1/traces") as sender,
    ):
        assert sender.send() == USE_HTTPS


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nClient sent an HTTP request to an HTTPS server.",
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nThe plain HTTP request was sent to HTTPS port",
        b"\x15\x03\x03\x00\x02\x02\x46",
    ],
    ids=["Go", "nginx", "alert"],
)
def test_a_tls_endpoint_that_says_so_is_named(answer: bytes) -> None:
    with raw_server(saying(answer)) as port, sender_to(f"http://127.0.0.1:{port}/v1/traces") as sender:
        assert sender.send() == USE_HTTPS


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.example ESMTP\r\n"])
def test_https_to_a_plain_endpoint_is_named(answer: bytes) -> None:
    with raw_server(saying(answer)) as port, sender_to(f"https://127.0.0.1:{port}/v1/traces") as sender:
        assert sender.send() == USE_HTTP


def test_https_to_an_endpoint_that_closes_may_be_tried_again() -> None:
    with raw_server(saying(b"")) as port, sender_to(f"https://127.0.0.1:{port}/v1/traces") as sender:
        assert sender.send() == Answer(Verdict.RETRY, "closed the connection without an answer")


def test_tls_with_an_authority_of_the_user(authority: Authority) -> None:
    with (
        OtlpServer(tls=authority.issue("127.0.0.1")) as server,
        sending(server, tls=TlsFiles(str(authority.certificate))) as sender,
    ):
        assert [sender.send(), sender.send()] == [ACCEPTED, ACCEPTED]
        assert {request.connection for request in server.requests} == {0}


def test_a_certificate_that_is_not_trusted_is_named(authority: Authority, other_authority: Authority) -> None:
    with OtlpServer(tls=authority.issue("127.0.0.1")) as server:
        for trusted in ("", str(other_authority.certificate)):
            with sending(server, tls=TlsFiles(trusted)) as sender:
                answer = sender.send()
            assert answer.verdict is Verdict.REFUSED
            assert answer.reason.startswith("certificate not trusted: ")
            assert "certificate" in answer.reason.partition(": ")[2]


def test_a_certificate_for_another_host_is_named(authority: Authority) -> None:
    with (
        OtlpServer(tls=authority.issue("collector.example")) as server,
        sending(server, tls=TlsFiles(str(authority.certificate))) as sender,
    ):
        answer = sender.send()
    assert answer.verdict is Verdict.REFUSED
    assert "127.0.0.1" in answer.reason
    assert answer.reason.startswith("certificate not trusted: ")


def test_a_certificate_of_the_client(authority: Authority, other_authority: Authority) -> None:
    pair = other_authority.issue("client.example")
    with OtlpServer(tls=authority.issue("127.0.0.1", clients=other_authority)) as server:
        files = TlsFiles(str(authority.certificate), str(pair.key), str(pair.certificate))
        with sending(server, tls=files) as sender:
            assert sender.send() == ACCEPTED
        with sending(server, tls=TlsFiles(str(authority.certificate))) as sender:
            answer = sender.send()
        assert answer.verdict is Verdict.REFUSED
        assert answer.reason.startswith("TLS failed: ")
        assert len(server.requests) == 1


def test_files_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    missing, empty = str(tmp_path / "missing.pem"), tmp_path / "empty.pem"
    empty.write_text("nothing")
    pair = authority.issue("client.example")
    cases = {
        TlsFiles(missing): f"certificate {missing}: No such file or directory",
        TlsFiles(str(empty)): f"certificate {empty}: no usable PEM file (",
        TlsFiles("", "", missing): f"client certificate {missing}: No such file or directory",
        TlsFiles("", str(empty), str(pair.certificate)): f"client certificate {pair.certificate}: no usable PEM file (",
    }
    with OtlpServer(tls=authority.issue("127.0.0.1")) as server:
        for files, reason in cases.items():
            with sending(server, tls=files) as sender:
                answer = sender.send()
            assert answer.verdict is Verdict.REFUSED
            assert answer.reason.startswith(reason)


def test_a_key_with_a_password_is_not_asked_for(authority: Authority, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    pair = authority.issue("client.example")
    key = load_pem_private_key(pair.key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    encryption = BestAvailableEncryption(b"password")
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption))
    with (
        OtlpServer(tls=authority.issue("127.0.0.1")) as server,
        sending(server, tls=TlsFiles("", str(locked), str(pair.certificate))) as sender,
    ):
        assert sender.send().verdict is Verdict.REFUSED


def test_through_a_proxy_plain() -> None:
    heads = []

    def proxy(connection: socket.socket) -> None:
        heads.append(read_head(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with raw_server(proxy) as port:
        through = f"http://user:pass%20word@127.0.0.1:{port}"
        with sender_to("http://collector.example:4318/v1/traces", proxy=through) as sender:
            assert sender.send() == ACCEPTED
            assert sender.transport.target == "collector.example:4318"
    assert heads[0].startswith("POST http://collector.example:4318/v1/traces HTTP/1.1\r\n")
    assert "\r\nhost: collector.example:4318\r\n" in heads[0]
    assert "\r\nproxy-authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n" in heads[0]


def test_through_a_proxy_with_tls(authority: Authority) -> None:
    heads: list[str] = []
    with OtlpServer(tls=authority.issue("127.0.0.1")) as server, raw_server(tunnel(heads)) as port:
        files = TlsFiles(str(authority.certificate))
        with sending(server, tls=files, proxy=f"http://127.0.0.1:{port}", headers={"authorization": "x"}) as sender:
            assert [sender.send(), sender.send()] == [ACCEPTED, ACCEPTED]
        assert len(server.requests) == 2
    assert [head.split("\r\n")[0] for head in heads] == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]
    assert "authorization" not in heads[0]


def test_a_proxy_that_opens_no_tunnel_is_named() -> None:
    with (
        raw_server(tunnel([], status=403)) as port,
        sender_to("https://collector.example/v1/traces", proxy=f"http://127.0.0.1:{port}") as sender,
    ):
        assert sender.send() == Answer(Verdict.RETRY, "the proxy answered 403")


def test_a_proxy_that_closes_is_not_questioned() -> None:
    with (
        raw_server(saying(b"")) as port,
        sender_to("http://collector.example/v1/traces", proxy=f"http://127.0.0.1:{port}") as sender,
    ):
        assert sender.send() == Answer(Verdict.RETRY, "closed the connection without an answer")


def test_a_header_with_a_line_break_is_never_sent() -> None:
    with OtlpServer() as server, sending(server, headers={"x": "a\r\nInjected: b"}) as sender:
        assert sender.send() == Answer(Verdict.REJECTED, "could not be sent (ValueError)")
        assert not server.requests


def test_a_signal_without_an_endpoint_is_refused() -> None:
    with OtlpServer(behaviour=only("traces")) as server, sending(server) as sender:
        assert sender.send(EVENT, signal=Signal.LOGS) == Answer(Verdict.REFUSED, "no endpoint for logs")
        assert sender.send() == ACCEPTED


def test_a_path_of_any_characters_arrives() -> None:
    heads = []

    def note(connection: socket.socket) -> None:
        heads.append(read_head(connection))

    with raw_server(note) as port, sender_to(f"http://127.0.0.1:{port}/a b/é%20?q=1") as sender:
        sender.send()
    assert heads[0].startswith("POST /a%20b/%C3%A9%20?q=1 HTTP/1.1\r\n")


def test_the_target_of_an_address_of_ipv6() -> None:
    with sender_to("http://[::1]:4318/v1/traces") as sender:
        assert sender.transport.target == "[::1]:4318"
    assert HttpTransport({}).target == ""


def test_the_server_counts_what_it_took_only() -> None:
    """Of the test server itself: what the other tests stand on."""
    with OtlpServer(behaviour=failing(2, Reply(503))) as server, sending(server) as sender:
        assert [sender.send().verdict for _ in range(3)] == [Verdict.RETRY, Verdict.RETRY, Verdict.ACCEPTED]
        server.wait_for(lambda s: len(s.requests) == 3, LONG)
        assert len(server.spans()) == 2
        assert server.wire_bytes["traces"] == sum(request.wire_bytes for request in server.requests)
        assert server.wire_bytes["logs"] == 0
        with pytest.raises(TimeoutError, match="2 spans"):
            server.wait_for(lambda s: len(s.spans()) == 9, timeout=0.05)


def test_the_server_knows_a_bad_request() -> None:
    with OtlpServer() as server, sending(server) as sender:
        answer = sender.transport.send(Signal.TRACES, Payload(b"\xff", 1, 1), LONG)
        assert answer == Answer(Verdict.REJECTED, "answered 400 Bad Request: not an export request")


def test_json_answers_are_read_by_their_fields_only() -> None:
    body = json.dumps({"partialSuccess": {"rejectedSpans": 1, "errorMessage": 5}, "more": True})
    assert answer_to(always(Reply(200, JSON, body.encode()))) == Answer(Verdict.ACCEPTED, "no reason given", 1)
