"""Wall-clock time that nothing in a test can move."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pytest_otlp.namedtuple import NamedTuple

_SAME_CLOCK = 50_000_000
"""ns within which another process' anchor must agree with the wall clock to be taken for one of this machine."""


class Anchor(NamedTuple):
    """One reading of the wall clock and of the monotonic clock at the same moment, both in ns."""

    wall: int
    monotonic: int


Began: TypeAlias = tuple[int, int, Callable[[], int]]
"""An anchor of this process, and what reads the monotonic clock."""


def shared_anchor(other: Anchor, own: Anchor) -> Anchor:
    """`other`, of the process that owns the run, where it holds here too; else the `own` of this process.

    The monotonic clock is the system's on Linux, macOS and Windows: with one anchor for all processes of a machine
    a step of the wall clock between their starts cannot move a test out of its session.
    """
    here = other.wall + own.monotonic - other.monotonic
    return other if abs(here - own.wall) < _SAME_CLOCK else own


class Clock:
    """Called, it gives ns since the epoch: the anchor's wall time plus the monotonic time since."""

    def __init__(self, anchor: Anchor, monotonic: Callable[[], int]) -> None:
        """`monotonic`: `time.perf_counter_ns`, as it was before anybody could replace it."""
        self.monotonic = monotonic
        """What it counts with, for who adds `offset` later."""
        self.offset = anchor.wall - anchor.monotonic

    def __call__(self) -> int:
        return self.monotonic() + self.offset
