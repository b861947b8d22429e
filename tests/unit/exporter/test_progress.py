from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp.exporter.progress import BusyError, Places, Progress, merged, missing
from support.model import texts

RESOURCE: dict[str, str | int] = {"service.name": "shop", "process.pid": 7}
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX systems")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


@pytest.fixture
def progress(journal: Path) -> Iterator[Progress]:
    made = Progress(journal)
    yield made
    made.close()


def read(journal: Path) -> tuple[dict[str, str | int] | None, list[tuple[int, int]]]:
    """What the next exporter of the journal will know."""
    with closing(Progress(journal)) as progress:
        return progress.resource, [*progress.settled]


def test_nothing_yet(progress: Progress, journal: Path) -> None:
    assert (progress.resource, progress.settled) == (None, [])
    assert Progress.settled_of(journal) == 0


def test_what_an_earlier_exporter_left(progress: Progress, journal: Path) -> None:
    progress.begin(RESOURCE)
    progress.settle(0, 512)
    progress.settle(512, 512)
    progress.settle(512, 520)
    assert progress.resource == RESOURCE
    assert Progress.settled_of(journal) == 520
    progress.settle(520, 521)
    with closing(Progress(journal.with_name("other.jsonl"))) as other:
        assert other.settled == []
    progress.close()
    assert read(journal) == (RESOURCE, [(0, 521)])
    # For the fixture.
    progress.__init__(journal)  # type: ignore[misc]


def test_payloads_are_settled_in_any_order(journal: Path) -> None:
    with closing(Progress(journal)) as progress:
        for places in [(1024, 1536), (0, 512), (1536, 1600), (2000, 2001)]:
            progress.settle(*places)
    assert read(journal)[1] == [(0, 512), (1024, 1600), (2000, 2001)]
    assert Progress.settled_of(journal) == 512 + 576 + 1


def test_it_goes_on(journal: Path) -> None:
    for life in range(3):
        with closing(Progress(journal)) as progress:
            assert progress.settled == ([(0, 5 * life)] if life else [])
            assert progress.resource == (RESOURCE if life else None)
            if not life:
                progress.begin(RESOURCE)
            progress.settle(5 * life, 5 * life + 5)


def test_what_comes_after_the_end_is_not_noted(journal: Path) -> None:
    """Least of all in a file that has got the number of the descriptor since."""
    progress = Progress(journal)
    progress.close()
    with closing(Progress(journal.with_name("other.jsonl"))) as other:
        progress.settle(0, 5)
        assert other.path.read_bytes() == b""


@given(st.dictionaries(texts, texts | st.integers()))
def test_any_resource(tmp_path_factory: pytest.TempPathFactory, resource: dict[str, str | int]) -> None:
    journal = tmp_path_factory.mktemp("progress") / "run.jsonl"
    with closing(Progress(journal)) as progress:
        progress.begin(resource)
        progress.settle(0, 3)
    assert read(journal) == (resource or None, [(0, 3)])


def test_remove(journal: Path) -> None:
    progress = Progress(journal)
    progress.begin(RESOURCE)
    progress.remove()
    assert list(journal.parent.iterdir()) == []


@on_posix
def test_only_its_owner_can_read_it(progress: Progress) -> None:
    assert stat.S_IMODE(progress.path.stat().st_mode) == 0o600


def test_one_process_at_a_time(progress: Progress, journal: Path) -> None:
    script = f"""
from pathlib import Path
from pytest_otlp.exporter.progress import BusyError, Places, Progress, merged, missing
try:
    Progress(Path({str(journal)!r}))
except BusyError:
    print("busy")
"""
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "busy\n"
    with pytest.raises(BusyError):
        Progress(journal)


