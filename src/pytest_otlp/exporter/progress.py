"""What of a journal is delivered already: beside the journal, so that a replay sends the rest only.

One line of JSON with the resource as it was sent, then a line a settled payload: the places of its spans among all
that the journal gives, from the first to the one after the last. Spans come from a journal in the same order each
time, so places say it all, whichever payload is answered first.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pytest_otlp.locks import lock


class BusyError(Exception):
    """Another process is sending this journal."""


class Places(NamedTuple):
    """Spans of one journal that follow each other."""

    first: int
    end: int
    """The place after the last."""


def merged(ranges: Iterable[Places]) -> list[Places]:
    """The same places in order, as few ranges as possible, none of them empty."""
    found: list[Places] = []
    for first, end in sorted(ranges):
        if found and first <= found[-1].end:
            found[-1] = Places(found[-1].first, max(end, found[-1].end))
        elif first < end:
            found.append(Places(first, end))
    return found


def missing(settled: Iterable[Places], first: int, end: int) -> Iterator[Places]:
    """What of the places from `first` to before `end` is in none of the ranges, which are merged ones."""
    for known in settled:
        if known.first >= end:
            break
        if known.first > first:
            yield Places(first, known.first)
        first = max(first, known.end)
    if first < end:
        yield Places(first, end)


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
        self._writing = threading.Lock()
        _lock(self._descriptor)
        self.resource: dict[str, str | int] | None
        self.resource, self.settled = _read(self.path)
        """`settled`: what needed no sending any more when this was made."""

    @staticmethod
    def settled_of(journal: Path) -> int:
        """The number of spans of a journal that need no sending, without taking part in it."""
        return sum(end - first for first, end in _read(_path_of(journal))[1])

    @staticmethod
    def resource_of(journal: Path) -> dict[str, str | int] | None:
        """The resource as an exporter of the journal sent it; None where none did."""
        return _read(_path_of(journal))[0]

    def begin(self, resource: dict[str, str | int]) -> None:
        """Notes the resource, so that a replay elsewhere or later says the same."""
        self.resource = resource
        self._note(json.dumps(resource))

    def settle(self, first: int, end: int) -> None:
        """Notes that the spans from place `first` to before `end` need no further sending."""
        if first < end:
            self._note(json.dumps([first, end]))

    def _note(self, line: str) -> None:
        """Where the disk is full, a replay will send again what is not noted."""
        # Once closed, the number of the descriptor may be that of another file.
        with self._writing, suppress(OSError):
            # The line break before it ends a line that a full disk has torn.
            os.write(self._descriptor, f"\n{line}\n".encode("ascii"))

    def close(self) -> None:
        """Lets others send the journal."""
        with self._writing:
            descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)


def _path_of(journal: Path) -> Path:
    return journal.with_suffix(".sent")


def _read(path: Path) -> tuple[dict[str, str | int] | None, list[Places]]:
    try:
        lines = path.read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return None, []
    values = [_value(line) for line in lines]
    resource = next((value for value in values if value and isinstance(value, dict)), None)
    return resource, merged(Places(*value) for value in values if _are_places(value))


def _value(line: str) -> Any:
    """None for a torn line."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def _are_places(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(each) is int and each >= 0 for each in value)


def _lock(descriptor: int) -> None:
    """For as long as this process lives."""
    try:
        lock(descriptor)
    except BlockingIOError:
        os.close(descriptor)
        raise BusyError from None
    except OSError:
        pass  # a file system without locks
