"""The exporter of a run, found from outside: it is nobody's child."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from support.deadline import wait_until


def exporter_at(journals: Path) -> int:
    """The process id of the one exporter that has a file in that folder open. Linux only: /proc tells it."""
    wait_until(lambda: any(_at(journals)), f"an exporter works in {journals}")
    (found,) = _at(journals)
    return found


def _at(folder: Path) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if b"exporter/__main__.py" in (process / "cmdline").read_bytes() and _works_in(process, folder):
                yield int(process.name)


def _works_in(process: Path, folder: Path) -> bool:
    return any(path.readlink().is_relative_to(folder) for path in (process / "fd").iterdir())
