"""Runs the suites: one pytest process at a time, the peers taking turns."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers import ALONE, OURS, Peer
from benchmarks.suites import Suite, write
from benchmarks.venvs import ROOT, SERVER, Environments

LIMIT_S = 300
MEASURE = Path(__file__).with_name("measure.py")


@dataclass(frozen=True)
class Sample:
    """One run. Times in s, sizes in bytes; `delays` are from a test's end to the arrival of its last span, in s."""

    suite: str
    peer: str
    turn: int
    """Runs of the same turn were neighbours in time."""
    wall: float
    cpu: float
    start: float
    loop: float
    end: float
    sent: int = 0
    packed: int = 0
    """`sent`, with gzip for what was sent plain."""
    paths: dict[str, dict[str, int]] = field(default_factory=dict)
    spans: int = 0
    repeated: int = 0
    traces: int = 0
    complete: int = 0
    """Tests of which every span arrived."""
    spans_of_tests: int = 0
    left_behind: int = 0
    delays: tuple[float, ...] = ()
    fault: str = ""
    """What was wrong with the run; its figures are then not used."""


class Server:
    """The counting server's process."""

    def __init__(self, python: Path) -> None:
        """Start it; `endpoint` is its address."""
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.sink"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.endpoint = f"http://127.0.0.1:{self._read()}"

    def _read(self) -> Any:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            message = "the counting server has died"
            raise RuntimeError(message)
        return json.loads(line)

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command; its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        reply: dict[str, Any] = self._read()
        return reply

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)


class Bench:
    """Everything a run needs: environments, server, suites in a scratch directory."""

    def __init__(self, environments: Environments, server: Server, scratch: Path) -> None:
        """The scratch directory is the caller's to remove."""
        self.environments = environments
        self.server = server
        self.scratch = scratch

    def folder(self, suite: Suite) -> Path:
        """Where the suite is; written at the first call."""
        folder = self.scratch / suite.name
        if not folder.exists():
            write(suite, folder)
        return folder

    def environment(self, peer: Peer, suite: Suite) -> dict[str, str]:
        """The run's whole environment: nothing of the caller's CI, OpenTelemetry or Python settings is in it."""
        home = self.scratch / "home"
        home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
        own = {"HOME": str(home), "TMPDIR": str(self.scratch), "BENCH_STAMPS": str(self.scratch / "stamps")}
        return kept | own | ({name: self.filled(value) for name, value in peer.env} if suite.on else {})

    def filled(self, text: str) -> str:
        """`text` with the places of the endpoint and of the scratch directory filled in."""
        return text.format(endpoint=self.server.endpoint, scratch=self.scratch)

    def command(self, peer: Peer, suite: Suite) -> list[str]:
        """The pytest command line."""
        on = suite.on or "blocked" in peer.name
        args = [self.filled(arg) for arg in peer.args] if on else []
        return [str(self.environments.python(peer)), "-m", "pytest", "-q", *suite.args, *args]

    def spawn(self, command: list[str], env: dict[str, str], folder: Path) -> tuple[dict[str, Any], str]:
        """Run under measure.py; its facts and what pytest printed."""
        result, printed = self.scratch / "result.json", self.scratch / "printed"
        with printed.open("w", encoding="utf-8") as output:
            subprocess.run(
                [sys.executable, "-I", "-S", str(MEASURE), str(result), str(LIMIT_S), *command],
                cwd=folder,
                env=env,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=2 * LIMIT_S,
            )
        return json.loads(result.read_text(encoding="utf-8")), printed.read_text(encoding="utf-8", errors="replace")

    def warm(self, peer: Peer, suite: Suite) -> None:
        """Collect once, so that no measured run compiles a module."""
        self.spawn([*self.command(peer, suite), "--collect-only"], self.environment(peer, suite), self.folder(suite))

    def measure(self, peer: Peer, suite: Suite, turn: int) -> Sample:
        """One run, and what arrived of it."""
        stamps = self.scratch / "stamps"
        stamps.unlink(missing_ok=True)
        self.server.ask("reset")
        facts, printed = self.spawn(self.command(peer, suite), self.environment(peer, suite), self.folder(suite))
        arrived = self.server.ask("count")
        return sample(peer, suite, turn, facts, printed, read_stamps(stamps), arrived)


