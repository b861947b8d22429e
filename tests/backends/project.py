"""A user's project, and real pytest runs in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.environment import ADDOPTS, is_telltale


def clean_environment() -> dict[str, str]:
    """As each test has it; a fixture of the session has not."""
    kept = {name: value for name, value in os.environ.items() if not is_telltale(name)}
    return {**kept, "PYTEST_ADDOPTS": ADDOPTS}


@dataclass(frozen=True)
class Run:
    """A finished pytest."""

    exit_code: int
    output: str

    @property
    def counts(self) -> dict[str, int]:
        """As pytest's last line has them, by the names that `pytest.outcome` uses."""
        counts = pytest.RunResult.parse_summary_nouns(self.output.splitlines())
        names = {"errors": "error"}
        return {names.get(name, name): count for name, count in counts.items() if name != "warnings"}

    def notices_of(self, signal: str) -> list[str]:
        """The plugin's lines that name a signal."""
        return [line for line in self.output.splitlines() if line.startswith("otlp: ") and signal in line]


@dataclass(frozen=True)
class Project:
    folder: Path
    service: str
    """Unique, so that a backend shared by the tests shows its runs alone."""

    def write(self, suite: str) -> None:
        # The ini file makes the folder the root of its runs. A busy machine is not what these tests are about.
        (self.folder / "pytest.ini").write_text("[pytest]\notel_exit_timeout = 60\n")
        (self.folder / "test_shop.py").write_text(suite)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", f"--otel-service-name={self.service}", *arguments],
            cwd=self.folder,
            env={**clean_environment(), "RELEASE": str(self.folder / "release"), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> Run:
        return finish(self.start(*arguments))

    @contextmanager
    def held(self, process: subprocess.Popen[str]) -> Iterator[Held]:
        """A run of a suite that waits for its release, which the end of the block is; it must not be over before."""
        held = Held()
        try:
            yield held
            assert process.poll() is None
        finally:
            (self.folder / "release").touch()
            held.run = finish(process)


@dataclass
class Held:
    """What became of a run that was held; once it is over."""

    run: Run = field(init=False)


def finish(process: subprocess.Popen[str]) -> Run:
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    return Run(process.returncode, output)
