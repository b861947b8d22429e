"""Spans into the store: those of a pytest run, and those of applications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from pytest_otlp import semconv
from pytest_otlp.exporter.trace import SHORTEST
from pytest_otlp.exporter.wire import LENGTH, chunk, tag
from pytest_otlp.viewer import state as states
from pytest_otlp.viewer.changes import NewRow
from pytest_otlp.viewer.details import is_running_marker
from pytest_otlp.viewer.ledger import Ledger, RunRecord, TraceRecord
from pytest_otlp.viewer.otlp import attributes_of
from pytest_otlp.viewer.rows import PHASES, length, row_of
from pytest_otlp.viewer.schema import ROWS, signed

_SPANS = tag(2, LENGTH)
"""`ScopeSpans.spans`."""
_PHASE_BITS = 0xF
"""Of a phase's id, which is otherwise its test's."""
_ERROR = 2
_TOLERANCE = 3
"""us: times are given to less than these."""
_INSERT_TEST = (
    "INSERT OR IGNORE INTO test (key, run, span, node, start, outcome, duration, worker, attempt, flaky, markers,"
    " phase, type, message, place, line, setup, call, teardown) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_INSERT_SPAN = "INSERT OR IGNORE INTO span (trace, id, parent, resource, body) VALUES (?, ?, ?, ?, ?)"
_FIXTURE = (
    "INSERT INTO fixture (run, name, scope, place, setups, setup, longest, teardowns, teardown, longest_span)"
    " VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (run, name, scope, place) DO UPDATE SET"
    " setups = setups + excluded.setups, setup = setup + excluded.setup,"
    " longest_span = CASE WHEN excluded.longest > longest THEN excluded.longest_span ELSE longest_span END,"
    " longest = max(longest, excluded.longest),"
    " teardowns = teardowns + excluded.teardowns, teardown = teardown + excluded.teardown"
)


def take(ledger: Ledger, message: ResourceSpans) -> None:
    """Writes what one resource sent."""
    resource = ledger.resource(message.resource.SerializeToString(deterministic=True))
    attributes = attributes_of(message.resource.attributes)
    run_id = attributes.get(semconv.RUN_ID)
    spans = [span for scope in message.scope_spans for span in scope.spans if _sound(span)]
    if not spans:
        return
    if not run_id:
        _Application(ledger, resource, str(attributes.get(semconv.SERVICE_NAME, ""))).take(spans)
        return
    start = min(map(_beginning, spans)) // 1000
    run = ledger.run(str(run_id), resource, attributes, start)
    _RunSpans(ledger, run, resource).take(spans)


def _beginning(span: Span) -> int:
    """Of a span, ns since the epoch; of a run where it is its marker, which starts a moment later."""
    is_marker = not span.parent_span_id and span.end_time_unix_nano - span.start_time_unix_nano == SHORTEST
    return span.start_time_unix_nano - (SHORTEST if is_marker else 0)


def _sound(span: Span) -> bool:
    """Has the ids that the specification asks for; others have no place in a trace."""
    return len(span.trace_id) == 16 and len(span.span_id) == 8 and len(span.parent_span_id) in (0, 8)


class _Pack:
    """A test's span, and those of one request that hang below it."""

    def __init__(self, test: Span, attributes: Mapping[str, Any]) -> None:
        self.test = test
        self.attributes = attributes
        self.below: list[Span] = []
        self.ids = {test.span_id}

    def add(self, span: Span) -> None:
        self.below.append(span)
        self.ids.add(span.span_id)

    def body(self) -> bytes:
        return b"".join([chunk(_SPANS, span.SerializeToString()) for span in (self.test, *self.below)])


