"""The table of the cases: what the peers did, what we do, with the figures of one run of these tests.

`make faults` prints it; `make faults TABLE=docs/faults.md` writes it down as well.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import pytest

PEERS = Path(__file__).resolve().parent.parent.parent / "docs" / "faults-peers.json"
CASES = {
    1: "Nothing listens, 15 tests",
    2: "Accepts and never answers, 600 tests",
    3: "Answers after 3 s; after 12 s",
    4: "429 or 503 with Retry-After: 2; with 60",
    5: "400, 401, 403, 404",
    6: "A redirect; a login page with status 200",
    7: "7 spans rejected (partial_success)",
    8: "Down in mid-run and back; back only for the next run",
    9: "TLS not trusted, wrong host, http for https and the reverse",
    10: "Metrics and logs refused, traces taken",
    11: "0.5 s a batch; some answered and some not",
    12: "A server that goes away at random; 50,000 tests in the soak",
    13: "Failures with 1 MB of output each; one span that is too large",
    14: "The journal's disk is full or cannot be written",
    15: "More than 512 MiB of kept journals",
    16: "os._exit, segfault, kill -9, SIGTERM, pytest-timeout's thread",
    17: "kill -9 of an xdist worker among 61 tests",
    18: "Ctrl-C, an internal error, -x, --maxfail, pytest.exit",
    19: "Tests that fork; multiprocessing; pytest-forked",
    20: "Errors of collection, setup and teardown",
    21: "The exporter is killed",
    22: "A lone surrogate in an exception, an id, a docstring",
    23: "An exception whose __str__ raises, a repr that raises, cycles",
    24: "NUL, escapes, 1 MB of output, 10,000 properties",
    25: "Any text (Hypothesis)",
    26: "The application sets, resets and shuts down the global provider",
    27: "freezegun and time-machine around a module",
    28: "responses, respx, vcrpy, --disable-socket for the whole session",
    29: "caplog, recwarn, os.environ with a dead endpoint",
    30: "opentelemetry-instrument pytest",
    31: "xdist -n 2, each --dist",
    32: "rerunfailures and flaky",
    33: "Subtests and unittest's subTest, failing in a passing parent",
    34: "pytest-asyncio and anyio: the current span",
    35: "randomly, cov, timeout, bdd, doctest, unittest, repeat",
    36: "Headers in ps, spans, the journal, our lines",
    37: "Escapes in a server's or a test's text",
    38: "A line break in a header's value",
}
NO_MEANING = {14: "keeps nothing", 15: "keeps nothing", 21: "has no process of its own"}
"""What cannot be asked of a plugin that exports from the test process."""
_CASE = re.compile(r"::test_(\d\d)(?:_to_(\d\d))?_")
HEAD = """\
# Faults

This page is written by `make faults TABLE=docs/faults.md`; do not edit it. What a case is, and that its contract holds,
stands in [tests/faults](../tests/faults): real runs of pytest, beside the same runs without the plugin, against real
servers that misbehave. In each of them the exit code and pytest's counts are those of the run without the plugin, at
most one line of ours follows pytest's summary, and `produced = delivered + rejected + kept`, in spans, as the server
counted them. What was kept came with `pytest-otlp replay`: every span once, in one good trace.

The columns of the two other plugins are from `python tests/faults/peers.py`: one run a line on the same machine, with
wall time `alone → with the plugin`, and how many of the tests' spans came. *Not tried* is what was not tried for real.
The last column counts the tests of this project for the case, and sums up their runs; seconds are the median of what a
run took longer than without the plugin. The machine did other things meanwhile.

The exporter's memory is bounded by what is in flight: at most 4 payloads wait and 8 are under way (16 after the run's
end), each of at most 2,048 spans and 3.75 MiB; while they wait, the journal is read later.

