"""Endpoints that are not there, say nothing, or say it late."""

from __future__ import annotations

import pytest

from faults.scene import Protocol, Scene, check_delivered, delivered_later, free_port, passing, span_requests
from support.otlp_server import SILENT, OtlpServer, always, slow

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
    while not pathlib.Path("go").exists():
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
