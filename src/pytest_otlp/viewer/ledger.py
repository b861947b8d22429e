"""What the writing of one batch shares: the connection, the numbers of what is known already, and what changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from pytest_otlp.viewer import state as states
from pytest_otlp.viewer.changes import Changes
from pytest_otlp.viewer.schema import ROWS
from pytest_otlp.viewer.state import State

_MOST_TRACES = 100
"""That a run names: one that is split may have thousands."""
_MOST = 20_000
"""Entries of a cache."""


class TraceRecord:
    """A trace's row."""

    __slots__ = ("changed", "end", "errors", "id", "name", "no", "run", "service", "spans", "start")

    def __init__(self, no: int, trace: bytes) -> None:
        self.no = no
        self.id = trace
        self.run: int | None = None
        self.name = self.service = ""
        self.start = self.end = self.spans = self.errors = 0
        self.changed = False

    def add(self, start: int, end: int, *, spans: int = 1, errors: int, name: str, service: str) -> None:
        """Times in ns since the epoch; `name` is empty where the first of the spans has a parent."""
        self.changed = True
        self.spans += spans
        self.errors += errors
        self.start = min(self.start or start, start)
        self.end = max(self.end, end)
        if name or not self.service:
            self.name, self.service = name, service


class RunRecord:
    """A run's row."""

    __slots__ = ("changed", "no", "resource", "root", "state")

    def __init__(self, no: int, resource: int, state: State) -> None:
        self.no = no
        self.resource = resource
        self.state = state
        self.root: bytes | None = None
        self.changed = True

    @property
    def base(self) -> int:
        """us since the epoch, from which the starts of its tests count."""
        return int(self.state["start"])


