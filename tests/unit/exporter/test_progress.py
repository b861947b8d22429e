from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp.exporter.progress import BusyError, Progress
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


def read(journal: Path) -> tuple[dict[str, str | int] | None, int]:
    """What the next exporter of the journal will know."""
    with closing(Progress(journal)) as progress:
        return progress.resource, progress.settled


def test_nothing_yet(progress: Progress, journal: Path) -> None:
    assert (progress.resource, progress.settled) == (None, 0)
    assert Progress.settled_of(journal) == 0


def test_what_an_earlier_exporter_left(progress: Progress, journal: Path) -> None:
    progress.begin(RESOURCE)
    progress.settle(512)
    progress.settle(0)
    progress.settle(8)
    assert (progress.resource, progress.settled) == (RESOURCE, 520)
    assert Progress.settled_of(journal) == 520
    progress.settle(1)
    with closing(Progress(journal.with_name("other.jsonl"))) as other:
        assert other.settled == 0


def test_it_goes_on(journal: Path) -> None:
    for settled in (0, 5, 10):
        with closing(Progress(journal)) as progress:
            assert progress.settled == settled
            assert progress.resource == (RESOURCE if settled else None)
            if not settled:
                progress.begin(RESOURCE)
            progress.settle(5)


@given(st.dictionaries(texts, texts | st.integers()))
def test_any_resource(tmp_path_factory: pytest.TempPathFactory, resource: dict[str, str | int]) -> None:
    journal = tmp_path_factory.mktemp("progress") / "run.jsonl"
    with closing(Progress(journal)) as progress:
        progress.begin(resource)
        progress.settle(3)
    assert read(journal) == (resource or None, 3)


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
from pytest_otlp.exporter.progress import BusyError, Progress
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
        progress.settle(5)
    assert read(journal)[1] == 5


@pytest.mark.parametrize(
    ("content", "known"),
    [
        (b"", (None, 0)),
        (b'{"a": 1}\n', ({"a": 1}, 0)),
        (b'{"a": 1}\n12\n34\n', ({"a": 1}, 34)),
        (b'{"a": 1}\n12\n3', ({"a": 1}, 12)),
        (b'{"a"', (None, 0)),
        (b'{"a"\n{"a": 1}\n7\n', ({"a": 1}, 7)),
        (b'{"a": 1}\n\xff\xff\n7\n-8\n', ({"a": 1}, 7)),
        (b"null\n[]\n7\n", (None, 7)),
    ],
)
def test_a_damaged_file(journal: Path, content: bytes, known: tuple[dict[str, str | int] | None, int]) -> None:
    journal.with_suffix(".sent").write_bytes(content)
    assert read(journal) == known


@given(st.lists(st.integers(1, 1000), max_size=5), st.integers(0, 60))
def test_a_file_cut_anywhere_says_nothing_too_much(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[int], length: int
) -> None:
    """Too little means that spans are sent twice; too much, that they are lost."""
    journal = tmp_path_factory.mktemp("progress") / "run.jsonl"
    with closing(Progress(journal)) as progress:
        progress.begin({"a": 1})
        for payload in payloads:
            progress.settle(payload)
    os.truncate(progress.path, min(length, progress.path.stat().st_size))
    assert read(journal)[1] <= sum(payloads)
    with closing(Progress(journal)) as again:
        before = again.settled
        again.settle(1)
    assert read(journal)[1] == before + 1


@on_posix
def test_a_full_disk(journal: Path) -> None:
    """Delivery goes on; what could not be noted will be sent again, and nothing that was not sent is left out."""
    script = f"""
import resource
from pathlib import Path
from pytest_otlp.exporter.progress import Progress
progress = Progress(Path({str(journal)!r}))
progress.begin({{"a": 1}})
progress.settle(1000)
size = progress.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 3, resource.RLIM_INFINITY))
progress.settle(1000)
progress.settle(1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
kept = [Progress.settled_of(Path({str(journal)!r}))]
progress.settle(1000)
print([progress.settled, *kept])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [4000, 1000]
    assert read(journal) == ({"a": 1}, 4000)