class _Application:
    """Spans of whatever is no pytest run."""

    def __init__(self, ledger: Ledger, resource: int, service: str) -> None:
        self._ledger = ledger
        self._resource = resource
        self._service = service

    def take(self, spans: Sequence[Span]) -> None:
        for span in spans:
            trace = self._ledger.trace(span.trace_id)
            if store(self._ledger, trace, self._resource, span, self._service) and trace.run is not None:
                self._tell(trace.run, span)

    def _tell(self, number: int, span: Span) -> None:
        run = self._ledger.run_numbered(number)
        if run is None:
            return
        run.state["appSpans"] += 1
        run.changed = True
        owner = owner_of(self._ledger, run, span)
        if owner is not None:
            self._ledger.changes.of(run.state["id"]).grown.add(owner)


def store(ledger: Ledger, trace: TraceRecord, resource: int, span: Span, service: str) -> bool:
    """One span for itself; False where it is there already."""
    values = (trace.no, signed(span.span_id), signed(span.parent_span_id), resource, span.SerializeToString())
    if not ledger.connection.execute(_INSERT_SPAN, values).rowcount:
        return False
    _note(trace, span, service)
    return True


def _note(trace: TraceRecord, span: Span, service: str) -> None:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    name = "" if span.parent_span_id else span.name
    trace.add(start, end, errors=int(span.status.code == _ERROR), name=name, service=service)


