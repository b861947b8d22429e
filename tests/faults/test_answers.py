"""Endpoints that answer, but not with a plain yes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from grpc import StatusCode

from faults.scene import (
    Ended,
    Protocol,
    Scene,
    check_delivered,
    check_trace,
    delivered_later,
    passing,
    replay,
    sent_once,
    span_requests,
    whole,
)
from support.certificates import Authority
from support.otlp_server import (
    OtlpServer,
    Reply,
    Request,
    always,
    failing,
    grpc_error,
    login_page,
    only,
    partial_success,
    redirect,
)

PROTOCOLS = pytest.mark.parametrize("protocol", ["http", "grpc"])
SUITE = passing(15)


def http_wait(status: int, seconds: int) -> Reply:
    return Reply(status, {"Retry-After": str(seconds)})


# 4

WAITS = pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        pytest.param("http", lambda seconds: http_wait(429, seconds), id="429"),
        pytest.param("http", lambda seconds: http_wait(503, seconds), id="503"),
        pytest.param("grpc", lambda s: grpc_error(StatusCode.UNAVAILABLE, retry_after=s), id="unavailable"),
        pytest.param("grpc", lambda s: grpc_error(StatusCode.RESOURCE_EXHAUSTED, retry_after=s), id="exhausted"),
    ],
)


@WAITS
def test_04_not_now_but_in_2_s(scene: Scene, protocol: Protocol, answer: Callable[[int], Reply]) -> None:
    with OtlpServer(protocol, behaviour=failing(1, answer(2))) as server:
        ended = scene.run(SUITE, server, protocol=protocol)
    assert len(check_delivered(ended).tests) == 15
    first, second = span_requests(server)[:2]
    assert first.body == second.body
    assert second.arrival - first.arrival > 1.9e9


@WAITS
def test_04_not_now_but_in_60_s(scene: Scene, protocol: Protocol, answer: Callable[[int], Reply]) -> None:
    with OtlpServer(protocol, behaviour=always(answer(60))) as server:
        ended = scene.run(SUITE, server, protocol=protocol)
    assert sent_once(server)
    assert ended.counts.delivered == 0
    assert len(delivered_later(ended, protocol).tests) == 15


# 5

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("protocol", "answer", "said"),
    [
        ("http", Reply(400), "400 Bad Request"),
        ("http", Reply(401), "401 Unauthorized"),
        ("http", Reply(403), "403 Forbidden"),
        ("http", Reply(404), "404 Not Found"),
        ("grpc", Reply(code=StatusCode.INVALID_ARGUMENT), "INVALID_ARGUMENT"),
        ("grpc", Reply(code=StatusCode.UNAUTHENTICATED), "UNAUTHENTICATED"),
        ("grpc", Reply(code=StatusCode.PERMISSION_DENIED), "PERMISSION_DENIED"),
        ("grpc", Reply(code=StatusCode.UNIMPLEMENTED), "UNIMPLEMENTED"),
    ],
)
def test_05_refused(scene: Scene, protocol: Protocol, answer: Reply, said: str) -> None:
    # As careless a server as there can be: it says the header back.
    said_back = f"no {SECRET}"
    answer = replace(answer, body=said_back.encode(), headers={"Content-Type": "text/plain"}, details=said_back)
    with OtlpServer(protocol, behaviour=always(answer)) as server:
        suite, env = SUITE, {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {SECRET}"}
        with scene.live(suite, server, protocol=protocol, env=env) as live:
            ended = live.ended(scene.without(suite))
    assert span_requests(server)
    assert SECRET in span_requests(server)[0].headers["authorization"]
    assert sent_once(server)
    assert ended.counts.delivered == 0
    assert said in ended.text
    assert f"127.0.0.1:{server.port}" in ended.text
    assert SECRET not in ended.run.stdout + ended.run.stderr
    if said in REJECTIONS:
        assert ended.counts.kept == 0
        return
    assert SECRET not in ended.journal.read_text()
    assert len(delivered_later(ended, protocol).tests) == 15


REJECTIONS = ("400 Bad Request", "INVALID_ARGUMENT")
"""These say something of the data: the next may be better, and sending the same again is no use."""


# 6


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_06_a_redirect(scene: Scene, status: int) -> None:
    with OtlpServer() as elsewhere:
        to = f"{elsewhere.endpoint}/v1/traces?token={SECRET}"
        with OtlpServer(behaviour=redirect(to, status)) as server:
            ended = scene.run(SUITE, server)
        assert elsewhere.requests == []
    assert ended.counts.delivered == 0
    assert str(status) in ended.text
    assert SECRET not in ended.run.stdout
    assert len(delivered_later(ended).tests) == 15


def test_06_a_login_page(scene: Scene) -> None:
    with OtlpServer(behaviour=login_page) as server, scene.live(SUITE, server) as live:
        # Its status is the one of success.
        ended = live.ended(scene.without(SUITE), spans=list)
    assert ended.counts.delivered == 0
    assert "text/html" in ended.text
    assert len(delivered_later(ended).tests) == 15


# 7


@PROTOCOLS
def test_07_some_spans_are_rejected(scene: Scene, protocol: Protocol) -> None:
    found: list[int] = []

    def behaviour(request: Request) -> Reply:
        if request.signal == "traces" and len(request.spans) >= 7 and not found:
            found.append(request.number)
            return partial_success(7, "too old")(request)
        return Reply()

    with OtlpServer(protocol, behaviour=behaviour) as server:
        ended = scene.run(SUITE, server, protocol=protocol)
    assert ended.counts.rejected == 7
    assert ended.counts.delivered == ended.counts.produced - 7
    assert ended.counts.kept == 0
    assert "too old" in ended.text
    assert ended.journals == []
    assert sent_once(server)
    check_trace(ended.run)


# 9


def problem_of(ended: Ended) -> str:
    """What our line says in parentheses."""
    return ended.text.partition(" (")[2].rpartition(")")[0]


@PROTOCOLS
@pytest.mark.parametrize(
    ("host", "trusted", "said"),
    [
        pytest.param("localhost", False, "certificate", id="not trusted"),
        pytest.param("elsewhere.example", True, "certificate", id="wrong host"),
    ],
)
def test_09_a_wrong_certificate(
    scene: Scene,
    authority: Authority,
    other_authority: Authority,
    protocol: Protocol,
    host: str,
    trusted: bool,
    said: str,
) -> None:
    trust = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str((authority if trusted else other_authority).certificate)}
    with OtlpServer(protocol, tls=authority.issue(host)) as server:
        endpoint = f"https://localhost:{server.port}"
        ended = scene.run(SUITE, endpoint, protocol=protocol, env=trust)
        assert server.requests == []
    assert said in problem_of(ended).lower()
    good = authority.issue("127.0.0.1")
    with OtlpServer(protocol, tls=good) as server:
        done = replay(
            ended.journal,
            server.endpoint,
            protocol,
            {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.certificate)},
        )
    assert done.exit_code == 0, done
    assert len(whole(ended, server.spans()).tests) == 15


@PROTOCOLS
def test_09_http_for_https(scene: Scene, authority: Authority, protocol: Protocol) -> None:
    with OtlpServer(protocol, tls=authority.issue("127.0.0.1")) as server:
        ended = scene.run(SUITE, f"http://127.0.0.1:{server.port}", protocol=protocol)
    assert "use https://" in problem_of(ended)
    assert len(delivered_later(ended, protocol).tests) == 15


@PROTOCOLS
def test_09_https_for_http(scene: Scene, protocol: Protocol) -> None:
    with OtlpServer(protocol) as server:
        ended = scene.run(SUITE, f"https://127.0.0.1:{server.port}", protocol=protocol)
    assert "use http://" in problem_of(ended)
    assert len(delivered_later(ended, protocol).tests) == 15


# 10


@PROTOCOLS
def test_10_only_traces_are_taken(scene: Scene, protocol: Protocol) -> None:
    with OtlpServer(protocol, behaviour=only("traces")) as server:
        ended = scene.run(SUITE, server, "--otel-logs=on", protocol=protocol)
    assert len(check_delivered(ended).tests) == 15
    for signal in ("metrics", "logs"):
        # Where the run ends before the first answer, the last ones are under way as well.
        assert 1 <= len([request for request in server.requests if request.signal == signal]) <= 3
        assert ended.text.count(f"{signal} not taken") == 1


# 13

LOUD = """
import pytest

@pytest.mark.parametrize("n", range(9))
def test_n(n, record_property):
    for number in range(100):
        record_property(f"large{number}", "y" * 8_000)
    print("x" * 500_000 + str(n))
    print("0123456789" * 50_000)
    assert 0
"""
MOST = 4 * 1024 * 1024
"""Bytes that a gRPC server takes at a time if it is not told otherwise; the one here refuses more."""


@PROTOCOLS
def test_13_a_megabyte_of_output_each(scene: Scene, protocol: Protocol) -> None:
    with OtlpServer(protocol) as server:
        ended = scene.run(LOUD, server, "--tb=no", protocol=protocol)
    run = check_delivered(ended)
    assert len(run.tests) == 9
    sizes = [len(request.body) for request in span_requests(server)]
    assert sum(sizes) > MOST > max(sizes)
    for test in run.tests:
        assert test.attributes["pytest.stdout"].startswith("xxx")
        assert "left out" in test.attributes["pytest.stdout"]


@PROTOCOLS
def test_13_a_single_span_that_is_too_large(scene: Scene, protocol: Protocol) -> None:
    suite = """
        def test_properties(record_property):
            for n in range(600):
                record_property(f"large{n}", "y" * 8_000)

        def test_message():
            raise AssertionError("z" * 1_000_000)
    """
    with OtlpServer(protocol) as server:
        ended = scene.run(suite, server, "--tb=no", protocol=protocol)
    run = check_delivered(ended)
    assert all(len(request.body) < MOST for request in server.requests)
    properties = run.test("test_properties").attributes
    # All 600 are there, each shorter than it was, and says so.
    for n in range(600):
        assert "left out" in properties[f"pytest.property.large{n}"]
    assert "left out" in run.test("test_message").message
