"""More than an endpoint takes in time, and more kept than there is room for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from faults.scene import DEADLINE, Scene, _line_in, delivered_later, free_port, passing, sent_once
from pytest_otlp.exporter import room
from pytest_otlp.exporter.progress import Progress
from support.otlp_server import OtlpServer, slow

# 11


def test_11_a_server_that_takes_half_a_second_a_batch(scene: Scene) -> None:
    suite = passing(2000)
    with (
        OtlpServer(behaviour=slow(0.5)) as server,
        scene.live(suite, server, "--otel-metrics=off") as live,
    ):
        _, out, _ = live.process.wait(DEADLINE)
        line = _line_in(out)
        assert line is not None, out
        # The server would take the last request, but nobody waits for its word: it is kept.
        answered = server.spans()[: line.delivered]
        ended = live.ended(scene.without(suite), spans=lambda: answered)
        assert len(server.spans()) - len(answered) <= 512
        assert sent_once(server)
    assert ended.counts.tests == 2000
    assert 0 < ended.counts.delivered < ended.counts.produced
    assert len(delivered_later(ended).tests) == 2000


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
    told = room.make_room(own, limit)
    assert [text.partition(",")[0] for text in told] == list(filter(None, [notice]))
    assert sorted(path.stem for path in tmp_path.glob("*.jsonl")) == left
    assert sorted(path.stem for path in tmp_path.glob("*.sent")) == left
    assert (tmp_path / "notes.txt").exists()


def test_15_a_run_that_is_starting_keeps_its_journal(tmp_path: Path) -> None:
    own, new = kept(tmp_path, "own", 100, 0), kept(tmp_path, "new", 100, 0.001)
    assert room.make_room(own, 1) == ()
    assert new.exists()
