from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp import journal
from pytest_otlp.journal import Journal, JournalReader

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX systems")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def all_lines(path: Path) -> list[bytes]:
    reader = JournalReader(path)
    found = []
    while (lines := reader.lines()) is not None:
        found += lines
    reader.close()
    return found


def in_a_process(path: Path, code: str) -> str:
    """What a process prints that has a journal at that path; for what a process does to itself."""
    script = f"""
import os
from pathlib import Path
from pytest_otlp.journal import Journal
journal = Journal(Path({str(path)!r}))
{textwrap.dedent(code)}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# Writing


def test_lines_are_there_at_once(path: Path) -> None:
    writer = Journal(path)
    writer.append("[1]\n")
    assert all_lines(path) == [b"[1]"]
    writer.append("[2]\n")
    writer.close()
    assert all_lines(path) == [b"[1]", b"[2]"]
    assert writer.dropped == 0


@on_posix
def test_only_its_owner_can_read_it(path: Path) -> None:
    umask = os.umask(0)
    try:
        Journal(path).close()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_journal_is_never_written_to(path: Path) -> None:
    path.write_text("[1]\n")
    with pytest.raises(FileExistsError):
        Journal(path)
    assert path.read_text() == "[1]\n"


@on_posix
def test_small_descriptors_are_left_to_the_tests(path: Path) -> None:
    before = os.dup(0)
    writer = Journal(path)
    after = os.dup(0)
    os.close(before)
    os.close(after)
    assert after == before + 1
    writer.append("[1]\n")
    os.closerange(3, 3)
    writer.close()
    assert all_lines(path) == [b"[1]"]


@on_posix
def test_few_descriptors(path: Path) -> None:
    """A process that may not have so many gets a small one."""
    code = """
        import resource
        journal.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
        journal = Journal(journal.path.with_suffix(".second"))
        journal.append("[1]\\n")
        print(journal.dropped)
    """
    assert in_a_process(path, code) == "0"
    assert all_lines(path.with_suffix(".second")) == [b"[1]"]


@on_posix
def test_a_descriptor_closed_by_a_test(path: Path) -> None:
    """It is opened again; what comes after our own end is counted as lost."""
    code = """
        journal.append("[1]\\n")
        os.closerange(3, 1000)
        journal.append("[2]\\n")
        journal.append("[3]\\n")
        journal.close()
        journal.append("[4]\\n")
        print(journal.dropped)
    """
    assert in_a_process(path, code) == "1"
    assert all_lines(path) == [b"[1]", b"[2]", b"[3]"]


@on_posix
def test_a_full_disk(path: Path) -> None:
    """A torn line is counted, and does not take the next one with it when there is room again."""
    code = """
        import resource
        journal.append("[1]\\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
        journal.append("[222222222222]\\n")
        journal.append("[3]\\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.append("[4]\\n")
        journal.append("[5]\\n")
        print(journal.dropped)
    """
    assert in_a_process(path, code) == "2"
    assert all_lines(path) == [b"[1]", b"[22222", b"[4]", b"[5]"]


@on_posix
def test_a_forked_child_writes_nothing(path: Path) -> None:
    code = """
        journal.append("[1]\\n")
        child = os.fork()
        journal.append("[2]\\n")
        if not child:
            journal.close()
            os._exit(journal.dropped)
        _, status = os.waitpid(child, 0)
        journal.append("[3]\\n")
        print(status, journal.dropped)
    """
    assert in_a_process(path, code) == "0 0"
    assert all_lines(path) == [b"[1]", b"[2]", b"[3]"]


@on_posix
def test_a_forked_child_of_a_test_that_replaced_the_system(path: Path) -> None:
    code = """
        def broken(*arguments):
            raise OSError("not the real one")
        journal.append("[1]\\n")
        real_close, real_exit = os.close, os._exit
        os.close = os.write = broken
        child = os.fork()
        journal.append("[2]\\n")
        if not child:
            real_exit(journal.dropped)
        print(os.waitpid(child, 0)[1])
    """
    assert in_a_process(path, code) == "0"
    assert all_lines(path) == [b"[1]", b"[2]"]


def test_functions_of_the_system_replaced_by_a_test(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise OSError("not the real one")

    writer = Journal(path)
    with monkeypatch.context() as patched:
        for name in ("write", "close", "open"):
            patched.setattr(os, name, broken)
        writer.append("[1]\n")
        writer.close()
    assert writer.dropped == 0
    assert all_lines(path) == [b"[1]"]


def test_closed_twice(path: Path) -> None:
    writer = Journal(path)
    writer.close()
    writer.close()


# Reading


@given(st.lists(st.binary(min_size=1, max_size=9).filter(lambda b: b"\n" not in b)), st.data())
def test_reader_follows_a_growing_file(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    """However the writer's bytes and the reader's looks fall, each line comes once and whole."""
    path = tmp_path_factory.mktemp("journal") / "run.jsonl"
    content = b"".join(line + b"\n" for line in lines)
    found: list[bytes] = []
    with path.open("wb", buffering=0) as file, closing(JournalReader(path)) as reader:
        while file.tell() < len(content):
            file.write(content[file.tell() :][: data.draw(st.integers(1, 20))])
            while (new := reader.lines(data.draw(st.integers(1, 20)))) is not None:
                found += new
            assert reader.behind == 0
            assert reader.torn == (not content[: file.tell()].endswith(b"\n"))
    assert found == lines


def test_reader_tells_nothing_from_the_end(path: Path) -> None:
    path.write_bytes(b"[1]\n[2")
    reader = JournalReader(path)
    assert reader.behind == 6
    assert reader.lines(2) == []
    assert reader.behind == 4
    assert reader.lines() == [b"[1]"]
    assert reader.lines() is None
    ends = [reader.torn]
    with path.open("ab") as file:
        file.write(b"]\n")
    assert reader.lines() == [b"[2]"]
    assert reader.lines() is None
    assert [*ends, reader.torn] == [True, False]
    reader.close()


def test_reader_of_no_file(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JournalReader(path)


# Where it stands


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / ".pytest_cache" / "d" / "otlp").mkdir(parents=True)
    return folder


def test_in_the_cache_of_the_project(project: Path, temporary: Path) -> None:
    cache = project / ".pytest_cache" / "d" / "otlp"
    made = journal.create("1", project, cache)
    made.close()
    assert made.path == cache / "1.jsonl"
    assert journal.kept(project) == [made.path]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("cache", [None, "missing"])
def test_in_a_temporary_folder_of_ones_own(project: Path, temporary: Path, cache: str | None) -> None:
    made = journal.create("1", project, project / cache if cache else None)
    made.close()
    assert made.path.is_relative_to(temporary)
    if sys.platform != "win32":
        assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(made.path.parent.parent.stat().st_mode) == 0o700
    assert journal.kept(project) == [made.path]


def test_the_last_journal_takes_the_temporary_folder_with_it(project: Path, temporary: Path) -> None:
    paths = []
    for name in "12":
        made = journal.create(name, project, None)
        made.close()
        paths.append(made.path)
    first, last = paths
    journal.discard(first)
    assert journal.kept(project) == [last]
    journal.discard(last)
    journal.discard(last)
    (own,) = temporary.iterdir()
    assert list(own.iterdir()) == []


def test_the_folder_in_the_cache_stays(project: Path) -> None:
    cache = project / ".pytest_cache" / "d" / "otlp"
    made = journal.create("1", project, cache)
    made.close()
    journal.discard(made.path)
    assert list(cache.iterdir()) == []


def test_a_temporary_folder_that_another_run_removes(
    project: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Path] = []
    opened = os.open

    def open_after(path: Path, *args: int) -> int:
        if not removed:
            removed.append(path.parent)
            path.parent.rmdir()
        return opened(path, *args)

    monkeypatch.setattr(os, "open", open_after)
    made = journal.create("1", project, None)
    made.close()
    assert removed == [made.path.parent]
    assert journal.kept(project) == [made.path]


def test_projects_of_one_name_are_kept_apart(tmp_path: Path, temporary: Path) -> None:
    first, second = tmp_path / "a" / "shop", tmp_path / "b" / "shop"
    journal.create("1", first, None).close()
    assert len(journal.kept(first)) == 1
    assert journal.kept(second) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_somebody_else(project: Path, temporary: Path) -> None:
    journal.create("1", project, None).close()
    (folder,) = temporary.iterdir()
    os.chown(folder, 12345, 12345)
    with pytest.raises(PermissionError, match=f"{folder} belongs to somebody else"):
        journal.create("2", project, None)


def test_kept_oldest_first(project: Path, temporary: Path) -> None:
    cache = project / ".pytest_cache" / "d" / "otlp"
    for name, age in (("b", 3), ("a", 2), ("c", 1)):
        made = journal.create(name, project, cache)
        made.close()
        os.utime(made.path, ns=(0, 10**18 - age))
    (cache / "a.sent").touch()
    assert [path.stem for path in journal.kept(project)] == ["b", "a", "c"]
    assert journal.kept(project / "nowhere") == []
