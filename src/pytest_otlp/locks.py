"""Locks of files, between processes."""

from __future__ import annotations

import errno
import os
import sys

_FAR = 0x7FFF_FFFF
"""A lock on Windows keeps others, and other handles of the same process, from reading what it covers: nothing here."""


def lock(descriptor: int) -> None:
    """Until the descriptor is closed.

    Raises:
        BlockingIOError: another has the lock.
        OSError: the file system knows none.
    """
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415  only there

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415  not there

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EDEADLK):  # as Windows says it, and some network's file systems
            raise BlockingIOError(*error.args) from None
        raise


def locked(path: os.PathLike[str]) -> int:
    """A descriptor that holds the lock of a file, which is made where there is none.

    Raises:
        BlockingIOError: another has the lock.
        OSError: the file cannot be made, or the file system knows no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        lock(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
