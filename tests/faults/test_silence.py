"""Endpoints that are not there, say nothing, or say it late."""

from __future__ import annotations

import sys

import pytest
from grpc import StatusCode

from faults.scene import (
    Ended,
    Protocol,
    Scene,
    check_delivered,
    delivered_later,
    free_port,
    passing,
    sent_once,
    span_requests,
)
from support.otlp_server import SILENT, OtlpServer, Reply, always, grpc_error, slow
from support.raw_server import full_backlog

PROTOCOLS = pytest.mark.parametrize("protocol", ["http", "grpc"])


@PROTOCOLS
def test_01_nothing_listens(scene: Scene, workers: tuple[str, ...], protocol: Protocol) -> None:
    ended = scene.run(passing(15), f"http://127.0.0.1:{free_port()}", *workers, protocol=protocol)
    assert ended.counts.delivered == 0
    assert ended.counts.tests == 15
    assert "127.0.0.1" in ended.text
    assert "refused" in ended.text.lower()
    assert len(delivered_later(ended, protocol).tests) == 15


@PROTOCOLS
def test_02_accepts_and_never_answers(scene: Scene, workers: tuple[str, ...], protocol: Protocol) -> None:
    with OtlpServer(protocol, behaviour=always(SILENT)) as server:
        ended = scene.run(passing(600), server, *workers, protocol=protocol, exit_timeout=1)
        assert span_requests(server)
    assert "the exit timeout is over" in ended.text or "no answer" in ended.text
    assert ended.counts.delivered == 0
    assert ended.counts.tests == 600
    assert len(delivered_later(ended, protocol).tests) == 600


HELD = """
import pathlib, time

def test_held():
    # It would go on for good where nobody is left to let it go.
    deadline = time.monotonic() + 100
    while not pathlib.Path("go").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
"""


@PROTOCOLS
def test_03_answers_after_3_s(scene: Scene, workers: tuple[str, ...], protocol: Protocol) -> None:
    with (
        OtlpServer(protocol, behaviour=slow(3)) as server,
        scene.live(HELD, server, "--otel-logs=on", *workers, protocol=protocol) as live,
    ):
        # The worst moment for the run to end is the beginning of a request.
        server.wait_for(span_requests, 30)
        (live.folder / "go").touch()
        ended = live.ended(None)
        # What was answered too late is no mistake of the counts; it is kept, and here that is a failure all the same.
        assert ended.counts.kept == 0, ended.text
    assert len(check_delivered(ended).tests) == 1
    assert ended.text.count(";") == 0, "the metrics and the logs were taken as well"


@PROTOCOLS
def test_03_answers_after_12_s(scene: Scene, protocol: Protocol) -> None:
    suite = passing(15)
    with (
        OtlpServer(protocol, behaviour=slow(12)) as server,
        scene.live(suite, server, protocol=protocol, exit_timeout=2) as live,
    ):
        # The server would take it, but nobody waits for its word.
        ended = live.ended(scene.without(suite), spans=list)
        assert span_requests(server)
    assert "no answer" in ended.text
    assert len(delivered_later(ended, protocol).tests) == 15


# What the contract costs. The runs themselves are killed after `scene.DEADLINE`, 40 s.

PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "600000"}
"""Ten minutes for a request."""


def run_patiently(scene: Scene, endpoint: str, protocol: Protocol, exit_timeout: float) -> Ended:
    suite = passing(15)
    with scene.live(suite, endpoint, protocol=protocol, env=PATIENT, exit_timeout=exit_timeout) as live:
        return live.ended(scene.without(suite), spans=list)


@PROTOCOLS
def test_01_a_refused_connection_is_not_waited_for(scene: Scene, protocol: Protocol) -> None:
    """Whatever the exit timeout is."""
    ended = run_patiently(scene, f"http://127.0.0.1:{free_port()}", protocol, exit_timeout=600)
    assert ended.counts.kept == ended.counts.produced > 0


@PROTOCOLS
def test_02_the_exit_timeout_ends_all(scene: Scene, protocol: Protocol) -> None:
    """Whatever the timeout of a request is."""
    with OtlpServer(protocol, behaviour=always(SILENT)) as server:
        ended = run_patiently(scene, server.endpoint, protocol, exit_timeout=1)
    assert ended.counts.kept == ended.counts.produced > 0


@PROTOCOLS
@pytest.mark.skipif(sys.platform != "linux", reason="others refuse what they cannot queue")
def test_02_no_connection_can_be_made(scene: Scene, protocol: Protocol) -> None:
    with full_backlog() as port:
        ended = run_patiently(scene, f"http://127.0.0.1:{port}", protocol, exit_timeout=1)
    assert ended.counts.kept == ended.counts.produced > 0
    assert len(delivered_later(ended, protocol).tests) == 15


@PROTOCOLS
def test_04_no_end_is_waited_for_that_comes_too_late(scene: Scene, protocol: Protocol) -> None:
    """An endpoint that says when it will be back is not asked before; the run does not wait for that either."""
    answer = (
        Reply(503, {"Retry-After": "700"})
        if protocol == "http"
        else grpc_error(StatusCode.UNAVAILABLE, retry_after=700)
    )
    with OtlpServer(protocol, behaviour=always(answer)) as server:
        ended = run_patiently(scene, server.endpoint, protocol, exit_timeout=600)
        assert sent_once(server)
    assert ended.counts.kept == ended.counts.produced > 0
