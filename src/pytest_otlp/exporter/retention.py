"""Retention of the journals that are kept: all of one folder together stay under a limit."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from pytest_otlp.exporter.progress import BusyError, Progress
from pytest_otlp.journal import SUFFIX

LIMIT = 512 * 1024 * 1024
"""Bytes."""
_STARTING = 60.0
"""s in which a run may have a journal and no exporter yet that holds it."""


def make_room(own: Path, limit: int = LIMIT) -> tuple[str, ...]:
    """Removes the oldest journals beside `own` until all fit into `limit` bytes; one notice where there were any.

    `own` and those that another exporter or a replay works at stay, so that the limit may be exceeded.
    """
    journals = _oldest_first(own.parent)
    excess = sum(size for _, size in journals) - limit
    removed = freed = 0
    for path, size in journals:
        if freed < excess and path != own and _removed(path):
            removed += 1
            freed += size
    if not removed:
        return ()
    what = "the oldest kept journal was" if removed == 1 else f"the {removed} oldest kept journals were"
    return (f"{what} removed unsent, because {own.parent} would hold more than {limit // 1024**2} MiB",)


def _oldest_first(folder: Path) -> list[tuple[Path, int]]:
    """With their sizes in bytes."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError):  # delivered and removed meanwhile
            status = path.stat()
            found.append((status.st_mtime_ns, path, status.st_size))
    return [(path, size) for _, path, size in sorted(found)]


def _removed(path: Path) -> bool:
    """Whether it was there to be removed; not where it is in use."""
    try:
        if time.time() - path.stat().st_mtime < _STARTING:
            return False
        progress = Progress(path)
    except (BusyError, OSError):
        return False
    try:
        path.unlink(missing_ok=True)
    except OSError:
        progress.close()
        return False
    progress.remove()
    return True
