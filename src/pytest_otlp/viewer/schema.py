"""The store's tables, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

VERSION = 1
ROWS = 32
"""Bits of a test's key that are its row number; those above are its run's number."""

_TABLES = """
CREATE TABLE IF NOT EXISTS resource (no INTEGER PRIMARY KEY, body BLOB UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS run (no INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, service TEXT NOT NULL,
    start INTEGER NOT NULL, resource INTEGER NOT NULL, state TEXT NOT NULL, root BLOB);
CREATE INDEX IF NOT EXISTS run_service ON run (service, start);
CREATE TABLE IF NOT EXISTS node (no INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS test (key INTEGER PRIMARY KEY, run INTEGER NOT NULL, span INTEGER NOT NULL,
    node INTEGER NOT NULL, outcome TEXT NOT NULL, start INTEGER NOT NULL, duration INTEGER NOT NULL,
    worker TEXT NOT NULL, attempt INTEGER NOT NULL, flaky INTEGER NOT NULL, markers TEXT NOT NULL, phase TEXT NOT NULL,
    type TEXT NOT NULL, message TEXT NOT NULL, place TEXT NOT NULL, line INTEGER NOT NULL,
    setup INTEGER NOT NULL, call INTEGER NOT NULL, teardown INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS test_span ON test (run, span);
CREATE INDEX IF NOT EXISTS test_node ON test (node);
CREATE TABLE IF NOT EXISTS pack (key INTEGER PRIMARY KEY, trace INTEGER NOT NULL, resource INTEGER NOT NULL,
    start INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS fixture (run INTEGER NOT NULL, name TEXT NOT NULL, scope TEXT NOT NULL, place TEXT NOT NULL,
    setups INTEGER NOT NULL, setup INTEGER NOT NULL, longest INTEGER NOT NULL, teardowns INTEGER NOT NULL,
    teardown INTEGER NOT NULL, longest_span INTEGER NOT NULL, PRIMARY KEY (run, name, scope, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS warning (run INTEGER NOT NULL, category TEXT NOT NULL, message TEXT NOT NULL,
    place TEXT NOT NULL, count INTEGER NOT NULL, test INTEGER NOT NULL,
    PRIMARY KEY (run, category, message, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trace (no INTEGER PRIMARY KEY, id BLOB UNIQUE NOT NULL, run INTEGER, name TEXT NOT NULL,
    service TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, spans INTEGER NOT NULL,
    errors INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS trace_run ON trace (run, start);
CREATE TABLE IF NOT EXISTS span (no INTEGER PRIMARY KEY, trace INTEGER NOT NULL, id INTEGER NOT NULL,
    parent INTEGER NOT NULL, resource INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS span_id ON span (trace, id);
CREATE INDEX IF NOT EXISTS span_parent ON span (trace, parent);
CREATE INDEX IF NOT EXISTS span_resource ON span (resource);
CREATE TABLE IF NOT EXISTS log (no INTEGER PRIMARY KEY, trace INTEGER NOT NULL, span INTEGER NOT NULL,
    resource INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS log_time ON log (trace, span, substr(body, 1, 9));
CREATE INDEX IF NOT EXISTS log_resource ON log (resource);
"""


class StoreError(Exception):
    """The store cannot be opened: what, where, remedy."""


def opened(path: Path) -> sqlite3.Connection:
    """The connection of the only writer; the file is made where there is none, readable by its owner only.

    Raises:
        StoreError: it is no store of ours, or cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        _prepare(connection, path)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: {getattr(error, 'strerror', None) or error}; use --db with another file") from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and found != VERSION:
        wrong = f"{path}: not a store of this version (format {found}, here {VERSION})"
        raise StoreError(f"{wrong}; use --db with another file")
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    # A killed process loses nothing that is committed; a machine that loses its power may lose the last moments.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-16000")
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA user_version={VERSION}")


def reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only=1")
    connection.execute("PRAGMA cache_size=-4000")
    return connection


def signed(number: bytes) -> int:
    """A span id as SQLite keeps integers; 0 for none."""
    return int.from_bytes(number, "big", signed=True)


def hexadecimal(number: int) -> str:
    """A span id as people know it."""
    return (number & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "big").hex()
