"""The same suite without and with the plugin: what pytest says of it must be equal, and the trace must say it too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple
from xml.etree import ElementTree as ET

import pytest
from _pytest.junitxml import mangle_test_address

from support import environment
from support.runs import Run, Runner

Mode = Literal["alone", "n0", "n2", "tx"]
MODES: Mapping[Mode, tuple[str, ...]] = {"alone": ("-p", "no:xdist"), "n0": ("-n0",), "n2": ("-n2",), "tx": ()}
MODES_OF_A_ROW = None if pytest.version_tuple >= (9,) else 1
"""In how many of its modes a row runs: in all on the newest pytest, in the first on those before it."""
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_WORKER = re.compile(r"\bgw\d+")
_REPEATED = ("FAILED", "ERROR", "SKIPPED", "XFAIL", "XPASS", "RERUN")
"""How the lines of the short summary begin, which are equal under xdist but for their order."""
COMMON = {
    "test_common.py": """
        import logging
        import warnings

        def test_log(caplog):
            logging.getLogger("shop").warning("sold out")
            assert caplog.record_tuples == [("shop", 30, "sold out")]

        def test_warning(recwarn):
            warnings.warn("caught")
            assert [str(warning.message) for warning in recwarn] == ["caught"]

        def test_warns():
            warnings.warn("told")
    """
}
"""Beside every suite: what its tests log and warn is what they get to see."""
COMMON_TESTS = 3


@dataclass(frozen=True)
class Row:
    """A row of the table: a small suite, the plugins that it needs, and what becomes of its tests."""

    name: str
    suite: str | Mapping[str, str]
    outcomes: str
    """Of all attempts, as `3 passed, 1 failed`; those of the common tests are added."""
    args: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Modules without which the row is skipped."""
    plugins: tuple[str, ...] = ()
    """The entry points of the plugins that are loaded."""
    ini: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    modes: tuple[Mode, ...] = ("alone", "n0", "n2")
    dist: str = "load"
    """How the tests are distributed: where they share a fixture, each file to one worker."""
    before: tuple[str, ...] | None = None
    """The arguments of a run that comes first, without the plugin both times."""
    common: bool = True
    same_output: bool = True
    """Whether every line of the output is compared."""
    in_order: bool = True
    """Whether the tests begin in the order in which the JUnit XML has them."""
    check: Callable[[Run], None] | None = None
    """What else must be seen."""

    @property
    def files(self) -> Mapping[str, str]:
        own = {"test_it.py": self.suite} if isinstance(self.suite, str) else self.suite
        return {**own, **COMMON} if self.common else own

    @property
    def expected(self) -> Counter[str]:
        counts = (part.split(" ") for part in self.outcomes.split(", ") if part)
        found = Counter(passed=COMMON_TESTS if self.common else 0)
        for count, word in counts:
            found[word] += int(count)
        return +found


class Told(NamedTuple):
    """What a run without the plugin says, and one with it must say too."""

    exit_code: int
    cases: list[tuple[str, ...]]
    """Of the JUnit XML: class, name, result and its message."""
    summary: Counter[str] | None
    lines: list[str]


class Beside:
    """Runs rows, each in folders of its own."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._runs = 0
        self._without: dict[bool, Told] = {}

    def hold(self, row: Row) -> None:
        """Runs a row in all of its modes and holds every run against the one without the plugin."""
        for package in row.needs:
            pytest.importorskip(package)
        for mode in row.modes[:MODES_OF_A_ROW]:
            if mode == "alone" or "xdist" in environment.installed_plugins():
                self._hold(row, mode)

    def _hold(self, row: Row, mode: Mode) -> None:
        spread = mode in ("n2", "tx")
        if spread not in self._without:
            runner = self._prepared(row)
            run = runner.without(row.files, *self._args(row, mode), env=self._environment(row), ini=row.ini)
            self._without[spread] = _told(row, run, runner, spread=spread)
        runner = self._prepared(row)
        run = runner(row.files, *self._args(row, mode), env=self._environment(row), ini=row.ini)
        print(mode, run.stdout, sep="\n")
        assert run.stdout.count("otlp: ") == len(run.our_lines), "one of our lines stands within one of theirs"
        told = _told(row, run, runner, spread=spread)
        for name, expected in self._without[spread]._asdict().items():
            assert getattr(told, name) == expected, name
        assert Counter(str(span.attributes["pytest.outcome"]) for span in run.tests) == row.expected
        assert spread == any("pytest.worker" in span.attributes for span in run.tests) or not run.tests
        if row.in_order and not spread:
            _check_order(run, self._without[spread])
        if row.check is not None:
            row.check(run)

    def _prepared(self, row: Row) -> Runner:
        self._runs += 1
        base = self._base / f"{self._runs}"
        base.mkdir()
        runner = Runner(base)
        if row.before is not None:
            runner.without(row.files, *row.before, env=self._environment(row), ini=row.ini)
        return runner

    @staticmethod
    def _args(row: Row, mode: Mode) -> tuple[str, ...]:
        dist = [f"--dist={row.dist}"] if mode in ("n2", "tx") else []
        return ("-ra", *MODES[mode], *dist, *row.args)

    @staticmethod
    def _environment(row: Row) -> Mapping[str, str]:
        return {"PYTEST_ADDOPTS": environment.plugins(*row.plugins), **row.env}


def _told(row: Row, run: Run, runner: Runner, *, spread: bool) -> Told:
    def steady(text: str) -> str:
        text = _ADDRESS.sub("0x", text.replace(str(runner.folder.parent), ""))
        return _WORKER.sub("gw", text) if spread else text

    cases = [tuple(map(steady, case)) for case in cases_in(runner._junit)]
    lines = list(map(steady, run.their_lines))
    if spread:
        return Told(run.exit_code, sorted(cases), run.summary, sorted(filter(_is_repeated, lines)))
    return Told(run.exit_code, cases, run.summary, lines if row.same_output else [])


def _is_repeated(line: str) -> bool:
    return line.startswith(_REPEATED)


def cases_in(path: Path) -> list[tuple[str, ...]]:
    if not path.exists():
        return []
    return [
        (case.get("classname", ""), case.get("name", ""), *_results(case)) for case in ET.parse(path).iter("testcase")
    ]


def _results(case: ET.Element) -> list[str]:
    return [f"{part.tag}: {part.attrib.get('message', '')}" for part in case if part.tag != "properties"]


def _check_order(run: Run, told: Told) -> None:
    by_span = list(dict.fromkeys(_place(span.name) for span in run.tests))
    assert by_span == list(dict.fromkeys((case[0], case[1]) for case in told.cases if case[0]))


def _place(nodeid: str) -> tuple[str, str]:
    """Class and name as the JUnit XML has them."""
    *names, last = mangle_test_address(nodeid)
    return ".".join(names), last
