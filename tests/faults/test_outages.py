"""Endpoints that go away and come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from faults.scene import (
    SOAK,
    Live,
    Protocol,
    Scene,
    check_delivered,
    delivered_later,
    free_port,
    passing,
    replay,
    whole,
)
from pytest_otlp.exporter.exporter import BATCH
from support import traces
from support.otlp_server import SILENT, OtlpServer, Reply, Request, always, in_order
from support.raw_server import raw_server, resetting

PROTOCOLS = pytest.mark.parametrize("protocol", ["http", "grpc"])
# Thirty tests before, during and after: each third waits until it may run.
SUITE = """
import pathlib, time
import pytest

@pytest.mark.parametrize("n", range(90))
def test_n(n):
    if n % 30 == 0:
        while not pathlib.Path(f"go{n // 30}").exists():
            time.sleep(0.01)
"""


def let(live: Live, third: int) -> None:
    (live.folder / f"go{third}").touch()


def finished(server: OtlpServer) -> int:
    return len(traces.tests_of(server.spans()))


@contextmanager
def all_let(live: Live) -> Iterator[None]:
    try:
        yield
    finally:
        for third in range(3):
            let(live, third)


@PROTOCOLS
@pytest.mark.parametrize("seconds", [1, pytest.param(9, marks=SOAK), pytest.param(60, marks=SOAK)])
def test_08_down_and_back(scene: Scene, workers: tuple[str, ...], protocol: Protocol, seconds: float) -> None:
    port = free_port()
    with scene.live(SUITE, f"http://127.0.0.1:{port}", *workers, protocol=protocol) as live, all_let(live):
        with OtlpServer(protocol, port) as before:
            let(live, 0)
            before.wait_for(lambda server: finished(server) >= 20, 30)
        let(live, 1)
        # The outage itself: there is nothing that could be waited for.
        time.sleep(seconds)
        with OtlpServer(protocol, port) as after:
            # What the outage held up arrives while the run goes on, however long the pauses had become.
            after.wait_for(lambda server: finished(before) + finished(server) >= 50, 60)
            let(live, 2)
            ended = live.ended(None, lambda: [*before.spans(), *after.spans()])
    assert ended.run.exit_code == 0
    assert ended.run.summary == {"passed": 90}
    assert len(check_delivered(ended).tests) == 90


@pytest.mark.parametrize(
    ("workers", "protocol", "kind"),
    [
        ((), "http", "gone"),
        ((), "grpc", "gone"),
        (("-n2",), "http", "gone"),
        ((), "http", "silent"),
        (("-n2",), "grpc", "silent"),
        ((), "http", "resetting"),
        ((), "grpc", "resetting"),
    ],
    indirect=["workers"],
)
def test_08_back_only_for_the_next_run(scene: Scene, workers: tuple[str, ...], protocol: Protocol, kind: str) -> None:
    port = free_port()
    with (
        scene.live(SUITE, f"http://127.0.0.1:{port}", *workers, protocol=protocol, exit_timeout=1) as live,
        all_let(live),
    ):
        with OtlpServer(protocol, port) as before:
            let(live, 0)
            before.wait_for(lambda server: finished(server) >= 20, 30)
            if kind == "silent":
                before.behaviour = always(SILENT)
                let(live, 1)
                let(live, 2)
                ended = live.ended(None, before.spans)
        if kind == "resetting":
            with raw_server(resetting, port):
                let(live, 1)
                let(live, 2)
                ended = live.ended(None, before.spans)
        elif kind == "gone":
            let(live, 1)
            let(live, 2)
            ended = live.ended(None, before.spans)
    assert ended.run.summary == {"passed": 90}
    assert 20 <= finished(before) < 90
    run = delivered_later(ended, protocol)
    assert len(run.tests) == 90
    assert len({span.trace_id for span in run.spans}) == 1


def test_08_a_replay_that_breaks_off_goes_on_where_it_was(scene: Scene) -> None:
    tests = BATCH // 2 + 1
    ended = scene.run(passing(tests), f"http://127.0.0.1:{free_port()}")
    journal = ended.journal
    with OtlpServer(behaviour=in_order(Reply(), Reply(), Reply(401))) as first:
        done = replay(journal, first.endpoint)
    assert done.exit_code == 1
    assert "still kept" in done.stdout
    assert 0 < len(first.spans()) < ended.counts.kept
    # In between, an endpoint that is not there changes nothing.
    assert replay(journal, f"http://127.0.0.1:{free_port()}").exit_code == 1
    with OtlpServer() as second:
        done = replay(journal, second.endpoint)
    assert done.exit_code == 0
    assert len(whole(ended, [*first.spans(), *second.spans()]).tests) == tests
    assert ended.journals == []
    assert replay(journal, second.endpoint).exit_code == 2


def test_08_a_replay_gives_the_ids_of_the_run(scene: Scene) -> None:
    """What arrived although nobody said so, arrives again as the same spans."""
    held = threading.Event()

    def behaviour(request: Request) -> Reply:
        return Reply(silent=held.is_set())

    with (
        OtlpServer(behaviour=behaviour) as server,
        scene.live(SUITE, server, exit_timeout=1) as live,
        all_let(live),
    ):
        let(live, 0)
        server.wait_for(lambda server: finished(server) >= 20, 30)
        held.set()
        let(live, 1)
        let(live, 2)
        ended = live.ended(scene.without(SUITE.replace("not pathlib", "False and not pathlib")))
        unanswered = {span.span_id: span for request in server.requests for span in request.spans if not request.taken}
    assert unanswered
    again = {span.span_id: span for span in delivered_later(ended).spans}
    for span_id, span in unanswered.items():
        assert again[span_id]._replace(arrival=0) == span._replace(arrival=0)
