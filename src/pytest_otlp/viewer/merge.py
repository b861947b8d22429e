"""Shards into one run: several runs of one store become the first of them."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from pytest_otlp.viewer import warned
from pytest_otlp.viewer.schema import ROWS
from pytest_otlp.viewer.state import State

_SUMS = ("deselected", "warnings", "tests", "done", "spans", "appSpans", "logs", "loose")
_GRAVITY = ("", "aborted", "timed_out", "failure", "success", "skipped")
"""Of `test.suite.run.status`, the gravest first; without an end is graver than any."""


class _Shard(NamedTuple):
    no: int
    start: int
    state: State


def merge(store: sqlite3.Connection, runs: Sequence[str]) -> str:
    """Makes one run of those with the ids, and returns its id. Workers are told apart by a number before their name."""
    rows = [store.execute("SELECT no, start, state FROM run WHERE id = ?", (run,)).fetchone() for run in runs]
    shards = sorted((_Shard(no, start, json.loads(state)) for no, start, state in rows), key=lambda shard: shard.start)
    first, *others = shards
    if others:
        store.execute("BEGIN IMMEDIATE")
        _label(store, first, 1)
        for number, shard in enumerate(others, 2):
            _label(store, shard, number)
            _move(store, shard, first)
            _combine(first.state, shard.state)
        store.execute("UPDATE run SET state = ?, root = NULL WHERE no = ?", (json.dumps(first.state), first.no))
        store.execute("COMMIT")
    return str(first.state["id"])


def _label(store: sqlite3.Connection, shard: _Shard, number: int) -> None:
    store.execute("UPDATE test SET worker = rtrim(? || ' ' || worker) WHERE run = ?", (f"shard {number}", shard.no))
    shard.state["workers"] = max(1, shard.state["workers"])


def _move(store: sqlite3.Connection, shard: _Shard, to: _Shard) -> None:
    """Rows, spans, fixtures and warnings of a shard behind those that are there."""
    offset, later = to.state["tests"], shard.start - to.start
    keys = ((to.no << ROWS) + offset - (shard.no << ROWS), shard.no << ROWS, (shard.no + 1) << ROWS)
    store.execute("UPDATE pack SET key = key + ? WHERE key >= ? AND key < ?", keys)
    store.execute(
        "UPDATE test SET run = ?, start = start + ?, key = key + ? WHERE key >= ? AND key < ?", (to.no, later, *keys)
    )
    store.execute(
        "INSERT INTO fixture SELECT ?, name, scope, place, setups, setup, longest, teardowns, teardown,"
        " longest_span + ? FROM fixture WHERE run = ? ON CONFLICT (run, name, scope, place) DO UPDATE SET"
        " setups = setups + excluded.setups, setup = setup + excluded.setup,"
        " longest_span = CASE WHEN excluded.longest > longest THEN excluded.longest_span ELSE longest_span END,"
        " longest = max(longest, excluded.longest),"
        " teardowns = teardowns + excluded.teardowns, teardown = teardown + excluded.teardown",
        (to.no, offset, shard.no),
    )
    store.execute("DELETE FROM fixture WHERE run = ?", (shard.no,))
    warned.move(store, shard.no, to.no, offset)
    store.execute("UPDATE trace SET run = ? WHERE run = ?", (to.no, shard.no))
    store.execute("DELETE FROM run WHERE no = ?", (shard.no,))


def _combine(into: State, shard: State) -> None:
    for key in _SUMS:
        into[key] += shard[key]
    for key in ("counts", "counted"):
        into[key] = dict(Counter(into[key]) + Counter(shard[key]))
    into["collected"] = (into["collected"] or 0) + (shard["collected"] or 0)
    into["workers"] += shard["workers"]
    into["phases"] = into["phases"] or shard["phases"]
    into["told"] = _both(into["told"], shard["told"], lambda a, b: dict(Counter(a) + Counter(b)))
    into["end"] = _both(into["end"], shard["end"], max)
    into["exitCode"] = _both(into["exitCode"], shard["exitCode"], max)
    into["last"] = max(into["last"], shard["last"])
    into["status"] = min(into["status"], shard["status"], key=_GRAVITY.index)
    into["error"] = "; ".join(filter(None, [into["error"], shard["error"]]))
    into["running"].update(shard["running"])
    into["traces"] += shard["traces"]


def _both(one: Any, other: Any, together: Any) -> Any:
    return None if one is None or other is None else together(one, other)
