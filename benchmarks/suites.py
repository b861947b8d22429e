"""The suites: what is run, and the files that are written for it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

TESTS_A_FILE = 100


@dataclass(frozen=True)
class Suite:
    """One table of the page. `repeats` is the number of runs a round: short runs are noisy, and cheap."""

    name: str
    title: str
    tests: int
    fixtures: int = 0
    """0 or 3, for each test."""
    failing_every: int = 0
    seconds: float = 0.0
    """What each test sleeps."""
    args: tuple[str, ...] = ()
    on: bool = True
    """False: the plugins are installed and not used."""
    repeats: int = 1
    pairs: int = 0
    """Further turns a round of which only pytest alone and pytest-otlp take part: where a ratio near 1 is to be held
    against a limit, a few runs of 10 % noise do not tell."""
    peers: tuple[str, ...] = ()
    """Names, where not all peers are to run."""

    @property
    def failing(self) -> int:
        """Number of tests that fail."""
        return -(-self.tests // self.failing_every) if self.failing_every else 0


_SCALE_PEERS = ("pytest alone", "pytest-otlp")

SUITES = (
    Suite("empty", "5,000 empty tests", 5000, pairs=4),
    Suite("fixtures", "2,000 tests, 3 fixtures each, 5 % failing", 2000, fixtures=3, failing_every=20, pairs=10),
    Suite("xdist", "5,000 empty tests under `-n 2`", 5000, args=("-n", "2"), pairs=8),
    Suite("off", "1 test, plugin installed and not used", 1, on=False, repeats=10, pairs=60),
    Suite("one", "1 test", 1, repeats=10),
    Suite("latency", "30 tests of 0.2 s", 30, seconds=0.2),
    Suite("small", "500 empty tests", 500, repeats=20, peers=_SCALE_PEERS),
    Suite("large", "20,000 empty tests", 20000, repeats=4, peers=_SCALE_PEERS),
)

CONFTEST = """\
import os
import time

import pytest

STAMPS = None if "PYTEST_XDIST_WORKER" in os.environ else os.environ.get("BENCH_STAMPS")


def stamp(*words):
    if STAMPS:
        with open(STAMPS, "a", encoding="utf-8") as file:
            print(*words, file=file)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop():
    started = time.monotonic_ns()
    try:
        return (yield)
    finally:
        stamp("loop", started, time.monotonic_ns())
"""

CALL_END = """

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    finally:
        stamp("end", item.name, time.time_ns())
"""

FIXTURES = """

@pytest.fixture
def one():
    return 1


@pytest.fixture
def two(one):
    yield one + 1


@pytest.fixture
def three(two):
    yield two + 1
"""


def shrunk(suite: Suite) -> Suite:
    """A tenth of the suite, for a look at whether everything runs."""
    tests = max(1, suite.tests // 10)
    title = suite.title if tests == suite.tests else f"{suite.title}: the first {tests}"
    return replace(suite, title=title, tests=tests, repeats=1, pairs=min(1, suite.pairs))


def test_name(number: int) -> str:
    """Name of the function; the server finds a test's spans by it."""
    return f"test_{number:05d}"


def source(suite: Suite, numbers: range) -> str:
    """One test file."""
    lines = ["import time\n\n"] if suite.seconds else []
    for number in numbers:
        lines.append(f"def {test_name(number)}({'one, two, three' if suite.fixtures else ''}):")
        lines.append(f"    {body(suite, number)}\n\n")
    return "\n".join(lines)


def body(suite: Suite, number: int) -> str:
    """The statement of one test."""
    if suite.failing_every and number % suite.failing_every == 0:
        return "assert three == 4" if suite.fixtures else "assert False"
    if suite.seconds:
        return f"time.sleep({suite.seconds})"
    return "assert three == 3" if suite.fixtures else "pass"


def write(suite: Suite, folder: Path) -> None:
    """Write the suite as a project of its own: a git work tree with one commit, as most projects are one."""
    (folder / "tests").mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n", encoding="utf-8")
    (folder / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n", encoding="utf-8")
    conftest = CONFTEST + CALL_END * bool(suite.seconds) + FIXTURES * bool(suite.fixtures)
    (folder / "conftest.py").write_text(conftest, encoding="utf-8")
    for index, first in enumerate(range(0, suite.tests, TESTS_A_FILE)):
        numbers = range(first, min(first + TESTS_A_FILE, suite.tests))
        (folder / "tests" / f"test_file_{index:03d}.py").write_text(source(suite, numbers), encoding="utf-8")
    commit(folder)


def commit(folder: Path) -> None:
    """Put the files under version control; the remote's address is reserved never to resolve (RFC 2606)."""
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "-c", "commit.gpgsign=false"]
    for command in (
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", "https://git.invalid/bench/suite.git"],
        ["add", "."],
        [*identity, "commit", "-q", "-m", "Suite"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, timeout=60)
