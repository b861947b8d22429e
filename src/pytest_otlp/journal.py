"""The journal: an append-only file of events that outlives the process which writes it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from pytest_otlp.descriptors import raised

if TYPE_CHECKING:
    from io import FileIO

FOLDER = "otlp"
"""Within pytest's cache directory, where it keeps folders of plugins (`d`)."""
SUFFIX = ".jsonl"
LAST_WORD = b"over"
"""What the exporter hears on its standard input when the last line is written."""
_BREAK = 0x0A


class Journal:
    """The writing end. Appends never raise and never wait for a reader.

    What it needs of `os` is captured once: a test may replace it (pyfakefs, monkeypatch).
    """

    def __init__(self, path: Path) -> None:
        """Creates the file with mode 0600.

        Raises:
            OSError: the file cannot be created.
        """
        self.path = path
        self.dropped = 0
        """Lines that could not be written (disk full, descriptor closed by a test)."""
        self._held = ""
        self._torn = False
        self._write: Callable[[int, bytes], int] = os.write
        self._open: Callable[[Path, int], int] = os.open
        self._close: Callable[[int], None] = os.close
        self._descriptor = raised(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600))
        self._owner = [os.getpid()]
        """Empty in a forked child (os.fork, multiprocessing), which is a copy of this process, not of the run."""
        if hasattr(os, "register_at_fork"):
            # No function of Python's: what the interpreter holds to its very end holds a function's module, and so all
            # that pytest collected, which it then has to search for garbage once more: 0.1 s with 5,000 tests.
            os.register_at_fork(after_in_child=self._owner.clear)

    @property
    def descriptor(self) -> int:
        """Negative once it is closed."""
        return self._descriptor

    def hold(self, line: str) -> None:
        """Lets a line wait for the next one that is appended, so that both are one write."""
        self._held += line

    def flush(self) -> None:
        """Writes what was held."""
        if self._held:
            self.append("")

    def append(self, line: str) -> None:
        """Writes one whole line of ASCII text, after what was held, or counts them as dropped."""
        if not self._owner:
            return
        if self._held:
            line, self._held = self._held + line, ""
        data = line.encode("ascii")
        if self._torn:
            data = b"\n" + data
        try:
            written = self._write(self._descriptor, data)
        except OSError as error:
            written = self._write_again(data) if error.errno == errno.EBADF else 0
        if written != len(data):
            self.dropped += data.count(b"\n", max(written, int(self._torn)))
        if written:
            self._torn = data[written - 1] != _BREAK

    def _write_again(self, data: bytes) -> int:
        """A test has closed our descriptor (`os.closerange`)."""
        if self._descriptor < 0:
            return 0
        try:
            self._descriptor = raised(self._open(self.path, os.O_WRONLY | os.O_APPEND))
            return self._write(self._descriptor, data)
        except OSError:
            return 0

    def close(self) -> None:
        self.flush()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # a test has closed it already
                self._close(descriptor)


class JournalReader:
    """The reading end: follows a file that still grows."""

    def __init__(self, path: Path, opened: FileIO | None = None) -> None:
        """`opened`: the file, where it was opened before.

        Raises:
            OSError: it cannot be opened.
        """
        self._file = opened or path.open("rb", buffering=0)
        self._rest = b""

    def lines(self, limit: int = 1 << 18) -> list[bytes] | None:
        """The whole lines that the next `limit` bytes complete; None at the present end of the file."""
        chunk = self._file.read(limit)
        if not chunk:
            return None
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [line for line in lines if line]

    @property
    def torn(self) -> bool:
        """Whether what was read so far ends within a line."""
        return bool(self._rest)

    @property
    def behind(self) -> int:
        """Bytes of the file that are not read yet."""
        return os.fstat(self._file.fileno()).st_size - self._file.tell()

    def close(self) -> None:
        self._file.close()


def create(name: str, project: Path, cache: Path | None) -> Journal:
    """A new journal in the project's cache folder, where a person looks for it; else in the system's temporary one.

    Raises:
        OSError: neither can be written.
    """
    if cache is not None:
        with suppress(OSError):
            return Journal(cache / (name + SUFFIX))
    folder = _temporary_folder(project)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and folder.parent.lstat().st_uid != os.getuid():
        raise PermissionError(f"{folder.parent} belongs to somebody else")
    # The last journal of another run may take the folder with it at this moment.
    with suppress(FileNotFoundError):
        return _created(folder, name)
    return _created(folder, name)


def _created(folder: Path, name: str) -> Journal:
    folder.mkdir(mode=0o700, exist_ok=True)
    return Journal(folder / (name + SUFFIX))


def discard(path: Path) -> None:
    """Removes a journal of which nothing is left to send, and with the last one the project's temporary folder."""
    path.unlink(missing_ok=True)
    if path.parent.parent.name == _of_this_user():
        with suppress(OSError):  # there are others in it
            path.parent.rmdir()


def _temporary_folder(project: Path) -> Path:
    """Of a project whose own folder cannot be written."""
    import tempfile  # noqa: PLC0415  a tenth of all that the exporter would have to import

    name = f"{project.name}-{crc32(os.fsencode(project.resolve())):08x}"
    return Path(tempfile.gettempdir(), _of_this_user(), name)


def _of_this_user() -> str:
    """The name of the folder of all projects."""
    user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return f"pytest-otlp-{user}"


def kept(project: Path) -> list[Path]:
    """The journals of a project that wait for a replay, oldest first."""
    folders = (project / ".pytest_cache" / "d" / FOLDER, _temporary_folder(project))
    found = [path for folder in folders for path in folder.glob(f"*{SUFFIX}")]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)
