"""What goes when there is too much: the oldest runs, and the oldest traces of applications."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from pytest_otlp import semconv
from pytest_otlp.viewer import state as states
from pytest_otlp.viewer import warned
from pytest_otlp.viewer.arguments import KEEP_BYTES, KEEP_RUNS
from pytest_otlp.viewer.ledger import Ledger
from pytest_otlp.viewer.otlp import attributes_of
from pytest_otlp.viewer.schema import ROWS
from pytest_otlp.viewer.state import State

_TRACES = 5_000
"""Traces that are no pytest run."""
_TRACES_AT_ONCE = 500
_LOOK_EACH = 2_000_000
"""us between two looks at the size."""


_NODE = "DELETE FROM node WHERE no = ? AND NOT EXISTS (SELECT 1 FROM test WHERE test.node = node.no)"
_RESOURCE = (
    "DELETE FROM resource WHERE no = :no AND NOT EXISTS (SELECT 1 FROM span WHERE resource = :no)"
    " AND NOT EXISTS (SELECT 1 FROM log WHERE resource = :no)"
)


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
    """The runs to remove, first what was not heard of for longest; the newest always stays, and what runs."""
    (number,) = ledger.connection.execute("SELECT count(*) FROM run").fetchone()
    if not crowded and not 0 < keep.runs < number:
        return []
    ledger.save(ledger.now)
    rows = ledger.connection.execute("SELECT no, id, state FROM run").fetchall()
    known = sorted(((json.loads(row[2]), row[0]) for row in rows), key=_heard, reverse=True)
    beyond = _over(known[keep.runs :], ledger.now) if keep.runs else []
    if not beyond and crowded:
        beyond = _over(known[1:], ledger.now)[:1]
    return beyond


def _heard(known: tuple[State, int]) -> tuple[int, int]:
    state, _ = known
    return state["heard"], state["start"]


def _over(known: Iterable[tuple[State, int]], now: int) -> list[tuple[int, str]]:
    """Those that are over, the oldest first."""
    found = [(number, state["id"]) for state, number in known if states.summary(state, now)["state"] != "running"]
    return found[::-1]


def remove(ledger: Ledger, number: int, run: str) -> None:
    """One run with all that belongs to it."""
    execute = ledger.connection.execute
    keys = (number << ROWS, (number + 1) << ROWS)
    nodes = execute("SELECT DISTINCT node FROM test WHERE key >= ? AND key < ?", keys).fetchall()
    resources = execute("SELECT DISTINCT resource FROM pack WHERE key >= ? AND key < ?", keys).fetchall()
    resources += execute("SELECT resource FROM run WHERE no = ?", (number,)).fetchall()
    execute("DELETE FROM pack WHERE key >= ? AND key < ?", keys)
    execute("DELETE FROM test WHERE key >= ? AND key < ?", keys)
    ledger.connection.executemany(_NODE, nodes)
    execute("DELETE FROM fixture WHERE run = ?", (number,))
    warned.remove(ledger.connection, number)
    resources += _remove_traces(ledger, [row[0] for row in execute("SELECT no FROM trace WHERE run = ?", (number,))])
    execute("DELETE FROM run WHERE no = ?", (number,))
    ledger.forget_run(run, number)
    _remove_resources(ledger, resources)
    ledger.changes.removed.append(run)
    execute("PRAGMA incremental_vacuum(2000)").fetchall()


def remove_traces(ledger: Ledger, most: int = -1) -> int:
    """The oldest traces that are no pytest run, all of them unless told otherwise; their number."""
    rows = ledger.connection.execute(
        "SELECT no FROM trace WHERE run IS NULL ORDER BY start LIMIT ?", (most,)
    ).fetchall()
    _remove_resources(ledger, _remove_traces(ledger, [row[0] for row in rows]))
    ledger.changes.traces = True
    return len(rows)


def _remove_traces(ledger: Ledger, numbers: Iterable[int]) -> list[tuple[int]]:
    """Tells the resources that they had."""
    resources: list[tuple[int]] = []
    for number in numbers:
        for table in ("span", "log"):
            known = f"SELECT DISTINCT resource FROM {table} WHERE trace = ?"  # noqa: S608  names of our own
            resources += ledger.connection.execute(known, (number,)).fetchall()
            ledger.connection.execute(f"DELETE FROM {table} WHERE trace = ?", (number,))  # noqa: S608
        ledger.connection.execute("DELETE FROM trace WHERE no = ?", (number,))
    ledger.forget_traces()
    return resources


def _remove_resources(ledger: Ledger, candidates: Iterable[tuple[int]]) -> None:
    """Those that nothing refers to any more."""
    for (number,) in set(candidates):
        body = ledger.connection.execute("SELECT body FROM resource WHERE no = ?", (number,)).fetchone()
        run = attributes_of(Resource.FromString(body[0]).attributes).get(semconv.RUN_ID) if body else None
        # Tests have no index of their resources, but each of these names the run, as others do not.
        if run is None or ledger.known_run(str(run)) is None:
            ledger.connection.execute(_RESOURCE, {"no": number})
    ledger.forget_numbers()