@on_posix
def test_a_file_system_without_locks(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with closing(Progress(journal)) as progress:
        progress.settle(0, 5)
    assert read(journal)[1] == [(0, 5)]


@pytest.mark.parametrize(
    ("content", "known"),
    [
        (b"", (None, [])),
        (b'{"a": 1}\n', ({"a": 1}, [])),
        (b'{"a": 1}\n[0, 12]\n[12, 34]\n', ({"a": 1}, [(0, 34)])),
        (b'{"a": 1}\n[0, 12]\n[12, 3', ({"a": 1}, [(0, 12)])),
        (b'{"a"', (None, [])),
        (b'{"a"\n{"a": 1}\n[0, 7]\n', ({"a": 1}, [(0, 7)])),
        (b'{"a": 1}\n\xff\xff\n[0, 7]\n[-8, 99]\n[9, 8]\n', ({"a": 1}, [(0, 7)])),
        (b'null\n[]\n{}\n[true, 9]\n[1]\n["0", "9"]\n[0, 1, 2]\n12\n[0, 7]\n', (None, [(0, 7)])),
    ],
)
def test_a_damaged_file(
    journal: Path, content: bytes, known: tuple[dict[str, str | int] | None, list[tuple[int, int]]]
) -> None:
    journal.with_suffix(".sent").write_bytes(content)
    assert read(journal) == known


ranges = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: Places(*pair))


@given(st.lists(ranges), ranges)
def test_places(some: list[Places], asked: Places) -> None:
    """Against sets of numbers."""
    settled = merged(some)
    expected = {place for first, end in some for place in range(first, end)}
    assert [place for first, end in settled for place in range(first, end)] == sorted(expected)
    assert all(one.end < other.first for one, other in pairwise(settled))
    found = [place for first, end in missing(settled, *asked) for place in range(first, end)]
    assert found == sorted(set(range(*asked)) - expected)


@given(st.permutations([(0, 9), (9, 512), (512, 1024), (1024, 12345)]), st.integers(0, 60))
def test_a_file_cut_anywhere_says_nothing_too_much(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[tuple[int, int]], length: int
) -> None:
    """Too little means that spans are sent twice; too much, that they are lost."""
    journal = tmp_path_factory.mktemp("progress") / "run.jsonl"
    with closing(Progress(journal)) as progress:
        progress.begin({"a": 1})
        for places in payloads[:3]:
            progress.settle(*places)
    os.truncate(progress.path, min(length, progress.path.stat().st_size))
    noted = set(read(journal)[1])
    assert noted <= {*merged(map(Places._make, payloads[:3])), *payloads, *merged(map(Places._make, payloads[:2]))}
    with closing(Progress(journal)) as again:
        before = [*again.settled]
        again.settle(20_000, 20_001)
    assert read(journal)[1] == [*before, (20_000, 20_001)]


@on_posix
def test_a_full_disk(journal: Path) -> None:
    """Delivery goes on; what could not be noted will be sent again, and nothing that was not sent is left out."""
    script = f"""
import resource
from pathlib import Path
from pytest_otlp.exporter.progress import Progress
progress = Progress(Path({str(journal)!r}))
progress.begin({{"a": 1}})
progress.settle(0, 1000)
size = progress.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 3, resource.RLIM_INFINITY))
progress.settle(1000, 2000)
progress.settle(2000, 3000)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
kept = Progress.settled_of(Path({str(journal)!r}))
progress.settle(3000, 4000)
print(kept)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == 1000
    assert read(journal) == ({"a": 1}, [(0, 1000), (3000, 4000)])


def test_a_lock_of_windows_covers_nothing_that_is_read(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`msvcrt.locking` begins where the file stands, and keeps even its own process from reading through another."""
    locked: list[tuple[int, int]] = []

    class Msvcrt:
        LK_NBLCK = 2

        @staticmethod
        def locking(descriptor: int, mode: int, size: int) -> None:
            assert mode == Msvcrt.LK_NBLCK
            locked.append((os.lseek(descriptor, 0, os.SEEK_CUR), size))

    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt)
    monkeypatch.setattr(sys, "platform", "win32")
    with closing(Progress(journal)) as progress:
        progress.settle(0, 5)
    assert read(journal)[1] == [(0, 5)]
    assert {size for _, size in locked} == {1}
    assert all(2**30 < place < 2**31 for place, _ in locked)