@dataclass
class Stamps:
    """What the suite's conftest wrote: the test loop's start and end (monotonic, ns), each call's end (epoch, ns)."""

    loop: tuple[int, int] = (0, 0)
    ends: dict[str, int] = field(default_factory=dict)


def read_stamps(path: Path) -> Stamps:
    """The stamps of one run; empty ones where pytest did not get that far."""
    stamps = Stamps()
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        kind, first, second = line.split()
        if kind == "loop":
            stamps.loop = int(first), int(second)
        else:
            stamps.ends[first] = int(second)
    return stamps


def sample(
    peer: Peer, suite: Suite, turn: int, facts: dict[str, Any], printed: str, stamps: Stamps, arrived: dict[str, Any]
) -> Sample:
    """The figures of a run."""
    tests: dict[str, list[int]] = arrived["tests"]
    whole = peer.spans + peer.fixture_spans * suite.fixtures
    paths: dict[str, dict[str, int]] = arrived["paths"]
    loop_start, loop_end = stamps.loop
    return Sample(
        suite=suite.name,
        peer=peer.name,
        turn=turn,
        wall=(facts["ended"] - facts["started"]) / 1e9,
        cpu=facts["cpu"],
        start=(loop_start - facts["started"]) / 1e9,
        loop=(loop_end - loop_start) / 1e9,
        end=(facts["ended"] - loop_end) / 1e9,
        sent=sum(path["sent"] for path in paths.values()),
        packed=sum(path["gzip"] for path in paths.values()),
        paths=paths,
        spans=arrived["spans"],
        repeated=arrived["repeated"],
        traces=arrived["traces"],
        complete=sum(number >= whole for number, _ in tests.values()),
        spans_of_tests=sum(number for number, _ in tests.values()),
        left_behind=facts["left_behind"],
        delays=tuple((tests[name][1] - end) / 1e9 for name, end in stamps.ends.items() if name in tests),
        fault=fault(suite, facts["exit_code"], printed),
    )


def fault(suite: Suite, exit_code: int, printed: str) -> str:
    """What is wrong with a run that did not end as pytest alone would, else "" ."""
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?)\b", printed)}
    wanted = {"failed": suite.failing, "passed": suite.tests - suite.failing}
    if exit_code != (1 if suite.failing else 0) or counts != {word: n for word, n in wanted.items() if n}:
        return f"exit code {exit_code}, {counts}: {printed[-400:]}"
    return ""


def turns(peers: Sequence[Peer], suite: Suite, rounds: int) -> Iterator[tuple[int, Peer]]:
    """Who runs when: each peer once a turn, a different one first each time; then the suite's pairs."""
    pair = [peer for peer in peers if peer.name in (ALONE.name, OURS.name)]
    whole = rounds * suite.repeats
    for turn in range(whole + rounds * suite.pairs):
        taking_part = peers if turn < whole else pair
        shift = turn % len(taking_part)
        for peer in (*taking_part[shift:], *taking_part[:shift]):
            yield turn, peer


def takes_part(peer: Peer, suite: Suite, asked: bool) -> bool:
    """Whether the peer runs in the suite; those asked for by name run in all that have a meaning for them."""
    if not suite.on and not peer.installed:
        return False
    return asked or not suite.peers or peer.name in suite.peers


@contextmanager
def bench(environments: Environments) -> Iterator[Bench]:
    """A bench with its server and its scratch directory."""
    server = Server(environments.python(SERVER))
    try:
        with tempfile.TemporaryDirectory(prefix="pytest-otlp-bench-", ignore_cleanup_errors=True) as scratch:
            yield Bench(environments, server, Path(scratch))
    finally:
        server.stop()


def run_suite(bench: Bench, suite: Suite, peers: Sequence[Peer], rounds: int) -> list[Sample]:
    """Every sample of a suite; one line on standard error for each."""
    for peer in peers:
        bench.warm(peer, suite)
    samples = []
    for turn, peer in turns(peers, suite, rounds):
        taken = bench.measure(peer, suite, turn)
        samples.append(taken)
        print(line(taken), file=sys.stderr, flush=True)
    return samples


def line(taken: Sample) -> str:
    """A sample in one line."""
    text = f"{taken.suite:9}{taken.turn:3}  {taken.peer:22}{taken.wall:8.3f} s wall{taken.cpu:8.3f} s CPU"
    return f"{text}{taken.spans:7} spans{taken.complete:6} tests complete  {taken.fault}"
