"""Real pytest processes that send to a real OTLP server, and what holds for every one of them.

::

    run = run_pytest("def test_a(): pass", "-q")        # one file, test_it.py; several as a dictionary
    assert run.tree() == ...

`run_pytest` returns when the process is over, and has checked the run by then: the trace against `support.traces`,
its counts against pytest's summary and the JUnit XML, our summary line against what the server received.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO
from xml.etree import ElementTree as ET

import pytest

from support import environment, traces
from support.otlp_server import OtlpServer
from support.received import ReceivedEvent, ReceivedLog, ReceivedMetric, ReceivedSpan

TIMEOUT = 60.0
"""s that one inner run may take; a bound for what hangs."""
_WORDS = "passed|failed|errors?|skipped|xfailed|xpassed|rerun|retried|deselected|warnings?|subtests passed"
_SUMMARY = re.compile(rf"^=*\s*((?:\d+ (?:{_WORDS})(?:, )?)+|no tests ran) in [\d.]+s", re.MULTILINE)
_DELIVERED = re.compile(r"^otlp: (\d+) tests?, (\d+) spans? delivered to ", re.MULTILINE)
_CATEGORIES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun")
_FORMS = {"errors": "error", "warnings": "warning"}


def journals_in(folder: Path) -> list[Path]:
    """Those that runs in that folder kept, or write now; with none, everything of theirs is delivered."""
    return sorted(folder.glob(".pytest_cache/d/otlp/*.jsonl"))


@dataclass(frozen=True)
class Run:
    """A run that is over."""

    folder: Path
    exit_code: int
    stdout: str
    stderr: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    metrics: list[ReceivedMetric] = field(default_factory=list)
    logs: list[ReceivedLog] = field(default_factory=list)
    junit: Mapping[str, int] | None = None
    """Failures, errors and skipped; None without the file."""
    seconds: float = 0.0
    """From the process' start to its end."""

    def tree(self, *show: str, by_name: bool = False, fixtures: bool = False) -> str:
        """See `traces.tree`; with a line break at both ends, as triple quotes give it."""
        return "\n" + traces.tree(self.spans, *show, by_name=by_name, fixtures=fixtures) + "\n"

    @property
    def root(self) -> ReceivedSpan:
        return traces.root_of(self.spans)

    @property
    def tests(self) -> list[ReceivedSpan]:
        """An attempt each."""
        return traces.tests_of(self.spans)

    def test(self, name: str) -> ReceivedSpan:
        """The one test whose node id ends so."""
        (found,) = (span for span in self.tests if span.name.endswith(name))
        return found

    def named(self, name: str) -> ReceivedSpan:
        (found,) = (span for span in self.spans if span.name == name)
        return found

    def phase(self, test: str, phase: str) -> ReceivedSpan:
        (found,) = (span for span in self.below(self.test(test)) if span.name == phase)
        return found

    def below(self, span: ReceivedSpan) -> list[ReceivedSpan]:
        return traces.children_of(self.spans)[span.span_id]

    @property
    def exceptions(self) -> list[tuple[str, ReceivedEvent]]:
        """Every exception event, with the name of its span."""
        return [(span.name, event) for span in self.spans for event in span.events if event.name == "exception"]

    @cached_property
    def summary(self) -> Counter[str] | None:
        """pytest's own counts; None where it printed none."""
        found = _SUMMARY.findall(self.stdout)
        if not found:
            return None
        pairs = (part.split(" ", 1) for part in found[-1].split(", ") if part[0].isdigit())
        return Counter({_FORMS.get(word, word): int(count) for count, word in pairs})

    @property
    def our_lines(self) -> list[str]:
        return [line for line in self.stdout.splitlines() if line.startswith("otlp:")]

    @property
    def their_lines(self) -> list[str]:
        """What pytest printed, without our lines, durations and the list of plugins."""
        lines = [re.sub(r"\b\d+\.\d+s", "0s", line) for line in self.stdout.splitlines()]
        return [line for line in lines if not line.startswith(("otlp:", "plugins:")) and "junit.xml" not in line]

    def check(self, parent_id: str = "", *, may_be_off: bool = False) -> None:
        """Holds what was sent against everything else that tells of the run."""
        assert not re.search("Exception ignored|ResourceWarning", self.stderr), self.stderr
        if not self.spans:
            tested_nothing = self.exit_code == pytest.ExitCode.NO_TESTS_COLLECTED
            assert may_be_off or tested_nothing or not self.summary or set(self.summary) <= {"deselected"}, self.stdout
            assert not self.our_delivery
            return
        assert traces.problems(self.spans, parent_id) == []
        self._check_root()
        self._check_counts()
        delivered = self.our_delivery
        if delivered:
            assert delivered == (len(self.tests), len(self.spans))
            assert [*self.folder.glob(".pytest_cache/**/otlp/*")] == []

    @property
    def our_delivery(self) -> tuple[int, int] | None:
        """Tests and spans as our line after the summary counts them, where all were delivered."""
        found = _DELIVERED.search(self.stdout)
        return (int(found[1]), int(found[2])) if found else None

    def _check_root(self) -> None:
        attributes = self.root.attributes
        assert attributes.get("process.exit.code", self.exit_code) == self.exit_code
        assert (self.root.status == traces.ERROR) == (self.exit_code != 0)
        for line in self.our_lines:
            assert "trace " not in line or self.root.trace_id in line

    def _check_counts(self) -> None:
        attributes = self.root.attributes
        on_root = Counter({word: attributes[f"pytest.tests.{word}"] for word in _CATEGORIES})
        on_root["retried"] = attributes.get("pytest.tests.retried", 0)
        told = traces.counted(self.spans)
        if "Flaky Test Report" in self.stdout:
            # The plugin flaky reports the last round of a test only.
            told = Counter({word: number for word, number in told.items() if word not in ("rerun", "passed")})
            told += Counter(passed=on_root["passed"])
        assert told == +on_root
        if self.summary is not None:
            assert Counter({word: self.summary[word] for word in (*_CATEGORIES, "retried")}) == on_root
            # xdist's controller knows of no deselected tests; its workers do.
            assert self.summary["deselected"] in (attributes["pytest.tests.deselected"], 0)
            assert self.summary["warning"] == attributes["pytest.warnings"]
        if self.junit is not None and self.exit_code != pytest.ExitCode.INTERNAL_ERROR:
            # A crash is a failure in the summary and an error in the file.
            crashed = sum(span.attributes["pytest.outcome"] == "crashed" for span in self.tests)
            assert self.junit == {
                "failures": on_root["failed"] - crashed,
                "errors": on_root["error"] + crashed,
                "skipped": on_root["skipped"] + on_root["xfailed"],
            }


