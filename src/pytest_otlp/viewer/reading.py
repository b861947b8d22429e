"""What the page asks for, out of the store: one function an answer."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from pytest_otlp import semconv
from pytest_otlp.viewer import columns, warned
from pytest_otlp.viewer import state as states
from pytest_otlp.viewer.details import SpanTable, StoredLog, StoredSpan, Tree, event, is_running_marker, log_of, more_of
from pytest_otlp.viewer.otlp import attributes_of
from pytest_otlp.viewer.rows import COLUMNS, DELTAS, split
from pytest_otlp.viewer.schema import ROWS, signed

MOST_ROWS = 20_000
"""Of one answer: the page asks again for the rest."""
MOST_SPANS = 100_000
_HISTORY = 50
_UNSTABLE_RUNS = 20
_TRACES = 500
_ROW = (
    "node.id, outcome, start, duration, worker, attempt, flaky, markers, phase, type, message, place, line,"
    " setup, call, teardown"
)
_FIXTURES = ("name", "scope", "place", "setups", "setup", "longest", "teardowns", "teardown", "longestTest")


class UnknownError(LookupError):
    """There is no such run, test or trace."""


class RunKey(NamedTuple):
    """A run as the store knows it."""

    no: int
    id: str
    resource: int
    state: states.State

    def key(self, row: int) -> int:
        return (self.no << ROWS) | row


def runs(store: sqlite3.Connection, now: int) -> list[dict[str, Any]]:
    """All runs, the newest first; `now`: us since the epoch."""
    rows = store.execute("SELECT state FROM run ORDER BY start DESC")
    return [states.summary(json.loads(state), now) for (state,) in rows]


def run_key(store: sqlite3.Connection, run: str) -> RunKey:
    """Raises:
    UnknownError: there is no such run.
    """
    row = store.execute("SELECT no, id, resource, state FROM run WHERE id = ?", (run,)).fetchone()
    if row is None:
        raise UnknownError("there is no such run (any more)")
    return RunKey(row[0], row[1], row[2], json.loads(row[3]))


def run(store: sqlite3.Connection, run_id: str, now: int) -> dict[str, Any]:
    """One run with what its root and its resource say."""
    known = run_key(store, run_id)
    (body,) = store.execute("SELECT root FROM run WHERE no = ?", (known.no,)).fetchone()
    root = Span.FromString(body or b"")
    base = known.state["start"] * 1000
    return {
        **states.summary(known.state, now),
        "attributes": attributes_of(root.attributes),
        "resource": _resource(store, known.resource),
        "events": [
            event(item.name, item.time_unix_nano, item.attributes, base)
            for item in root.events
            if item.name != semconv.WARNING_EVENT
        ],
        "warned": warned.of_run(store, known.no),
        "problems": _collection_problems(store, known),
    }


def _collection_problems(store: sqlite3.Connection, known: RunKey) -> list[dict[str, Any]]:
    """What of the collection failed: those spans stand for themselves, for no test is there."""
    found = []
    for stored in _loose_spans(store, known):
        attributes = attributes_of(stored.span.attributes)
        if attributes.get("pytest.outcome") == "error" and "pytest.phase" not in attributes:
            more = more_of(stored.span, known.state["start"] * 1000)
            found.append({"name": stored.span.name, **more})
    return found


def _loose_spans(store: sqlite3.Connection, known: RunKey) -> Iterator[StoredSpan]:
    rows = store.execute(
        "SELECT span.body, span.resource FROM trace JOIN span ON span.trace = trace.no"
        " WHERE trace.run = ? AND span.resource = ?",
        (known.no, known.resource),
    )
    return (StoredSpan(Span.FromString(body), resource) for body, resource in rows)


def tests(store: sqlite3.Connection, run_id: str, start: int = 0, most: int = MOST_ROWS) -> dict[str, Any]:
    """Rows of a run from number `start` on, at most that many."""
    known = run_key(store, run_id)
    rows = store.execute(
        f"SELECT {_ROW} FROM test JOIN node ON node.no = test.node WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",  # noqa: S608  names of our own
        (known.key(start), known.key(0) + (1 << ROWS), most),
    )
    return {"run": run_id, "from": start, **tests_table([(*split(row[0]), *row[1:]) for row in rows])}


def tests_table(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return columns.table(COLUMNS, rows, DELTAS)


def fixtures(store: sqlite3.Connection, run_id: str) -> dict[str, Any]:
    known = run_key(store, run_id)
    rows = store.execute(
        "SELECT name, scope, place, setups, setup, longest, teardowns, teardown, longest_span FROM fixture"
        " WHERE run = ? ORDER BY setup + teardown DESC",
        (known.no,),
    )
    return columns.table(_FIXTURES, rows.fetchall())


def detail(store: sqlite3.Connection, run_id: str, number: int) -> dict[str, Any]:
    """One test with its spans, log records, and attempts."""
    known = run_key(store, run_id)
    found = details(store, known, number, number + 1, ids=True)
    if not found["tests"]:
        raise UnknownError("there is no such test in this run")
    (node,) = store.execute("SELECT node FROM test WHERE key = ?", (known.key(number),)).fetchone()
    rows = store.execute(
        "SELECT key FROM test WHERE node = ? AND key >= ? AND key < ? ORDER BY attempt, key",
        (node, known.key(0), known.key(0) + (1 << ROWS)),
    )
    return {**found, "attempts": [row[0] - known.key(0) for row in rows]}


def details(store: sqlite3.Connection, known: RunKey, start: int, end: int, *, ids: bool) -> dict[str, Any]:
    """The tests with the numbers from `start` to before `end`; `ids`: whether spans tell theirs."""
    packs = _packs(store, known, start, end)
    traces = {pack.trace: "" for pack in packs}
    for trace in traces:
        traces[trace] = _trace_id(store, trace)
        own = [pack for pack in packs if pack.trace == trace]
        _add_loose(store, trace, own)
        _add_logs(store, trace, own)
    table = SpanTable(ids=ids)
    first, logs = [], []
    for pack in packs:
        tree = Tree(pack.spans, pack.root)
        first.append(len(table.rows))
        table.add(tree, pack.base, nodeid=pack.nodeid)
        logs += _told_logs(pack, tree, table)
    return {
        "run": known.id,
        "tests": [pack.number for pack in packs],
        "traces": columns.encoded([traces[pack.trace] for pack in packs]),
        "first": first,
        "resources": [_resource(store, stored) for stored in table.resources.stored],
        "spans": table.table(),
        "logs": logs,
    }


def _trace_id(store: sqlite3.Connection, number: int) -> str:
    (trace,) = store.execute("SELECT id FROM trace WHERE no = ?", (number,)).fetchone()
    return str(trace.hex())


class _Pack(NamedTuple):
    """A test with what came with it, and what is found to belong to it."""

    number: int
    trace: int
    base: int
    nodeid: str
    root: bytes
    spans: list[StoredSpan]
    logs: list[StoredLog]


def _packs(store: sqlite3.Connection, known: RunKey, start: int, end: int) -> list[_Pack]:
    rows = store.execute(
        "SELECT pack.key, trace, resource, pack.start, body, node.id FROM pack JOIN test ON test.key = pack.key"
        " JOIN node ON node.no = test.node WHERE pack.key >= ? AND pack.key < ? ORDER BY pack.key",
        (known.key(start), known.key(end)),
    )
    found = []
    for key, trace, resource, base, body, nodeid in rows:
        spans = ScopeSpans.FromString(body).spans
        stored = [StoredSpan(span, resource) for span in spans]
        found.append(_Pack(key - known.key(0), trace, base, nodeid, spans[0].span_id, stored, []))
    return found


def _owners(packs: Iterable[_Pack]) -> dict[bytes, _Pack]:
    """By the id of each span that is known to belong to one."""
    return {stored.span.span_id: pack for pack in packs for stored in pack.spans}


def _add_loose(store: sqlite3.Connection, trace: int, packs: Sequence[_Pack]) -> None:
    """Spans that came by themselves, below those that came with a test: the children of these, then theirs."""
    owners = _owners(packs)
    parents, left = list(owners), MOST_SPANS
    while parents and left > 0:
        rows = _children(store, trace, parents, left)
        parents = []
        for span, resource in rows:
            own, owner = span.span_id, owners.get(span.parent_span_id)
            if owner is not None and own not in owners and not is_running_marker(span):
                owners[own] = owner
                owner.spans.append(StoredSpan(span, resource))
                parents.append(own)
        left -= len(parents)


def _children(store: sqlite3.Connection, trace: int, parents: Iterable[bytes], most: int) -> Iterator[tuple[Span, int]]:
    # "CROSS JOIN" has SQLite look for each parent, instead of holding each span of the trace against all of them.
    rows = store.execute(
        "SELECT body, resource FROM json_each(?) AS known CROSS JOIN span"
        " ON span.trace = ? AND span.parent = known.value LIMIT ?",
        (json.dumps([signed(span_id) for span_id in parents]), trace, most),
    )
    return ((Span.FromString(body), resource) for body, resource in rows)


def _add_logs(store: sqlite3.Connection, trace: int, packs: Sequence[_Pack]) -> None:
    owners = {signed(span_id): pack for span_id, pack in _owners(packs).items()}
    rows = store.execute(
        "SELECT span, resource, body FROM json_each(?) AS known JOIN log ON log.span = known.value AND log.trace = ?",
        (json.dumps(list(owners)), trace),
    )
    for span, resource, body in rows:
        owners[span].logs.append(StoredLog(LogRecord.FromString(body), resource))


def _told_logs(pack: _Pack, tree: Tree, table: SpanTable) -> list[dict[str, Any]]:
    places = {stored.span.span_id: number for number, stored in enumerate(tree.spans)}
    found = [
        log_of(stored, pack.number, places[stored.record.span_id], pack.base, table.resources) for stored in pack.logs
    ]
    return sorted(found, key=_TIME)


_TIME = itemgetter("time")


def span_of_test(store: sqlite3.Connection, run_id: str, number: int, span_id: str) -> dict[str, Any]:
    """Everything of one span, of a test that has too many to tell all."""
    known = run_key(store, run_id)
    row = store.execute("SELECT trace, start FROM pack WHERE key = ?", (known.key(number),)).fetchone()
    if row is None:
        raise UnknownError("there is no such test in this run")
    return _span(store, row[0], span_id, row[1])


def _span(store: sqlite3.Connection, trace: int, span_id: str, base: int) -> dict[str, Any]:
    number = signed(bytes.fromhex(span_id))
    row = store.execute("SELECT body FROM span WHERE trace = ? AND id = ?", (trace, number)).fetchone()
    if row is None:
        raise UnknownError("there is no such span")
    return more_of(Span.FromString(row[0]), base)


def _resource(store: sqlite3.Connection, number: int) -> dict[str, Any]:
    row = store.execute("SELECT body FROM resource WHERE no = ?", (number,)).fetchone()
    return attributes_of(Resource.FromString(row[0]).attributes) if row else {}


def history(store: sqlite3.Connection, run_id: str, nodeid: str) -> list[dict[str, Any]]:
    """One test in the runs of the same service, the newest first."""
    known = run_key(store, run_id)
    rows = store.execute(
        "SELECT run.id, test.key, outcome, duration, attempt, run.start, run.state FROM node"
        " JOIN test ON test.node = node.no JOIN run ON run.no = test.run"
        " WHERE node.id = ? AND run.service = ? ORDER BY run.start DESC, test.key DESC LIMIT ?",
        (nodeid, known.state["service"], _HISTORY * 4),
    )
    found: dict[str, dict[str, Any]] = {}
    for run_of, key, outcome, duration, attempt, start, text in rows:
        state = json.loads(text)
        found.setdefault(
            run_of,
            {
                "run": run_of,
                "n": key & ((1 << ROWS) - 1),
                "outcome": outcome,
                "duration": duration,
                "start": start,
                "branch": state["branch"],
                "commit": state["commit"],
                "attempts": attempt,
            },
        )
    return list(found.values())[:_HISTORY]


def unstable(store: sqlite3.Connection, run_id: str) -> list[dict[str, Any]]:
    """Tests that went both ways in the last runs of the same service."""
    known = run_key(store, run_id)
    recent = store.execute(
        "SELECT no FROM run WHERE service = ? AND start <= ? ORDER BY start DESC LIMIT ?",
        (known.state["service"], known.state["start"], _UNSTABLE_RUNS),
    ).fetchall()
    outcomes: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for (number,) in recent:
        rows = store.execute(
            "SELECT node, outcome FROM test WHERE key >= ? AND key < ? ORDER BY key",
            (number << ROWS, (number + 1) << ROWS),
        )
        for node, outcome in rows:
            outcomes[node][number] = outcome
    differing = {node: list(found.values()) for node, found in outcomes.items() if _differ(found.values())}
    told = [
        {"nodeid": _nodeid(store, node), "outcomes": found, "changes": sum(a != b for a, b in pairwise(found))}
        for node, found in differing.items()
    ]
    return sorted(told, key=lambda test: (-test["changes"], test["nodeid"]))


_GOOD = ("passed", "xfailed", "xpassed")
_BAD = ("failed", "error", "crashed", "rerun")


def _differ(outcomes: Iterable[str]) -> bool:
    found = set(outcomes)
    return bool(found & {*_GOOD}) and bool(found & {*_BAD})


def _nodeid(store: sqlite3.Connection, node: int) -> str:
    return str(store.execute("SELECT id FROM node WHERE no = ?", (node,)).fetchone()[0])


def traces(store: sqlite3.Connection) -> list[dict[str, Any]]:
    """Those that are no pytest run, the newest first."""
    rows = store.execute(
        "SELECT id, name, service, start, end, spans, errors FROM trace WHERE run IS NULL AND spans > 0"
        " ORDER BY start DESC LIMIT ?",
        (_TRACES,),
    )
    return [_trace_summary(row) for row in rows]


def _trace_summary(row: Sequence[Any]) -> dict[str, Any]:
    trace, name, service, start, end, spans, errors = row
    return {
        "id": trace.hex(),
        "name": name,
        "service": service,
        "start": start // 1000,
        "duration": (end - start) // 1000,
        "spans": spans,
        "errors": errors,
    }


def trace(store: sqlite3.Connection, trace_id: str) -> dict[str, Any]:
    """All spans of one trace, those of a run included."""
    number, run_no, *row = _trace_row(store, trace_id)
    base = row[3]
    spans = list(_packed(store, number, run_no)) if run_no is not None else []
    rows = store.execute("SELECT body, resource FROM span WHERE trace = ? ORDER BY no LIMIT ?", (number, MOST_SPANS))
    spans += [StoredSpan(Span.FromString(body), resource) for body, resource in rows]
    tree = Tree(spans[:MOST_SPANS])
    table = SpanTable(ids=True)
    table.add(tree, base)
    places = {stored.span.span_id: place for place, stored in enumerate(tree.spans)}
    logs = [
        log_of(StoredLog(record, resource), -1, places.get(record.span_id, -1), base, table.resources)
        for record, resource in _logs_of_trace(store, number)
    ]
    return {
        "trace": _trace_summary(row),
        "resources": [_resource(store, stored) for stored in table.resources.stored],
        "spans": table.table(),
        "logs": sorted(logs, key=_TIME),
        "cut": max(0, row[5] - len(tree.spans)),
    }


def _trace_row(store: sqlite3.Connection, trace_id: str) -> Sequence[Any]:
    row: Sequence[Any] | None = store.execute(
        "SELECT no, run, id, name, service, start, end, spans, errors FROM trace WHERE id = ?",
        (bytes.fromhex(trace_id),),
    ).fetchone()
    if row is None:
        raise UnknownError("there is no such trace (any more)")
    return row


def _packed(store: sqlite3.Connection, trace: int, run_no: int) -> Iterator[StoredSpan]:
    """Spans of tests."""
    rows = store.execute(
        "SELECT body, resource FROM pack WHERE key >= ? AND key < ? AND trace = ? ORDER BY key LIMIT ?",
        (run_no << ROWS, (run_no + 1) << ROWS, trace, MOST_SPANS),
    )
    for body, resource in rows:
        yield from (StoredSpan(span, resource) for span in ScopeSpans.FromString(body).spans)


def _logs_of_trace(store: sqlite3.Connection, trace: int) -> Iterator[tuple[LogRecord, int]]:
    rows = store.execute("SELECT body, resource FROM log WHERE trace = ? LIMIT ?", (trace, MOST_SPANS))
    return ((LogRecord.FromString(body), resource) for body, resource in rows)


def span_of_trace(store: sqlite3.Connection, trace_id: str, span_id: str) -> dict[str, Any]:
    number, run_no, *row = _trace_row(store, trace_id)
    try:
        return _span(store, number, span_id, row[3])
    except UnknownError:
        wanted = bytes.fromhex(span_id)
        packed = _packed(store, number, run_no) if run_no is not None else iter(())
        for stored in packed:
            if stored.span.span_id == wanted:
                return more_of(stored.span, row[3])
        raise