"""


class Figures(TypedDict, total=False):
    """Of one run."""

    produced: int
    delivered: int
    rejected: int
    kept: int
    later: int
    """Spans that a replay delivered."""
    added: float
    """s that it took longer than the run without the plugin."""
    soak: Mapping[str, Any]


class Result(NamedTuple):
    """Of one test."""

    outcome: str
    figures: list[Figures]


def cases_of(nodeid: str) -> range:
    """The numbers of the cases that a test is about."""
    found = _CASE.search(nodeid)
    return range(int(found[1]), int(found[2] or found[1]) + 1) if found else range(0)


class Table:
    """Collects what the tests noted, in this process or in xdist's workers, and shows it at the end."""

    def __init__(self, page: str) -> None:
        """`page`: where to write it, or `-`."""
        self._page = page
        self._results: dict[str, Result] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome, _ = self._results.get(report.nodeid, Result("passed", []))
        if report.outcome != "passed":
            outcome = report.outcome
        noted = dict(report.user_properties).get("faults", [])
        assert isinstance(noted, list)
        self._results[report.nodeid] = Result(outcome, noted)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        text = render(self._by_case(), json.loads(PEERS.read_text("utf-8")) if PEERS.exists() else None)
        terminalreporter.section("faults")
        terminalreporter.write_line(text)
        if self._page != "-":
            Path(self._page).write_text(HEAD + text, "utf-8")

    def _by_case(self) -> dict[int, list[Result]]:
        found = defaultdict(list)
        for nodeid, result in self._results.items():
            for number in cases_of(nodeid):
                found[number].append(result)
        return found


def render(results: Mapping[int, Sequence[Result]], peers: Any) -> str:
    """The table in Markdown. `peers`: the content of docs/faults-peers.json, if there is one."""
    names = [line.replace("==", " ") for line in peers["versions"]] if peers else []
    lines = [
        f"Of {time.strftime('%Y-%m-%d', time.gmtime())}.",
        "",
        "| | case |" + "".join(f" {name} |" for name in names) + " pytest-otlp |",
        "|--:|---|" + "---|" * (len(names) + 1),
    ]
    for number, what in CASES.items():
        told = [_peer(peers["rows"], number, name.split()[0]) for name in names]
        lines.append("| " + " | ".join([str(number), _cell(what), *told, _ours(results.get(number, ()))]) + " |")
    return "\n".join(lines) + "\n"


def _peer(rows: Sequence[Mapping[str, Any]], number: int, name: str) -> str:
    told = [f"{row['what']}: {row[name]}" for row in rows if row["case"] == number]
    return "<br>".join(map(_cell, told)) or NO_MEANING.get(number, "not tried")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("__", "\\_\\_").replace("\n", " ")


def _ours(results: Sequence[Result]) -> str:
    ran = [result for result in results if result.outcome != "skipped"]
    if not ran:
        return "not tried in this run"
    held = sum(result.outcome == "passed" for result in ran)
    figures = [each for result in ran for each in result.figures]
    parts = [f"{held} of {len(ran)} tests hold", _sums(figures), _added(figures)]
    parts += [
        ", ".join(f"{name}: {value}" for name, value in each["soak"].items()) for each in figures if "soak" in each
    ]
    return _cell("; ".join(filter(None, parts)))


def _sums(figures: Sequence[Figures]) -> str:
    counted = [each for each in figures if "produced" in each]
    if not counted:
        return ""
    produced, delivered, rejected, kept = (
        sum(each[name] for each in counted) for name in ("produced", "delivered", "rejected", "kept")
    )
    later = sum(each.get("later", 0) for each in counted)
    replayed = f", {later:,} of them replayed" if later else ""
    return f"{produced:,} spans = {delivered:,} delivered + {rejected:,} rejected + {kept:,} kept{replayed}"


def _added(figures: Sequence[Figures]) -> str:
    added = [each["added"] for each in figures if "added" in each]
    return f"{statistics.median(added):+.1f} s" if added else ""
