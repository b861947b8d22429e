"""More than an endpoint takes in time, and more kept than there is room for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from faults.scene import SOAK, Protocol, Scene, check_delivered, delivered_later, free_port, passing, sent_once
from pytest_otlp.exporter import retention
from pytest_otlp.exporter.progress import Progress
from support.otlp_server import OtlpServer, Reply, Request, slow

# 11


@pytest.mark.parametrize(
    ("tests", "workers", "protocol"),
    [
        (500, (), "http"),
        (500, (), "grpc"),
        (500, ("-n2",), "http"),
        pytest.param(8000, (), "http", marks=SOAK),
        pytest.param(8000, ("-n2",), "grpc", marks=SOAK),
    ],
    indirect=["workers"],
)
def test_11_a_server_that_takes_half_a_second_a_batch(
    scene: Scene, tests: int, workers: tuple[str, ...], protocol: Protocol
) -> None:
    with OtlpServer(protocol, behaviour=slow(0.5)) as server:
        ended = scene.run(passing(tests), server, *workers, protocol=protocol)
        assert sent_once(server)
    assert len(check_delivered(ended).tests) == tests


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_11_some_are_answered_and_others_are_not(scene: Scene, protocol: Protocol) -> None:
    """What was taken is never sent again, in whatever order it was."""
    suite = passing(600)

    def behaviour(request: Request) -> Reply:
        return Reply(silent=request.number % 3 == 1)

    with OtlpServer(protocol, behaviour=behaviour) as server:
        ended = scene.run(suite, server, "--otel-metrics=off", protocol=protocol, exit_timeout=2)
    taken: set[str] = set()
    for request in server.requests:
        ids = {span.span_id for span in request.spans}
        assert not ids & taken
        taken |= ids if request.taken else set()
    assert 0 < ended.counts.delivered < ended.counts.produced
    assert len(delivered_later(ended, protocol).tests) == 600


# 15

MB = 1_000_000
HOUR = 3600


def kept(folder: Path, name: str, size: int, hours: float) -> Path:
    """A journal of so many bytes that a run left so long ago, and its progress; it takes no room on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    for each, length in [(path, size), (path.with_suffix(".sent"), 10)]:
        each.touch()
        os.truncate(each, length)
        os.utime(each, (time.time() - hours * HOUR,) * 2)
    return path


def test_15_the_oldest_of_too_much_goes_first(scene: Scene) -> None:
    folder = scene.runner.folder / ".pytest_cache" / "d" / "otlp"
    scene.runner.folder.mkdir()
    oldest, busy, old, young = (kept(folder, f"{n}", 200 * MB, 9 - n) for n in range(4))
    progress = Progress(busy)
    try:
        ended = scene.run(passing(3), f"http://127.0.0.1:{free_port()}")
    finally:
        progress.close()
    assert ended.counts.kept == ended.counts.produced > 0
    assert "; the 2 oldest kept journals were removed unsent, because " in ended.text
    assert ended.text.endswith("would hold more than 512 MiB")
    (own,) = set(ended.journals) - {busy, young}
    assert str(own.relative_to(ended.run.folder)) in ended.text
    assert {path.stem for path in folder.iterdir()} == {own.stem, busy.stem, young.stem}
    assert not oldest.exists()
    assert not old.exists()


def test_15_nothing_goes_where_there_is_room(scene: Scene) -> None:
    folder = scene.runner.folder / ".pytest_cache" / "d" / "otlp"
    scene.runner.folder.mkdir()
    before = [kept(folder, f"{n}", 150 * MB, 9 - n) for n in range(3)]
    ended = scene.run(passing(3), f"http://127.0.0.1:{free_port()}")
    assert "removed" not in ended.text
    assert len(ended.journals) == 4
    assert all(path.stat().st_size == 150 * MB for path in before)


@pytest.mark.parametrize(
    ("limit", "left", "notice"),
    [
        (1000, ["a", "b", "c", "own"], ""),
        (400, ["a", "b", "c", "own"], ""),
        (399, ["b", "c", "own"], "the oldest kept journal was removed unsent"),
        (300, ["b", "c", "own"], "the oldest kept journal was removed unsent"),
        (150, ["own"], "the 3 oldest kept journals were removed unsent"),
        (1, ["own"], "the 3 oldest kept journals were removed unsent"),
    ],
)
def test_15_no_more_goes_than_has_to(tmp_path: Path, limit: int, left: list[str], notice: str) -> None:
    own = kept(tmp_path, "own", 100, 20)
    for hours, name in enumerate("cba"):
        kept(tmp_path, name, 100, hours + 1)
    (tmp_path / "notes.txt").write_text("x" * 1000)
    told = retention.make_room(own, limit)
    assert [text.partition(",")[0] for text in told] == list(filter(None, [notice]))
    assert sorted(path.stem for path in tmp_path.glob("*.jsonl")) == left
    assert sorted(path.stem for path in tmp_path.glob("*.sent")) == left
    assert (tmp_path / "notes.txt").exists()


def test_15_a_run_that_is_starting_keeps_its_journal(tmp_path: Path) -> None:
    own, new = kept(tmp_path, "own", 100, 0), kept(tmp_path, "new", 100, 0.001)
    assert retention.make_room(own, 1) == ()
    assert new.exists()
