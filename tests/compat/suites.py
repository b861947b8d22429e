"""`make compat`: suites that other people wrote, each run without and with the plugin.

Compared are the exit code, the outcome of each test, their order and pytest's summary; then the trace is held against
the summary and against the rules of every trace. The suites come from the package index, pinned by suites.txt; what
they need stands in an environment of its own, with the versions that everyone here develops with. With names of
suites, only these are run. Exit status 0 only if all of them hold.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from compat.beside import cases_in  # noqa: E402  found only now
from support import environment  # noqa: E402
from support.otlp_server import OtlpServer  # noqa: E402
from support.runs import PytestProcess, Run, junit_counts  # noqa: E402

PINS = Path(__file__).with_name("suites.txt")
LOCK = ROOT / "requirements" / "dev.lock"
NEEDS = ("pytest", "pytest-asyncio", "hypothesis", "pretend", "tomli", "tomli-w")
LONGEST = 900.0
"""s that a run may take; a bound for what hangs."""
MOST = 2000
"""Characters that are shown of what differs."""


class Suite(NamedTuple):
    """One of them."""

    name: str
    why: str
    args: tuple[str, ...]
    path: str = "."
    """Where its modules are, in its folder."""


SUITES = (
    Suite("aiofiles", "async", (), "src"),
    Suite("more-itertools", "unittest, with 20,000 subtests", ("-p", "no:asyncio", "tests")),
    Suite(
        "packaging",
        "more than 3,000 tests, so one trace a file",
        ("-p", "no:asyncio", "tests/test_markers.py", "tests/test_tags.py", "tests/test_requirements.py"),
        "src",
    ),
)


class Outcome(NamedTuple):
    """What a run says of itself, with the plugin or without."""

    exit_code: int
    cases: list[tuple[str, ...]]
    """In the order in which the JUnit XML has them: class, name, and kinds of results."""
    summary: Counter[str] | None


def made(folder: Path) -> Path:
    """The interpreter of the environment, which is made anew where what it is made of changed; with today's plugin."""
    python, stamp = folder / ("Scripts" if os.name == "nt" else "bin") / "python", folder / "stamp"
    wanted = hashlib.sha256(LOCK.read_bytes() + repr((sys.version, NEEDS)).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        _pip(python, "install", "-c", str(LOCK), *NEEDS, str(ROOT))
        stamp.write_text(wanted, "utf-8")
    _pip(python, "install", "--no-deps", "--force-reinstall", str(ROOT))
    return python


def downloaded(python: Path, folder: Path, suite: Suite) -> Path:
    """The suite's source distribution, with the hash that is pinned."""
    (pin,) = (line for line in PINS.read_text("utf-8").splitlines() if line.startswith(f"{suite.name}=="))
    version, _, digest = pin.removeprefix(f"{suite.name}==").partition(" --hash=sha256:")
    source = folder / f"{suite.name.replace('-', '_')}-{version}.tar.gz"
    if not source.exists() or hashlib.sha256(source.read_bytes()).hexdigest() != digest:
        with TemporaryDirectory() as pins:
            only = Path(pins, "pin.txt")
            only.write_text(pin, "utf-8")
            wanted = ("--no-deps", "--no-binary", suite.name, "--require-hashes", "-r", str(only))
            _pip(python, "download", *wanted, "-d", str(folder))
    return source


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=LONGEST)


def run(suite: Suite, python: Path, source: Path, base: Path, *, watched: bool) -> Run:
    """One run in a folder of its own; not `watched`: without the plugin."""
    base.mkdir()
    with tarfile.open(source) as archive:
        archive.extractall(base, filter="data")
    (folder,) = base.iterdir()
    junit = base / "junit.xml"
    given = {name: value for name, value in os.environ.items() if not environment.is_telltale(name)}
    given |= {"PYTHONPATH": str(folder / suite.path), "PY_COLORS": "0", "PYTEST_DEBUG_TEMPROOT": str(base)}
    command = [str(python), "-m", "pytest", f"--junitxml={junit}", *suite.args]
    with OtlpServer() as server:
        sent_to = [f"--otel-endpoint={server.endpoint}", "-o", "otel_exit_timeout=60"] if watched else []
        process = PytestProcess([*command, *sent_to], folder, given, base / "run", typed="")
        code, out, err = process.wait(LONGEST)
        spans = server.spans()
    return Run(folder, code, out, err, spans, junit=junit_counts(junit), seconds=process.seconds)


def outcome_of(run: Run) -> Outcome:
    cases = cases_in(run.folder.parent / "junit.xml")
    kinds = [(*case[:2], *(result.partition(":")[0] for result in case[2:])) for case in cases]
    return Outcome(run.exit_code, kinds, run.summary)


def held(suite: Suite, python: Path, source: Path) -> str:
    """What was seen, in one line.

    Raises:
        AssertionError: the runs differ, or the trace is wrong.
    """
    with TemporaryDirectory() as folder:
        without = run(suite, python, source, Path(folder, "without"), watched=False)
        with_it = run(suite, python, source, Path(folder, "with"), watched=True)
        expected, found = outcome_of(without), outcome_of(with_it)
        for name, value in expected._asdict().items():
            other = getattr(found, name)
            assert value == other, f"{name}: without {str(value)[:MOST]}, with {str(other)[:MOST]}"
        assert found.cases, without.stdout[-MOST:] + without.stderr[-MOST:]
        with_it.check()
        assert with_it.our_delivery, with_it.our_lines
    counts = ", ".join(f"{number} {word}" for word, number in (found.summary or {}).items())
    traces = len({span.trace_id for span in with_it.spans})
    return f"{counts}: {len(with_it.spans)} spans in {traces} trace{'s' if traces > 1 else ''}"


def main(names: Sequence[str]) -> int:
    folder = ROOT / ".venvs"
    python = made(folder / "compat")
    wrong = 0
    for suite in SUITES:
        if names and suite.name not in names:
            continue
        source = downloaded(python, folder / "compat", suite)
        try:
            told = held(suite, python, source)
        except AssertionError as error:
            wrong += 1
            told = f"WRONG: {error}"
        print(f"{source.name.removesuffix('.tar.gz')} ({suite.why}): {told}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *(suite.name for suite in SUITES)], metavar="SUITE")
    sys.exit(main(parser.parse_args().names))
