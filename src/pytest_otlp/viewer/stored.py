"""A run out of a store, as if it were sent again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from pytest_otlp.viewer import schema
from pytest_otlp.viewer.intake import Kind
from pytest_otlp.viewer.schema import ROWS
from pytest_otlp.viewer.sources import Request, SourceError

_AT_ONCE = 500
"""Tests, spans or log records of one request."""


def runs_in(path: Path) -> list[str]:
    """The ids of a store's runs, the newest first.

    Raises:
        SourceError: it is no store of ours.
    """
    try:
        with closing(schema.reader(path)) as store:
            _check(store, path)
            return [row[0] for row in store.execute("SELECT id FROM run ORDER BY start DESC")]
    except sqlite3.Error as error:
        raise SourceError(f"{path}: {error}") from None


def requests_in(path: Path, run: str) -> Iterator[Request]:
    """What a store holds of a run, of the newest where `run` is empty.

    Raises:
        SourceError: it is no store of ours, or has no such run.
    """
    try:
        with closing(schema.reader(path)) as store:
            yield from _requests(store, path, run)
    except sqlite3.Error as error:
        raise SourceError(f"{path}: {error}") from None


def _check(store: sqlite3.Connection, path: Path) -> None:
    (version,) = store.execute("PRAGMA user_version").fetchone()
    if version != schema.VERSION:
        raise SourceError(f"{path}: not a store of this version (format {version}, here {schema.VERSION})")


def _requests(store: sqlite3.Connection, path: Path, run: str) -> Iterator[Request]:
    _check(store, path)
    row = store.execute("SELECT no FROM run WHERE ? IN (id, '') ORDER BY start DESC LIMIT 1", (run,)).fetchone()
    if row is None:
        raise SourceError(f"{path}: no run {run} in it" if run else f"{path}: no run of pytest in it")
    (number,) = row
    loose = "SELECT resource, span.body FROM trace JOIN span ON span.trace = trace.no WHERE trace.run = ?"
    packs = "SELECT resource, body FROM pack WHERE key >= ? AND key < ? ORDER BY key"
    logs = "SELECT resource, log.body FROM trace JOIN log ON log.trace = trace.no WHERE trace.run = ? ORDER BY log.no"
    # The marker tells when the run began, so it comes first; a part of a test comes after it.
    yield from _spans(store, store.execute(f"{loose} AND span.parent = 0 ORDER BY span.no", (number,)), packed=False)
    yield from _spans(store, store.execute(packs, (number << ROWS, (number + 1) << ROWS)), packed=True)
    yield from _spans(store, store.execute(f"{loose} AND span.parent <> 0 ORDER BY span.no", (number,)), packed=False)
    for resource, bodies in _grouped(store.execute(logs, (number,))):
        message = ExportLogsServiceRequest()
        part = message.resource_logs.add()
        part.resource.ParseFromString(_resource(store, resource))
        part.scope_logs.add().log_records.extend(map(LogRecord.FromString, bodies))
        yield Request(Kind.LOGS, message.SerializeToString(), json=False)


def _spans(store: sqlite3.Connection, rows: Iterable[tuple[int, bytes]], *, packed: bool) -> Iterator[Request]:
    for resource, bodies in _grouped(rows):
        message = ExportTraceServiceRequest()
        part = message.resource_spans.add()
        part.resource.ParseFromString(_resource(store, resource))
        scope = part.scope_spans.add()
        for body in bodies:
            scope.spans.extend(ScopeSpans.FromString(body).spans if packed else [Span.FromString(body)])
        yield Request(Kind.TRACES, message.SerializeToString(), json=False)


def _grouped(rows: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """As they follow one another, by resource, so many at once."""
    for resource, group in groupby(rows, key=lambda row: row[0]):
        bodies: list[bytes] = []
        for _, body in group:
            bodies.append(body)
            if len(bodies) == _AT_ONCE:
                yield resource, bodies
                bodies = []
        if bodies:
            yield resource, bodies


def _resource(store: sqlite3.Connection, number: int) -> bytes:
    return bytes(store.execute("SELECT body FROM resource WHERE no = ?", (number,)).fetchone()[0])