class Ledger:
    """The writer's knowledge. Its caches are forgotten when a transaction is rolled back."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.changes = Changes()
        self.now = 0
        self.live = True
        self.owners: dict[int, tuple[RunRecord, int]] = {}
        """Run and row number by the id of a span below a test."""
        self._looked = 0
        self._began = False
        self._forget()

    def _forget(self) -> None:
        self._resources: dict[bytes, int] = {}
        self._nodes: dict[str, int] = {}
        self._runs: dict[str, RunRecord] = {}
        self._numbers: dict[int, RunRecord] = {}
        self._traces: dict[bytes, TraceRecord] = {}
        self.owners.clear()

    def begin(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.changes = Changes()

    def commit(self, now: int) -> Changes:
        """`now`: us since the epoch.

        Raises:
            sqlite3.Error: nothing of the batch was written.
        """
        self.save(now)
        self.connection.execute("COMMIT")
        self._trim()
        return self.changes

    def save(self, now: int) -> None:
        """Has the tables know all that is known here."""
        for trace in self._traces.values():
            if trace.changed:
                self._save_trace(trace)
        for run in self._runs.values():
            if run.changed:
                self._save_run(run, now)

    def rollback(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.changes = Changes()
        self._forget()

    def _trim(self) -> None:
        for cache in (self._resources, self._nodes, self._traces, self.owners):
            if len(cache) > _MOST:
                cache.clear()

    def resource(self, body: bytes) -> int:
        return self._numbered("resource", "body", self._resources, body)

    def node(self, nodeid: str) -> int:
        return self._numbered("node", "id", self._nodes, nodeid)

    def _numbered(self, table: str, column: str, cache: dict[Any, int], value: Any) -> int:
        number = cache.get(value)
        if number is None:
            cursor = self.connection.execute(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (value,))  # noqa: S608  names of our own
            number = cursor.lastrowid if cursor.rowcount else None
            if number is None:
                found = self.connection.execute(f"SELECT no FROM {table} WHERE {column} = ?", (value,))  # noqa: S608
                number = int(found.fetchone()[0])
            cache[value] = number
        return number

    def run(self, run: str, resource: int, attributes: Mapping[str, Any], start: Callable[[], int]) -> RunRecord:
        """The run of an id. `start`: asked where it is new, for when it began in us since the epoch."""
        record = self._runs.get(run) or self._known_run(run) or self._new_run(run, resource, attributes, start())
        self._runs[run] = self._numbers[record.no] = record
        record.changed = True
        record.state["live"] = self.live
        return record

    def run_numbered(self, number: int) -> RunRecord | None:
        if number not in self._numbers:
            row = self.connection.execute("SELECT id FROM run WHERE no = ?", (number,)).fetchone()
            record = self._known_run(row[0]) if row else None
            if record is None:
                return None
            self._runs[row[0]] = self._numbers[number] = record
        return self._numbers[number]

    def known_run(self, run: str) -> RunRecord | None:
        record = self._runs.get(run) or self._known_run(run)
        if record is not None:
            self._runs[run] = self._numbers[record.no] = record
        return record

    def _known_run(self, run: str) -> RunRecord | None:
        row = self.connection.execute("SELECT no, resource, state FROM run WHERE id = ?", (run,)).fetchone()
        return RunRecord(row[0], row[1], json.loads(row[2])) if row else None

    def _new_run(self, run: str, resource: int, attributes: Mapping[str, Any], start: int) -> RunRecord:
        state = states.begun(run, attributes, start)
        cursor = self.connection.execute(
            "INSERT INTO run (id, service, start, resource, state) VALUES (?, ?, ?, ?, ?)",
            (run, state["service"], start, resource, json.dumps(state)),
        )
        assert cursor.lastrowid is not None
        self._began = True
        return RunRecord(cursor.lastrowid, resource, state)

    def _save_run(self, run: RunRecord, now: int) -> None:
        run.state["heard"] = now
        root = ", root = ?" if run.root is not None else ""
        values = (json.dumps(run.state), *([run.root] if run.root is not None else []), run.no)
        self.connection.execute(f"UPDATE run SET state = ?{root} WHERE no = ?", values)  # noqa: S608
        run.root, run.changed = None, False
        self.changes.of(run.state["id"]).state = {**run.state, "running": dict(run.state["running"])}

    def trace(self, trace: bytes) -> TraceRecord:
        record = self._traces.get(trace)
        if record is None:
            record = self._traces[trace] = self._known_trace(trace) or self._new_trace(trace)
        return record

    def _known_trace(self, trace: bytes) -> TraceRecord | None:
        row = self.connection.execute(
            "SELECT no, run, name, service, start, end, spans, errors FROM trace WHERE id = ?", (trace,)
        ).fetchone()
        if row is None:
            return None
        record = TraceRecord(row[0], trace)
        record.run, record.name, record.service, record.start, record.end, record.spans, record.errors = row[1:]
        return record

    def _new_trace(self, trace: bytes) -> TraceRecord:
        cursor = self.connection.execute(
            "INSERT INTO trace (id, name, service, start, end, spans, errors) VALUES (?, '', '', 0, 0, 0, 0)", (trace,)
        )
        assert cursor.lastrowid is not None
        return TraceRecord(cursor.lastrowid, trace)

    def _save_trace(self, trace: TraceRecord) -> None:
        self.connection.execute(
            "UPDATE trace SET run = ?, name = ?, service = ?, start = ?, end = ?, spans = ?, errors = ? WHERE no = ?",
            (trace.run, trace.name, trace.service, trace.start, trace.end, trace.spans, trace.errors, trace.no),
        )
        trace.changed = False
        self.changes.traces |= trace.run is None

    def adopt(self, trace: TraceRecord, run: RunRecord) -> None:
        """The trace is the run's; the spans of it that came before are the application's."""
        if trace.run is None:
            trace.run, trace.changed = run.no, True
            run.state["appSpans"] += trace.spans
            if len(run.state["traces"]) < _MOST_TRACES:
                run.state["traces"].append(trace.id.hex())

    def row_of(self, run: RunRecord, span: int) -> int | None:
        """The row number of a test of a run, by its span's id."""
        found = self.connection.execute("SELECT key FROM test WHERE run = ? AND span = ?", (run.no, span)).fetchone()
        return found[0] & ((1 << ROWS) - 1) if found else None

    def forget_run(self, run: str, number: int) -> None:
        self._runs.pop(run, None)
        self._numbers.pop(number, None)
        self.changes.runs.pop(run, None)
        self.owners.clear()

    def forget_numbers(self) -> None:
        """Some node ids and resources were removed."""
        self._nodes.clear()
        self._resources.clear()

    def forget_traces(self) -> None:
        """Some were removed; those that changed in this transaction are saved first."""
        for trace in self._traces.values():
            if trace.changed:
                self._save_trace(trace)
        self._traces.clear()

    def due_for_retention(self, interval: int) -> bool:
        """True each `interval` us, and with each new run."""
        if self.now - self._looked < interval and not self._began:
            return False
        self._looked, self._began = self.now, False
        return True