def owner_of(ledger: Ledger, run: RunRecord, span: Span) -> int | None:
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

    def take(self, spans: Sequence[Span]) -> None:
        pack: _Pack | None = None
        for span in spans:
            if pack is not None and span.parent_span_id in pack.ids and not is_running_marker(span):
                pack.add(span)
                continue
            if pack is not None:
                self._test(pack)
                pack = None
            attributes = attributes_of(span.attributes)
            if semconv.CASE_RESULT_STATUS in attributes:
                pack = _Pack(span, attributes)
            else:
                self._other(span, attributes)
        if pack is not None:
            self._test(pack)

    def _trace(self, span: Span) -> TraceRecord:
        trace = self._ledger.trace(span.trace_id)
        self._ledger.adopt(trace, self._run)
        return trace

    def _test(self, pack: _Pack) -> None:
        test = pack.test
        nodeid = str(pack.attributes.get(semconv.CASE_NAME) or test.name)
        row = row_of(test, pack.attributes, pack.below)
        number = self._state["tests"]
        key = (self._run.no << ROWS) | number
        start = test.start_time_unix_nano // 1000 - self._run.base
        values = (key, self._run.no, signed(test.span_id), self._ledger.node(nodeid), start, *row)
        if not self._ledger.connection.execute(_INSERT_TEST, values).rowcount:
            # Sent again, perhaps divided otherwise than the first time.
            for span in pack.below:
                self._below(span)
            return
        trace = self._trace(test)
        self._ledger.connection.execute(
            "INSERT INTO pack (key, trace, resource, start, body) VALUES (?, ?, ?, ?, ?)",
            (key, trace.no, self._resource, test.start_time_unix_nano, pack.body()),
        )
        errors = sum(span.status.code == _ERROR for span in (test, *pack.below))
        times = (test.start_time_unix_nano, test.end_time_unix_nano)
        trace.add(*times, spans=1 + len(pack.below), errors=errors, name="", service=self._state["service"])
        self._state["spans"] += 1 + len(pack.below)
        if errors or row.outcome != "passed" or len(pack.below) != len(PHASES):
            for span in pack.below:
                self._count(span, number)
        else:  # three phases that passed: the hot path
            states.count_phase(self._state, "call", "passed")
        self._row(NewRow(number, nodeid, start, row), test)

    def _row(self, new: NewRow, test: Span) -> None:
        end, row = test.end_time_unix_nano // 1000, new.row
        states.count_row(self._state, row.outcome, self._ledger.now, test.start_time_unix_nano // 1000, end)
        if row.outcome == "crashed":
            states.count(self._state, row.outcome)
        if self._ledger.live:
            states.note_delay(self._state, self._ledger.now, end)
        if row.worker and row.worker not in self._state["workerNames"]:
            self._state["workerNames"].append(row.worker)
            self._state["workers"] = max(self._state["workers"], len(self._state["workerNames"]))
        if row.outcome != "rerun":
            self._state["running"].pop(new.nodeid, None)
        elif new.nodeid in self._state["running"]:
            self._state["running"][new.nodeid]["start"] = end
        self._ledger.changes.of(self._state["id"]).rows.append(new)

    def _count(self, span: Span, number: int) -> None:
        """What a phase, a fixture or a subtest adds to the run."""
        if span.name in PHASES:
            outcome = attributes_of(span.attributes).get(semconv.OUTCOME, "")
            states.count_phase(self._state, span.name, str(outcome))
        elif span.name.startswith("fixture "):
            self._fixture(span, number)
        elif span.name.startswith("subtest "):
            outcome = attributes_of(span.attributes).get(semconv.OUTCOME, "")
            states.count(self._state, str(outcome))

    def _fixture(self, span: Span, number: int) -> None:
        attributes = attributes_of(span.attributes)
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

    def _other(self, span: Span, attributes: Mapping[str, Any]) -> None:
        if semconv.SUITE_RUN_STATUS in attributes:
            self._run_span(span, attributes)
        elif semconv.CASE_NAME in attributes:
            self._running(span, attributes)
        elif span.parent_span_id:
            self._below(span)
            return
        self._single(span)

    def _packed(self, number: int, span: Span) -> bool:
        """Whether it came with its test already, and is sent again without it."""
        key = (self._run.no << ROWS) | number
        (body,) = self._ledger.connection.execute("SELECT body FROM pack WHERE key = ?", (key,)).fetchone()
        return any(known.span_id == span.span_id for known in ScopeSpans.FromString(body).spans)

    def _single(self, span: Span) -> bool:
        trace = self._trace(span)
        if not store(self._ledger, trace, self._resource, span, self._state["service"]):
            return False
        self._state["spans"] += 1
        return True

    def _run_span(self, span: Span, attributes: Mapping[str, Any]) -> None:
        """The root, or the marker of the start."""
        state = self._state
        state["name"] = span.name
        state["suite"] = str(attributes.get(semconv.SUITE_NAME, ""))
        state["collected"] = attributes.get(semconv.TESTS_COLLECTED, state["collected"])
        if attributes[semconv.SUITE_RUN_STATUS] == semconv.IN_PROGRESS:
            return
        self._run.root = span.SerializeToString()
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

    def _running(self, span: Span, attributes: Mapping[str, Any]) -> None:
        nodeid = str(attributes[semconv.CASE_NAME])
        worker = str(attributes.get(semconv.WORKER, ""))
        note_running(self._ledger, self._run, nodeid, worker, span.start_time_unix_nano // 1000)

    def _below(self, span: Span) -> None:
        """A part of a test that came without it, or of the collection."""
        number = owner_of(self._ledger, self._run, span)
        if (number is not None and self._packed(number, span)) or not self._single(span):
            return
        if number is None:
            outcome = attributes_of(span.attributes).get(semconv.OUTCOME)
            if outcome:
                states.count(self._state, str(outcome))
            return
        self._count(span, number)
        if span.name in PHASES:
            self._ledger.connection.execute(
                f"UPDATE test SET {span.name} = ? WHERE key = ?",  # noqa: S608  one of three names
                (length(span), (self._run.no << ROWS) | number),
            )
        self._ledger.changes.of(self._state["id"]).grown.add(number)


def note_running(ledger: Ledger, run: RunRecord, nodeid: str, worker: str, start: int) -> None:
    """A test has begun at `start`, us since the epoch; unless it is over, for such news may be overtaken."""
    found = ledger.connection.execute(
        "SELECT 1 FROM test WHERE node = ? AND key >= ? AND key < ? AND start + duration >= ?",
        (ledger.node(nodeid), run.no << ROWS, (run.no + 1) << ROWS, start - run.base - _TOLERANCE),
    )
    if found.fetchone() is None:
        run.state["running"][nodeid] = {"nodeid": nodeid, "worker": worker, "start": start}
