"""What one commit of the store changed, for those who look on."""

from __future__ import annotations

from typing import Any, NamedTuple

from pytest_otlp.viewer.rows import Row
from pytest_otlp.viewer.state import State

FAILURES = ("failed", "error", "crashed", "interrupted")
"""Outcomes that the page shows first."""


class NewRow(NamedTuple):
    """A row with its number, node id and start (us after the run's)."""

    number: int
    nodeid: str
    start: int
    row: Row


class RunChange:
    """What is new of one run."""

    def __init__(self) -> None:
        self.state: State = {}
        self.rows: list[NewRow] = []
        self.grown: set[int] = set()

    def failures(self) -> list[dict[str, Any]]:
        return [_failure(new) for new in self.rows if new.row.outcome in FAILURES]


class Changes:
    """Collected while a batch is written, published after its commit."""

    def __init__(self) -> None:
        self.runs: dict[str, RunChange] = {}
        self.traces = False
        self.removed: list[str] = []

    def of(self, run: str) -> RunChange:
        return self.runs.setdefault(run, RunChange())


def _failure(new: NewRow) -> dict[str, Any]:
    row = new.row
    return {
        "n": new.number,
        "nodeid": new.nodeid,
        "outcome": row.outcome,
        "type": row.type,
        "message": row.message,
        "duration": row.duration,
        "worker": row.worker,
    }
