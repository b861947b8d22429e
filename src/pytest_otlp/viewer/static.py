"""What a report says without script: counts, failures, the slowest tests."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from html import escape as markup
from typing import Any

from pytest_otlp import semconv
from pytest_otlp.viewer import reading
from pytest_otlp.viewer.changes import FAILURES
from pytest_otlp.viewer.schema import ROWS

_FAILURES = 100
_OPEN = 20
"""Failures on the first screen; the others are folded, as a browser lays out all that is not before it paints."""
_SLOWEST = 20
_ITSELF = (3, 4)
"""pytest's exit status after an error of its own, or of how it was called."""
_LONGEST = 16_384
"""Characters of a traceback."""
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-Z\\^-~])")
"""Escape sequences of terminals (ECMA-48)."""
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""What turns the text after it round: a name could show as another."""


def escape(text: str) -> str:
    """Markup that shows the text: no colours of a terminal, visible escapes for what would turn it round."""
    return markup(_TURNING.sub(lambda found: f"\\u{ord(found[0]):x}", _TERMINAL.sub("", text)))


def summary(store: sqlite3.Connection, run: dict[str, Any], run_id: str) -> str:
    """Markup in which all that comes from the run is text."""
    return "\n".join(['<main id="pytest-otlp-static">', *_parts(store, run, run_id), "</main>\n"])


def _parts(store: sqlite3.Connection, run: dict[str, Any], run_id: str) -> Iterator[str]:
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run["start"] / 1e6))
    yield f"<h1>{escape(run['service'] or run['name'])}</h1>"
    facts = [
        run["state"],
        run["why"],
        run["status"],
        began,
        f"{run['duration'] / 1e6:.1f} s",
        run["branch"],
        run["commit"],
    ]
    yield f'<p class="static-facts">{escape(", ".join(filter(None, facts)))}</p>'
    yield '<table class="static-counts"><tbody>'
    for word in semconv.OUTCOMES:
        if number := run["counts"].get(word):
            yield f"<tr><th scope=row>{escape(word)}</th><td>{number}</td></tr>"
    yield "</tbody></table>"
    yield from _problems(run)
    yield from _failures(store, run, run_id)
    yield from _slowest(store, run_id)


def _problems(run: dict[str, Any]) -> Iterator[str]:
    itself = {"name": "pytest", "message": run["error"], "events": run["events"]}
    problems = [itself] * (run["exitCode"] in _ITSELF) + run["problems"]
    if problems:
        yield "<h2>Errors</h2>"
    for problem in problems:
        yield f"<details><summary>{escape(problem['name'])}: {escape(problem.get('message', ''))}</summary>"
        yield from _tracebacks(problem.get("events", ()))
        yield "</details>"


def _failures(store: sqlite3.Connection, run: dict[str, Any], run_id: str) -> Iterator[str]:
    known = reading.run_key(store, run_id)
    rows = store.execute(
        "SELECT key, node.id, outcome, type, message FROM test JOIN node ON node.no = test.node"
        " WHERE key >= ? AND key < ? AND outcome IN (SELECT value FROM json_each(?)) ORDER BY key LIMIT ?",
        (known.key(0), known.key(0) + (1 << ROWS), json.dumps(FAILURES), _FAILURES),
    ).fetchall()
    if not rows:
        return
    yield '<h2>Failures</h2><div class="static-failures">'
    for place, (key, nodeid, outcome, kind, message) in enumerate(rows):
        if place == _OPEN:
            yield f"<details><summary>{len(rows) - _OPEN} more</summary>"
        what = f"{escape(outcome)} <code>{escape(nodeid)}</code> {escape(kind)}: {escape(message)}"
        yield f"<details><summary>{what}</summary>"
        number = key - known.key(0)
        table = reading.details(store, known, number, number + 1, ids=False)["spans"]["columns"]["more"]
        for more in table if isinstance(table, list) else ():
            yield from _tracebacks((more or {}).get("events", ()))
        yield "</details>"
    if len(rows) > _OPEN:
        yield "</details>"
    yield "</div>"
    more = sum(run["counts"].get(word, 0) for word in FAILURES) - len(rows)
    if more > 0:
        yield f"<p>and {more} more</p>"


def _tracebacks(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        if event["name"] == semconv.EXCEPTION_EVENT:
            text = event["attributes"].get(semconv.EXCEPTION_STACKTRACE) or event["attributes"].get(
                "exception.message", ""
            )
            yield f"<pre>{escape(str(text)[:_LONGEST])}</pre>"


def _slowest(store: sqlite3.Connection, run_id: str) -> Iterator[str]:
    known = reading.run_key(store, run_id)
    rows = store.execute(
        "SELECT node.id, duration FROM test JOIN node ON node.no = test.node WHERE key >= ? AND key < ?"
        " ORDER BY duration DESC LIMIT ?",
        (known.key(0), known.key(0) + (1 << ROWS), _SLOWEST),
    ).fetchall()
    if rows:
        yield '<h2>Slowest tests</h2><table class="static-slowest"><tbody>'
        for nodeid, duration in rows:
            yield f"<tr><td><code>{escape(nodeid)}</code></td><td>{duration / 1e6:.3f} s</td></tr>"
        yield "</tbody></table>"