class PytestProcess:
    """A pytest that runs in a process group of its own, as in a terminal."""

    def __init__(self, command: list[str], folder: Path, env: Mapping[str, str], output: Path, typed: str) -> None:
        self.seconds = 0.0
        """From its start to its end, once that was waited for."""
        self._began = time.monotonic()
        self._stdout, self._stderr = output.with_suffix(".out"), output.with_suffix(".err")
        keyboard = output.with_suffix(".in")
        keyboard.write_text(typed, "utf-8")
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err, keyboard.open("rb") as given:
            self._process = subprocess.Popen(
                command, cwd=folder, env=env, stdin=given, stdout=out, stderr=err, start_new_session=True
            )

    def wait(self, timeout: float = TIMEOUT) -> tuple[int, str, str]:
        """Its exit code and output.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        try:
            code = self._process.wait(timeout)
            self.seconds = time.monotonic() - self._began
        finally:
            self.kill()
        return code, self._stdout.read_text("utf-8", "replace"), self._stderr.read_text("utf-8", "replace")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True)
class Live:
    """A run under way."""

    server: OtlpServer
    folder: Path
    _process: PytestProcess
    _junit: Path
    _may_be_off: bool

    def kill(self) -> None:
        self._process.kill()

    def finish(self, parent_id: str = "") -> Run:
        code, out, err = self._process.wait()
        server = self.server
        run = Run(
            self.folder, code, out, err, server.spans(), server.metrics(), server.logs(), junit_counts(self._junit)
        )
        run.check(parent_id, may_be_off=self._may_be_off)
        return run


class Runner:
    """Runs pytest in a folder of its own. The files of an earlier run stay, what they are named after not."""

    def __init__(self, base: Path) -> None:
        self.folder = base / "suite"
        self._base = base
        self._runs = 0

    def __call__(
        self,
        files: str | Mapping[str, str],
        *args: str,
        env: Mapping[str, str | None] | None = None,
        ini: str = "",
        parent_id: str = "",
        option: bool = True,
        junit: bool = True,
        toml: str = "",
        typed: str = "",
    ) -> Run:
        """Runs to the end with `--otel-endpoint` at a server; checks the run.

        `option`: give that option. Without it, `{endpoint}` in the environment and the ini file stands for the server.
        `typed`: on the keyboard.
        `junit`: compare with the JUnit XML too. `toml`: a `pyproject.toml`, which needs `-c pyproject.toml` to count.
        """
        with self.live(files, *args, env=env, ini=ini, option=option, junit=junit, toml=toml, typed=typed) as live:
            return live.finish(parent_id)

    @contextmanager
    def live(
        self,
        files: str | Mapping[str, str],
        *args: str,
        env: Mapping[str, str | None] | None = None,
        ini: str = "",
        option: bool = True,
        junit: bool = True,
        toml: str = "",
        typed: str = "",
    ) -> Iterator[Live]:
        """Starts a run; the block waits for what it expects, and finishes it."""
        with OtlpServer() as server:
            self._write(files, ini.replace("{endpoint}", server.endpoint))
            if toml:
                text = textwrap.dedent(toml).replace("{endpoint}", server.endpoint)
                (self.folder / "pyproject.toml").write_text(text, "utf-8")
            given = {name: text and text.replace("{endpoint}", server.endpoint) for name, text in (env or {}).items()}
            process = self._start(
                [f"--otel-endpoint={server.endpoint}", *args] if option else args, given, junit=junit, typed=typed
            )
            try:
                yield Live(server, self.folder, process, self._junit, not option)
            finally:
                process.kill()

    def without(
        self,
        files: str | Mapping[str, str],
        *args: str,
        env: Mapping[str, str | None] | None = None,
        ini: str = "",
        timeout: float = TIMEOUT,
        typed: str = "",
    ) -> Run:
        """The same run without anything that turns the plugin on."""
        self._write(files, ini)
        process = self._start(args, env, typed=typed)
        code, out, err = process.wait(timeout)
        return Run(self.folder, code, out, err, junit=junit_counts(self._junit), seconds=process.seconds)

    def _write(self, files: str | Mapping[str, str], ini: str) -> None:
        self.folder.mkdir(exist_ok=True)
        named = {"test_it.py": files} if isinstance(files, str) else files
        # Bytecode too: of a file of the same size and second as one before, Python would run the old.
        for old in [*self.folder.rglob("*.py"), *self.folder.rglob("*.pyc")]:
            old.unlink()
        for name, text in {**named, "pytest.ini": f"[pytest]\n{textwrap.dedent(ini)}"}.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), "utf-8", "surrogatepass")

    @property
    def _junit(self) -> Path:
        return self._base / "junit.xml"

    def _start(
        self, args: Sequence[str], env: Mapping[str, str | None] | None, *, junit: bool = True, typed: str = ""
    ) -> PytestProcess:
        self._runs += 1
        self._junit.unlink(missing_ok=True)
        written = [f"--junitxml={self._junit}"] if junit else []
        command = [sys.executable, "-m", "pytest", *written, *args]
        output = self._base / f"run{self._runs}"
        return PytestProcess(command, self.folder, self._environment(env or {}), output, typed)

    def _environment(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        fixed: dict[str, str | None] = {
            "PYTEST_ADDOPTS": environment.ADDOPTS,
            "PY_COLORS": "0",
            "COLUMNS": "100",
            # Without the bytecode of plugins, some runs take seconds longer.
            "PYTHONDONTWRITEBYTECODE": None,
            "PYTEST_DEBUG_TEMPROOT": str(self._base),
            # The inner run knows that it is one, as it would by itself.
            "PYTEST_CURRENT_TEST": os.environ.get("PYTEST_CURRENT_TEST", "outer"),
        }
        # Not only the fixture's business: fixtures of a module run before it.
        kept = {name: value for name, value in os.environ.items() if not environment.is_telltale(name)}
        given = {**kept, **fixed, **changes}
        return {name: value for name, value in given.items() if value is not None}


def junit_counts(path: Path) -> Mapping[str, int] | None:
    if not path.exists():
        return None
    with path.open("rb") as file:
        return _read_junit(file)


def _read_junit(file: IO[bytes]) -> Mapping[str, int]:
    suite = ET.parse(file).find("testsuite")
    assert suite is not None
    return {name: int(suite.attrib[name]) for name in ("failures", "errors", "skipped")}
