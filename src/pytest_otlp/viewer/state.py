"""What is known of a run: kept as JSON with its rows, told to the page as `Run`. No database, no clock, no OTLP in it.

Times are microseconds since the epoch.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from pytest_otlp import semconv
from pytest_otlp.presence import process_lives
from pytest_otlp.terminal import counted

SILENCE = 30_000_000
"""us without a word after which a run that spoke each second counts as interrupted."""
LONG_SILENCE = 600_000_000
"""The same, of a run that sends no metrics: it says nothing while a test takes its time."""
GONE = 10_000_000
"""us that the exporter of a process which is gone has for the end."""
SKEW = 1_000_000
"""us by which clocks have to differ to be worth a word."""
_SHOWN = 64
"""Running tests."""
_PULSE = 3
"""Metrics heard before silence means something."""
_WINDOW = 5
"""s over which the rate is told."""

State = dict[str, Any]

_RESOURCE = {
    "host": ("host.name",),
    "python": ("process.runtime.version",),
    "pytest": ("pytest.version",),
    "branch": ("vcs.ref.head.name",),
    "commit": ("vcs.ref.head.revision",),
    "repository": ("vcs.repository.name", "vcs.repository.url.full"),
    "change": ("vcs.change.id",),
    "url": ("cicd.pipeline.task.run.url.full", "cicd.pipeline.run.url.full"),
}


def begun(run: str, resource: Mapping[str, Any], start: int) -> State:
    """A run of which the first thing was heard."""
    pid = resource.get("process.pid")
    return {
        "id": run,
        "name": "pytest",
        "service": str(resource.get("service.name", "")),
        "suite": "",
        "start": start,
        "end": None,
        "heard": 0,
        "last": start,
        "live": False,
        "pulse": 0,
        "pid": pid if isinstance(pid, int) else 0,
        "status": "",
        "exitCode": None,
        "error": "",
        "collected": None,
        "deselected": 0,
        "warnings": 0,
        "tests": 0,
        "done": 0,
        "first": 0,
        "counts": {},
        "counted": {},
        "phases": False,
        "loose": 0,
        "told": None,
        "workers": 0,
        "workerNames": [],
        "recent": [],
        "skew": None,
        "spans": 0,
        "appSpans": 0,
        "logs": 0,
        "traces": [],
        "running": {},
        **{
            key: next((str(resource[name]) for name in names if name in resource), "")
            for key, names in _RESOURCE.items()
        },
    }


def _first(resource: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(resource[name]) for name in names if name in resource), "")


def note_delay(state: State, now: int, end: int) -> None:
    """What arrives before it ended was sent by a clock that is ahead."""
    delay = now - end
    state["skew"] = delay if state["skew"] is None else min(state["skew"], delay)


def count_rows(state: State, outcomes: Mapping[str, int], now: int, begin: int, end: int) -> None:
    """Tests that are over, by outcome; the first of them began at `begin`, the last ended at `end`."""
    number, counts = sum(outcomes.values()), state["counts"]
    state["tests"] += number
    state["done"] += number - outcomes.get("rerun", 0)
    for outcome, of_it in outcomes.items():
        counts[outcome] = counts.get(outcome, 0) + of_it
    state["first"] = min(state["first"] or begin, begin)
    state["last"] = max(state["last"], end)
    second, recent = now // 1_000_000, state["recent"]
    if recent and recent[-1][0] == second:
        recent[-1][1] += number
    else:
        recent.append([second, number])
        del recent[: -_WINDOW - 1]


def count_row_anew(state: State, before: str, outcome: str) -> None:
    """A test of which more came than its outcome was made of."""
    counts = state["counts"]
    counts[outcome] = counts.get(outcome, 0) + 1
    counts[before] -= 1
    if not counts[before]:
        del counts[before]


def count_phase(state: State, phase: str, outcome: str) -> None:
    """As pytest's summary counts: each call, and of setup and teardown what did not pass."""
    state["phases"] = True
    if outcome and (phase == "call" or outcome != "passed"):
        count(state, outcome)


