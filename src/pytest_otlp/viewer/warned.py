"""The warnings of a run, each told once with how often it came: pytest's summary, as a table."""

from __future__ import annotations

import sqlite3
from typing import Any

from pytest_otlp import semconv
from pytest_otlp.viewer.brief import Item
from pytest_otlp.viewer.otlp import attributes_of

NO_TEST = -1
"""In place of a row: of the collection, or of the run."""
_MOST_TOLD = 200
_LONGEST = 2_000
"""Characters of a message."""
_COLUMNS = ("category", "message", "place", "count", "test")
_NOTE = (
    "INSERT INTO warning (run, category, message, place, count, test) VALUES (?,?,?,?,?,?)"
    " ON CONFLICT (run, category, message, place) DO UPDATE SET count = count + excluded.count,"
    " test = CASE WHEN test < 0 THEN excluded.test ELSE test END"
)


def note(store: sqlite3.Connection, run: int, item: Item, row: int) -> None:
    """Writes those of one span. `row`: of its test."""
    if not item.brief.events:
        return
    for event in item.whole.events:
        if event.name == semconv.WARNING_EVENT:
            found = attributes_of(event.attributes)
            place = f"{found.get(semconv.CODE_FILE_PATH, '')}:{found.get(semconv.CODE_LINE_NUMBER, '')}".strip(":")
            category, message = (
                str(found.get(name, "")) for name in (semconv.WARNING_CATEGORY, semconv.WARNING_MESSAGE)
            )
            store.execute(_NOTE, (run, category, message[:_LONGEST], place, 1, row))


def move(store: sqlite3.Connection, run: int, to: int, offset: int) -> None:
    """Adds those of a run to another, behind whose rows its own stand `offset` later."""
    rows = store.execute("SELECT category, message, place, count, test FROM warning WHERE run = ?", (run,)).fetchall()
    later = ((to, *row[:4], row[4] + offset if row[4] >= 0 else row[4]) for row in rows)
    store.executemany(_NOTE, later)
    remove(store, run)


def remove(store: sqlite3.Connection, run: int) -> None:
    store.execute("DELETE FROM warning WHERE run = ?", (run,))


def of_run(store: sqlite3.Connection, run: int) -> list[dict[str, Any]]:
    """The most frequent first. `test`: a row that caused it, or NO_TEST."""
    rows = store.execute(
        "SELECT category, message, place, count, test FROM warning WHERE run = ?"
        " ORDER BY count DESC, category, message, place LIMIT ?",
        (run, _MOST_TOLD),
    )
    return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
