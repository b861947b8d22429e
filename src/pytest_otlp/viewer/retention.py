"""What goes when there is too much: the oldest runs, and the oldest traces of applications."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pytest_otlp.viewer import warned
from pytest_otlp.viewer.arguments import KEEP_BYTES, KEEP_RUNS
from pytest_otlp.viewer.ledger import Ledger
from pytest_otlp.viewer.schema import ROWS

_TRACES = 5_000
"""Traces that are no pytest run."""
_TRACES_AT_ONCE = 500
_LOOK_EACH = 2_000_000
"""us between two looks at the size."""


class Keep(NamedTuple):
    """How much is kept; 0 is no limit."""

    runs: int = KEEP_RUNS
    bytes: int = KEEP_BYTES


def apply(ledger: Ledger, keep: Keep) -> None:
    """Removes what is beyond the limits, within the writer's transaction."""
    if not ledger.due_for_retention(_LOOK_EACH):
        return
    over = keep.bytes and _used(ledger) > keep.bytes
    oldest = _oldest_runs(ledger, keep, crowded=bool(over))
    for number, run in oldest:
        remove(ledger, number, run)
    (traces,) = ledger.connection.execute("SELECT count(*) FROM trace WHERE run IS NULL").fetchone()
    if traces > _TRACES or (over and not oldest and traces):
        remove_traces(ledger, max(traces - _TRACES, _TRACES_AT_ONCE))


def _used(ledger: Ledger) -> int:
    """Bytes that hold something."""
    pages, free, size = (
        ledger.connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _oldest_runs(ledger: Ledger, keep: Keep, *, crowded: bool) -> list[tuple[int, str]]:
    """The runs to remove, the oldest first; the newest always stays."""
    rows = ledger.connection.execute("SELECT no, id FROM run ORDER BY start DESC").fetchall()
    beyond = rows[keep.runs :] if keep.runs else []
    if not beyond and crowded:
        beyond = rows[1:][-1:]
    return [(row[0], row[1]) for row in reversed(beyond)]


def remove(ledger: Ledger, number: int, run: str) -> None:
    """One run with all that belongs to it."""
    execute = ledger.connection.execute
    keys = (number << ROWS, (number + 1) << ROWS)
    execute("DELETE FROM pack WHERE key >= ? AND key < ?", keys)
    execute("DELETE FROM test WHERE key >= ? AND key < ?", keys)
    execute("DELETE FROM fixture WHERE run = ?", (number,))
    warned.remove(ledger.connection, number)
    _remove_traces(ledger, [row[0] for row in execute("SELECT no FROM trace WHERE run = ?", (number,))])
    execute("DELETE FROM run WHERE no = ?", (number,))
    ledger.forget_run(run, number)
    ledger.changes.removed.append(run)
    execute("PRAGMA incremental_vacuum(2000)").fetchall()


def remove_traces(ledger: Ledger, most: int = -1) -> int:
    """The oldest traces that are no pytest run, all of them unless told otherwise; their number."""
    rows = ledger.connection.execute(
        "SELECT no FROM trace WHERE run IS NULL ORDER BY start LIMIT ?", (most,)
    ).fetchall()
    _remove_traces(ledger, [row[0] for row in rows])
    ledger.changes.traces = True
    return len(rows)


def _remove_traces(ledger: Ledger, numbers: Iterable[int]) -> None:
    for number in numbers:
        for table in ("span", "log"):
            ledger.connection.execute(f"DELETE FROM {table} WHERE trace = ?", (number,))  # noqa: S608  names of our own
        ledger.connection.execute("DELETE FROM trace WHERE no = ?", (number,))
    ledger.forget_traces()
