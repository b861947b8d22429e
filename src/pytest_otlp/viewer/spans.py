"""Spans into the store: those of a pytest run, and those of applications."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from pytest_otlp import ids, semconv
from pytest_otlp.exporter.trace import SHORTEST
from pytest_otlp.viewer import otlp, warned
from pytest_otlp.viewer import state as states
from pytest_otlp.viewer.brief import Brief, Item, Part, attributes_of
from pytest_otlp.viewer.changes import NewRow
from pytest_otlp.viewer.details import is_running_marker
from pytest_otlp.viewer.ledger import Ledger, RunRecord, TraceRecord
from pytest_otlp.viewer.packs import Pack
from pytest_otlp.viewer.rows import PHASES, SUBTEST, Row, failed_by, is_failed_subtest, length
from pytest_otlp.viewer.schema import ROWS, signed

_FIRST = PHASES[0]
_PHASE_BITS = 0xF
"""Of a phase's id, which is otherwise its test's."""
_TOLERANCE = 3
"""us: times are given to less than these."""
_INSERT_TEST = (
    "INSERT OR IGNORE INTO test (key, run, span, node, start, outcome, duration, worker, attempt, flaky, markers,"
    " phase, type, message, place, line, setup, call, teardown) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_INSERT_SPAN = "INSERT OR IGNORE INTO span (trace, id, parent, resource, body) VALUES (?, ?, ?, ?, ?)"
_INSERT_PACK = "INSERT INTO pack (key, trace, resource, start, body) VALUES (?, ?, ?, ?, ?)"
_FIXTURE = (
    "INSERT INTO fixture (run, name, scope, place, setups, setup, longest, teardowns, teardown, longest_span)"
    " VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (run, name, scope, place) DO UPDATE SET"
    " setups = setups + excluded.setups, setup = setup + excluded.setup,"
    " longest_span = CASE WHEN excluded.longest > longest THEN excluded.longest_span ELSE longest_span END,"
    " longest = max(longest, excluded.longest),"
    " teardowns = teardowns + excluded.teardowns, teardown = teardown + excluded.teardown"
)


def take(ledger: Ledger, part: Part) -> None:
    """Writes what one resource sent."""
    attributes = otlp.attributes_of(part.resource.attributes)
    run_id = attributes.get(semconv.RUN_ID)
    items = [item for item in part.spans if _sound(item.brief)]
    if not items:
        return
    resource = ledger.resource(part.resource.SerializeToString(deterministic=True))
    if not run_id:
        _Application(ledger, resource, str(attributes.get(semconv.SERVICE_NAME, ""))).take(items)
        return
    run = ledger.run(str(run_id), resource, attributes, lambda: _beginning(items) // 1000)
    _RunSpans(ledger, run, resource).take(items)


def _beginning(items: Iterable[Item]) -> int:
    """Of the first span, ns since the epoch; of the run where it is its marker, which starts a moment later."""
    first = min((item.brief for item in items), key=lambda span: span.start_time_unix_nano)
    is_marker = not first.parent_span_id and first.end_time_unix_nano - first.start_time_unix_nano == SHORTEST
    return first.start_time_unix_nano - (SHORTEST if is_marker else 0)


def _sound(span: Brief) -> bool:
    """Has the ids that the specification asks for; others have no place in a trace."""
    return len(span.trace_id) == 16 and len(span.span_id) == 8 and len(span.parent_span_id) in (0, 8)


class _Application:
    """Spans of whatever is no pytest run."""

    def __init__(self, ledger: Ledger, resource: int, service: str) -> None:
        self._ledger = ledger
        self._resource = resource
        self._service = service

    def take(self, items: Iterable[Item]) -> None:
        for item in items:
            trace = self._ledger.trace(item.brief.trace_id)
            if store(self._ledger, trace, self._resource, item, self._service) and trace.run is not None:
                self._tell(trace.run, item.brief)

    def _tell(self, number: int, span: Brief) -> None:
        run = self._ledger.run_numbered(number)
        if run is None:
            return
        run.state["appSpans"] += 1
        run.changed = True
        owner = owner_of(self._ledger, run, span)
        if owner is not None:
            self._ledger.changes.of(run.state["id"]).grown.add(owner)


def store(ledger: Ledger, trace: TraceRecord, resource: int, item: Item, service: str) -> bool:
    """One span for itself; False where it is there already."""
    span = item.brief
    values = (trace.no, signed(span.span_id), signed(span.parent_span_id), resource, item.body)
    if not ledger.connection.execute(_INSERT_SPAN, values).rowcount:
        return False
    name = "" if span.parent_span_id else span.name
    times = (span.start_time_unix_nano, span.end_time_unix_nano)
    trace.add(*times, errors=int(item.failed), name=name, service=service)
    return True


def owner_of(ledger: Ledger, run: RunRecord, span: Brief) -> int | None:
    """The row number of the test below which a span hangs, as far as what came before tells."""
    parent = signed(span.parent_span_id)
    known = ledger.owners.get(parent)
    number = known[1] if known and known[0] is run else ledger.row_of(run, parent & ~_PHASE_BITS)
    if number is not None:
        ledger.owners[signed(span.span_id)] = (run, number)
    return number


class _RunSpans:
    """Spans of one run."""

    def __init__(self, ledger: Ledger, run: RunRecord, resource: int) -> None:
        self._ledger = ledger
        self._run = run
        self._state = run.state
        self._resource = resource

    def take(self, items: Iterable[Item]) -> None:
        packs: list[Pack] = []
        pack: Pack | None = None
        for item in items:
            span = item.brief
            if pack is not None and span.parent_span_id in pack.ids and not _is_running_marker(item):
                pack.add(item, span)
                continue
            attributes = attributes_of(span)
            if semconv.CASE_RESULT_STATUS in attributes:
                pack = Pack(item, attributes)
                packs.append(pack)
                continue
            self._tests(packs)
            packs, pack = [], None
            self._other(item, attributes)
        self._tests(packs)

    def _tests(self, packs: Sequence[Pack]) -> None:
        """All at once. Where one of them is there already, which is rare, each for itself."""
        if not packs:
            return
        rows = [pack.row() for pack in packs]
        if self._inserted(packs, rows):
            self._note(packs, rows)
        elif len(packs) > 1:
            for pack in packs:
                self._tests([pack])
        else:  # sent again, perhaps divided otherwise than the first time
            for item in packs[0].below:
                self._below(item)

    def _inserted(self, packs: Sequence[Pack], rows: Sequence[Row]) -> bool:
        """False, and nothing was done, where one of them was there before."""
        run, base = self._run.no, self._run.base
        tests = [
            (key, run, signed(pack.id), self._ledger.node(pack.nodeid), pack.start // 1000 - base, *row)
            for key, (pack, row) in enumerate(zip(packs, rows, strict=True), (run << ROWS) | self._state["tests"])
        ]
        connection = self._ledger.connection
        connection.execute("SAVEPOINT tests")
        new = connection.executemany(_INSERT_TEST, tests).rowcount == len(tests)
        if not new:
            connection.execute("ROLLBACK TO tests")
        connection.execute("RELEASE tests")
        return new

    def _trace(self, span: Brief) -> TraceRecord:
        trace = self._ledger.trace(span.trace_id)
        self._ledger.adopt(trace, self._run)
        return trace

    def _note(self, packs: Sequence[Pack], rows: Sequence[Row]) -> None:
        """What follows from tests that are new: their spans, and what the run counts."""
        state, first, base, service = self._state, self._state["tests"], self._run.base, self._state["service"]
        bodies, new = [], []
        for number, (pack, row) in enumerate(zip(packs, rows, strict=True), first):
            trace, spans = self._trace(pack.test.brief), 1 + len(pack.below)
            trace.add(pack.start, pack.end, spans=spans, errors=pack.errors, name="", service=service)
            state["spans"] += spans
            bodies.append(((self._run.no << ROWS) | number, trace.no, self._resource, pack.start, pack.body()))
            new.append(NewRow(number, pack.nodeid, pack.start // 1000 - base, row))
            if pack.uneventful and row.outcome == "passed":
                states.count_phase(state, "call", "passed")
            else:
                self._count_all(pack, row, number)
            self._over(pack, row)
            if state.get("loose"):
                states.count_loose(state, -self._was_loose(trace, pack))
            warned.note(self._ledger.connection, self._run.no, pack.test, number)
        self._ledger.connection.executemany(_INSERT_PACK, bodies)
        begin, end = min(pack.start for pack in packs) // 1000, max(pack.end for pack in packs) // 1000
        states.count_rows(state, Counter(row.outcome for row in rows), self._ledger.now, begin, end)
        if self._ledger.live:
            states.note_delay(state, self._ledger.now, end)
        self._ledger.changes.of(state["id"]).rows += new

    def _was_loose(self, trace: TraceRecord, pack: Pack) -> int:
        """Whether its first phase came before it."""
        found = self._ledger.connection.execute(
            "SELECT count(*) FROM span WHERE trace = ? AND id = ?",
            (trace.no, signed(ids.phase_span_id(int.from_bytes(pack.id, "big"), _FIRST).to_bytes(8, "big"))),
        )
        return int(found.fetchone()[0])

    def _over(self, pack: Pack, row: Row) -> None:
        state, running = self._state, self._state["running"]
        if row.worker and row.worker not in state["workerNames"]:
            state["workerNames"].append(row.worker)
            state["workers"] = max(state["workers"], len(state["workerNames"]))
        if row.outcome != "rerun":
            running.pop(pack.nodeid, None)
        elif pack.nodeid in running:
            running[pack.nodeid]["start"] = pack.end // 1000

    def _count_all(self, pack: Pack, row: Row, number: int) -> None:
        for item in pack.below:
            self._count(item, number)
        if row.outcome == "crashed":
            states.count(self._state, row.outcome)

    def _count(self, item: Item, number: int) -> None:
        """What a phase, a fixture or a subtest adds to the run."""
        span = item.brief
        if span.name in PHASES:
            states.count_phase(self._state, span.name, _outcome(span))
        elif span.name.startswith("fixture "):
            self._fixture(span, number)
        elif span.name.startswith(SUBTEST):
            states.count_subtest(self._state, _outcome(span))

    def _fixture(self, span: Brief, number: int) -> None:
        attributes = attributes_of(span)
        name = attributes.get(semconv.FIXTURE_NAME)
        if not name:
            return
        place = str(attributes.get(semconv.CODE_FILE_PATH, ""))
        if place and semconv.CODE_LINE_NUMBER in attributes:
            place += f":{attributes[semconv.CODE_LINE_NUMBER]}"
        took = length(span)
        times = (0, 0, 0, 1, took) if span.name.endswith(" teardown") else (1, took, took, 0, 0)
        scope = str(attributes.get(semconv.FIXTURE_SCOPE, ""))
        values = (self._run.no, str(name), scope, place, *times, number)
        self._ledger.connection.execute(_FIXTURE, values)

    def _other(self, item: Item, attributes: Mapping[str, Any]) -> None:
        if semconv.SUITE_RUN_STATUS in attributes:
            self._run_span(item, attributes)
        elif semconv.CASE_NAME in attributes:
            self._running(item.brief, attributes)
        elif item.brief.parent_span_id:
            self._below(item)
            return
        if self._single(item):
            warned.note(self._ledger.connection, self._run.no, item, warned.NO_TEST)

    def _packed(self, number: int, span: Brief) -> bool:
        """Whether it came with its test already, and is sent again without it."""
        key = (self._run.no << ROWS) | number
        (body,) = self._ledger.connection.execute("SELECT body FROM pack WHERE key = ?", (key,)).fetchone()
        return any(known.span_id == span.span_id for known in ScopeSpans.FromString(body).spans)

    def _single(self, item: Item) -> bool:
        trace = self._trace(item.brief)
        if not store(self._ledger, trace, self._resource, item, self._state["service"]):
            return False
        self._state["spans"] += 1
        return True

    def _run_span(self, item: Item, attributes: Mapping[str, Any]) -> None:
        """The root, or the marker of the start."""
        span, state = item.whole, self._state
        state["name"] = span.name
        state["suite"] = str(attributes.get(semconv.SUITE_NAME, ""))
        state["collected"] = attributes.get(semconv.TESTS_COLLECTED, state["collected"])
        if attributes[semconv.SUITE_RUN_STATUS] == semconv.IN_PROGRESS:
            return
        self._run.root = item.body
        state["end"] = span.end_time_unix_nano // 1000
        state["status"] = str(attributes[semconv.SUITE_RUN_STATUS])
        state["exitCode"] = attributes.get(semconv.EXIT_CODE)
        state["error"] = span.status.message
        state["deselected"] = attributes.get(semconv.TESTS_DESELECTED, 0)
        state["warnings"] = attributes.get(semconv.WARNINGS, 0)
        state["workers"] = attributes.get(semconv.XDIST_WORKERS, state["workers"])
        state["told"] = {
            key.removeprefix(semconv.TESTS): value
            for key, value in attributes.items()
            if key.startswith(semconv.TESTS) and key not in (semconv.TESTS_COLLECTED, semconv.TESTS_DESELECTED)
        }

    def _running(self, span: Brief, attributes: Mapping[str, Any]) -> None:
        nodeid = str(attributes[semconv.CASE_NAME])
        worker = str(attributes.get(semconv.WORKER, ""))
        note_running(self._ledger, self._run, nodeid, worker, span.start_time_unix_nano // 1000)

    def _below(self, item: Item) -> None:
        """A part of a test that came without it, or of the collection."""
        span = item.brief
        number = owner_of(self._ledger, self._run, span)
        if (number is not None and self._packed(number, span)) or not self._single(item):
            return
        if number is None:
            warned.note(self._ledger.connection, self._run.no, item, warned.NO_TEST)
            outcome = _outcome(span)
            if outcome:
                states.count(self._state, outcome)
            if span.name == _FIRST:
                states.count_loose(self._state, 1)
            return
        self._count(item, number)
        if span.name in PHASES:
            self._ledger.connection.execute(
                f"UPDATE test SET {span.name} = ? WHERE key = ?",  # noqa: S608  one of three names
                (length(span), (self._run.no << ROWS) | number),
            )
        elif is_failed_subtest(item):
            self._fail(number, item)
        self._ledger.changes.of(self._state["id"]).grown.add(number)

    def _fail(self, number: int, subtest: Item) -> None:
        """A test that passed, as far as the request with it told."""
        found = self._ledger.connection.execute(
            "UPDATE test SET outcome = :outcome, phase = :phase, type = :type, message = :message"
            " WHERE key = :key AND outcome = 'passed'",
            {**failed_by(subtest), "key": (self._run.no << ROWS) | number},
        )
        if found.rowcount:
            states.count_row_anew(self._state, "passed", "failed")


def _outcome(span: Brief) -> str:
    return str(attributes_of(span).get(semconv.OUTCOME, ""))


def _is_running_marker(item: Item) -> bool:
    return item.brief.name.endswith(" running") and is_running_marker(item.whole)


def note_running(ledger: Ledger, run: RunRecord, nodeid: str, worker: str, start: int) -> None:
    """A test has begun at `start`, us since the epoch; unless it is over, for such news may be overtaken."""
    found = ledger.connection.execute(
        "SELECT 1 FROM test WHERE node = (SELECT no FROM node WHERE id = ?) AND key >= ? AND key < ?"
        " AND start + duration >= ?",
        (nodeid, run.no << ROWS, (run.no + 1) << ROWS, start - run.base - _TOLERANCE),
    )
    if found.fetchone() is None:
        run.state["running"][nodeid] = {"nodeid": nodeid, "worker": worker, "start": start}
