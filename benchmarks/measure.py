"""Runs one command and writes what it cost: `measure.py RESULT SECONDS COMMAND...`.

A process of its own, small and without imports from this project, so that the fork is cheap and the resource usage of
the children is that of the command alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h."""


def adopt_orphans() -> None:
    """Make processes that the command leaves behind children of this one (Linux), so that they are counted."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """Process ids of this process's children (Linux)."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in listing.read_text().split()] if listing.exists() else []


def kill_all(*_: object) -> None:
    """Signal handler of the time limit."""
    signal.alarm(1)  # a killed parent hands its children to us: come back for them
    for pid in children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Write `started` and `ended` (monotonic, ns), `cpu` (s, user and system) and the exit code of the command."""
    result, limit, *command = sys.argv[1:]
    adopt_orphans()
    signal.signal(signal.SIGALRM, kill_all)
    signal.alarm(int(limit))
    started = time.monotonic_ns()
    pid = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    ended = time.monotonic_ns()
    cpu = usage.ru_utime + usage.ru_stime
    left_behind = 0
    with contextlib.suppress(ChildProcessError):
        while True:
            _, _, usage = os.wait3(0)
            left_behind += 1
            cpu += usage.ru_utime + usage.ru_stime
    facts = {
        "started": started,
        "ended": ended,
        "cpu": cpu,
        "exit_code": os.waitstatus_to_exitcode(status),
        "left_behind": left_behind,
    }
    Path(result).write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
