"""Descriptors in a process whose tests may close any number, and then open files of their own under it."""

from __future__ import annotations

import os
from contextlib import suppress

_HIGHEST = 4096
"""The system keeps a table as long as the highest number."""
_FROM_THE_TOP = 32
_fstat, _close = os.fstat, os.close


def raised(descriptor: int) -> int:
    """The same file under a high descriptor number, where the system has them; the low one is closed.

    Tests that close "all" descriptors, or expect the lowest free one, work with small numbers.
    """
    try:
        import fcntl  # noqa: PLC0415  absent on Windows
        import resource  # noqa: PLC0415  see above
    except ImportError:
        return descriptor
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = min(most, _HIGHEST) if most != resource.RLIM_INFINITY else _HIGHEST
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, max(0, lowest - _FROM_THE_TOP))
    except OSError:
        return descriptor
    os.close(descriptor)
    return high


class Held:
    """A descriptor that is only used, and closed, while it still is what it was."""

    def __init__(self, descriptor: int) -> None:
        self.number = raised(descriptor)
        self._identity = _identity(self.number)

    @property
    def intact(self) -> bool:
        """Whether no test has closed it."""
        return self.number >= 0 and _identity(self.number) == self._identity

    def close(self) -> None:
        if self.intact:
            with suppress(OSError):
                _close(self.number)
        self.number = -1


def _identity(descriptor: int) -> tuple[int, int] | None:
    try:
        found = _fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino
