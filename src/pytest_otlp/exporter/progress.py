"""What of a journal is delivered already: beside the journal, so that a replay sends the rest only.

One line of JSON with the resource as it was sent, then a line a settled payload with the number of spans settled so
far. Spans come from a journal in the same order each time, and are sent in that order, so a number says it all.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path


class BusyError(Exception):
    """Another process is sending this journal."""


class Progress:
    """The progress of one journal's delivery, as a file that only ever grows."""

    def __init__(self, journal: Path) -> None:
        """Reads what an earlier exporter of the same journal left.

        Raises:
            OSError: the file cannot be read or created.
            BusyError: another process is at it.
        """
        self.path = _path_of(journal)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        _lock(self._descriptor)
        self.resource: dict[str, str | int] | None
        self.resource, self.settled = _read(self.path)

    @staticmethod
    def settled_of(journal: Path) -> int:
        """The number of spans of a journal that need no sending, without taking part in it."""
        return _read(_path_of(journal))[1]

    def begin(self, resource: dict[str, str | int]) -> None:
        """Notes the resource, so that a replay elsewhere or later says the same."""
        self.resource = resource
        self._note(json.dumps(resource))

    def settle(self, spans: int) -> None:
        """Notes that the next `spans` spans need no further sending."""
        if spans:
            self.settled += spans
            self._note(str(self.settled))

    def _note(self, line: str) -> None:
        """Where the disk is full, a replay will send again what is not noted."""
        with suppress(OSError):
            # The line break before it ends a line that a full disk has torn.
            os.write(self._descriptor, f"\n{line}\n".encode("ascii"))

    def close(self) -> None:
        """Lets others send the journal."""
        os.close(self._descriptor)

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)


def _path_of(journal: Path) -> Path:
    return journal.with_suffix(".sent")


def _read(path: Path) -> tuple[dict[str, str | int] | None, int]:
    try:
        lines = path.read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return None, 0
    numbers = [int(line) for line in lines if line.isdigit()]
    return next(filter(None, map(_resource_in, lines)), None), max(numbers, default=0)


def _resource_in(line: str) -> dict[str, str | int] | None:
    """None where it is no resource, or a torn one."""
    if not line.startswith("{"):
        return None
    try:
        resource: dict[str, str | int] = json.loads(line)
    except ValueError:
        return None
    return resource


def _lock(descriptor: int) -> None:
    """For as long as this process lives."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        raise BusyError from None
    except OSError:
        pass  # a file system without locks
