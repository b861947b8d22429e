"""Wall-clock time that nothing in a test can move."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

_SAME_CLOCK = 50_000_000
"""ns within which another process' anchor must agree with the wall clock to be taken for one of this machine."""


class Anchor(NamedTuple):
    """One reading of the wall clock and of the monotonic clock at the same moment, both in ns."""

    wall: int
    monotonic: int


def anchor_now() -> Anchor:
    return Anchor(time.time_ns(), time.perf_counter_ns())


def shared_anchor(other: Anchor) -> Anchor:
    """`other`, of the process that owns the run, where it holds here too; else one of this process.

    The monotonic clock is the system's on Linux, macOS and Windows: with one anchor for all processes of a machine
    a step of the wall clock between their starts cannot move a test out of its session.
    """
    own = anchor_now()
    here = other.wall + own.monotonic - other.monotonic
    return other if abs(here - own.wall) < _SAME_CLOCK else own


class Clock:
    """Called, it gives ns since the epoch: the anchor's wall time plus the monotonic time since."""

    def __init__(self, anchor: Anchor) -> None:
        self.monotonic: Callable[[], int] = time.perf_counter_ns
        """What it counts with, for who adds `offset` later. freezegun replaces it in modules that name it, not here."""
        self.offset = anchor.wall - anchor.monotonic

    def __call__(self) -> int:
        return self.monotonic() + self.offset