def count_subtest(state: State, outcome: str) -> None:
    """Those that passed have a category of their own in pytest's summary, the others are among the tests (pytest 9)."""
    if outcome != "passed":
        count(state, outcome)


def count_loose(state: State, number: int) -> None:
    """Tests of which a part came, but not they themselves."""
    state["loose"] = state.get("loose", 0) + number


def count(state: State, outcome: str) -> None:
    """Counts what pytest's summary counts: a crashed test is a failed one there."""
    word = "failed" if outcome == "crashed" else outcome
    state["counted"][word] = state["counted"].get(word, 0) + 1


def missing(state: State) -> dict[str, int]:
    """What the root counted beyond what came, by category."""
    told = state["told"]
    if told is None:
        return {}
    if not state["phases"]:
        # pytest counts no test that was interrupted. Spans may come in any order, those with phases last.
        known = state["tests"] - state["counts"].get("interrupted", 0)
        less = sum(told.get(word, 0) for word in semconv.SUMMARY_CATEGORIES if word != "error") - known
        return {"tests": less} if less > 0 else {}
    came = state["counted"]
    found = {word: told.get(word, 0) - came.get(word, 0) for word in semconv.SUMMARY_CATEGORIES}
    found["tests"] = state.get("loose", 0)
    return {word: less for word, less in found.items() if less > 0}


def summary(state: State, now: int) -> dict[str, Any]:
    """The run as the page reads it."""
    word, why = _condition(state, now)
    over = word != "running"
    end = state["end"]
    skipped = {"pid", "pulse", "live", "last", "first", "counted", "phases", "loose", "recent", "workerNames"}
    told = {key: value for key, value in state.items() if key not in skipped}
    running = [] if word in ("finished", "partial") else _running(state)
    return {
        **told,
        "live": state["live"],
        "state": word,
        "why": why,
        "duration": (end if end is not None else state["last"] if over else max(state["last"], now)) - state["start"],
        "rate": 0.0 if over else _rate(state, now),
        "left": None if over else _left(state, now),
        "skew": _skew(state),
        "running": running,
    }


def _running(state: State) -> list[dict[str, Any]]:
    tests = sorted(state["running"].values(), key=lambda test: int(test["start"]))
    return tests[:_SHOWN]


def _condition(state: State, now: int) -> tuple[str, str]:
    if state["end"] is None:
        why = _silent(state, now)
        return ("interrupted", why) if why else ("running", "")
    less = missing(state)
    if less:
        parts = ", ".join(
            counted(number, "test") if word == "tests" else f"{number} {word}" for word, number in less.items()
        )
        return "partial", f"pytest counted {parts} more than arrived"
    if state["status"] == "aborted":
        return "interrupted", state["error"] or "aborted"
    return "finished", ""


def _silent(state: State, now: int) -> str:
    """Why a run without an end will have none, as far as can be seen from here."""
    if not state["live"]:
        return "its end never came"
    silence = now - state["heard"]
    if silence > GONE and state["pid"] and state["host"] == socket.gethostname() and not process_lives(state["pid"]):
        return f"process {state['pid']} is gone"
    limit = SILENCE if state["pulse"] >= _PULSE else LONG_SILENCE
    return f"nothing heard for {silence // 1_000_000} s" if silence > limit else ""


def _rate(state: State, now: int) -> float:
    """Tests a second, of the whole seconds that are over."""
    second = now // 1_000_000
    number = sum(tests for when, tests in state["recent"] if second - _WINDOW <= when < second)
    return float(round(number / _WINDOW, 1))


def _left(state: State, now: int) -> int | None:
    collected, done = state["collected"], state["done"]
    if not collected or not done:
        return None
    return max(0, int((collected - done) * (max(now, state["last"]) - state["first"]) // done))


def _skew(state: State) -> int:
    """us by which the run's clock is ahead.

    It looks behind as well where a run was delivered late, when no metrics come with it.
    """
    delay = state["skew"]
    if delay is None or not state["live"] or abs(delay) <= SKEW:
        return 0
    return -delay if delay < 0 or state["pulse"] >= _PULSE else 0
