"""A run under a fault, held against the same run without the plugin, and what `pytest-otlp replay` makes of the rest.

Every run goes through `Scene.ended`, which checks what holds under any fault: the exit code and the counts are those of
the run without the plugin, at most one line of ours follows pytest's summary, its counts add up, and what it calls
delivered is what the server took.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import pytest

from faults.table import Figures
from support import traces
from support.exporters import exporter_at
from support.otlp_server import OtlpServer, Request
from support.received import ReceivedSpan
from support.runs import PytestProcess, Run, Runner, journals_in

Protocol = Literal["http", "grpc"]
Suite = str | Mapping[str, str]
SOAKING = bool(os.environ.get("PYTEST_OTLP_SOAK"))
DEADLINE = 600.0 if SOAKING else 40.0
"""s after which a run counts as hung: an idle machine needs 1 to 7."""
REPLAY_DEADLINE = 60.0
SOAK = (
    pytest.mark.soak,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not SOAKING, reason="takes its time"),
)
_LINE = re.compile(
    r"^otlp: (?P<tests>\d+) tests?, (?:(?P<delivered>\d+) of )?(?P<produced>\d+) spans? delivered to "
    r"(?P<target>[^\s,;]+)(?:, (?P<rejected>\d+) rejected)?(?:, (?P<kept>\d+) kept)?"
)
_JOURNAL = re.compile(r"pytest-otlp replay (\S+?)(?:;|$)")


class Line(NamedTuple):
    """Our line after the summary."""

    text: str
    tests: int
    produced: int
    delivered: int
    rejected: int
    kept: int


@dataclass(frozen=True)
class Ended:
    """A run that is over; `run.spans` are those that the server took."""

    run: Run
    line: Line | None
    """None where there is none, or one without counts."""
    figures: Figures = field(default_factory=Figures)
    """For the table; `later` is added by a replay."""

    @property
    def text(self) -> str:
        """Our last line, whatever it says."""
        return self.run.our_lines[-1]

    @property
    def journals(self) -> list[Path]:
        return journals_in(self.run.folder)

    @property
    def journal(self) -> Path:
        """The journal that was kept, which our line names."""
        (journal,) = self.journals
        named = _JOURNAL.search(self.text)
        assert named, self.text
        assert self.run.folder / named[1] == journal
        return journal

    @property
    def counts(self) -> Line:
        assert self.line is not None, self.run.stdout
        return self.line


class Scene:
    """Runs pytest with and without the plugin."""

    def __init__(self, runner: Runner, baselines: dict[object, Run]) -> None:
        self.runner = runner
        self.figures: list[Figures] = []
        """Of each run that is over."""
        self._baselines = baselines

    def run(
        self,
        suite: Suite,
        server: OtlpServer | str,
        *args: str,
        protocol: Protocol = "http",
        env: Mapping[str, str] | None = None,
        ini: str = "",
        exit_timeout: float | None = None,
    ) -> Ended:
        """Runs to the end. `server`: or the endpoint's URL, of what will take nothing."""
        with self.live(suite, server, *args, protocol=protocol, env=env, ini=ini, exit_timeout=exit_timeout) as live:
            return live.ended(self.without(suite, *args, ini=ini))

    def without(self, suite: Suite, *args: str, ini: str = "") -> Run:
        """The same run without the plugin; once for all tests that ask for it."""
        key = (suite if isinstance(suite, str) else tuple(suite.items()), args, ini)
        if key not in self._baselines:
            self._baselines[key] = Runner(self.runner.folder.parent / "baseline").without(
                suite, *args, ini=ini, timeout=DEADLINE
            )
        return self._baselines[key]

    @contextmanager
    def live(
        self,
        suite: Suite,
        server: OtlpServer | str,
        *args: str,
        protocol: Protocol = "http",
        env: Mapping[str, str] | None = None,
        ini: str = "",
        exit_timeout: float | None = None,
    ) -> Iterator[Live]:
        endpoint = server if isinstance(server, str) else server.endpoint
        changes = dict(env or {})
        if exit_timeout is not None:
            changes["PYTEST_OTEL_EXIT_TIMEOUT"] = str(exit_timeout)
        self.runner._write(suite, ini)
        process = self.runner._start([f"--otel-endpoint={endpoint}", *_protocol(protocol), *args], changes)
        try:
            yield Live(self.runner, process, None if isinstance(server, str) else server, self.figures)
        finally:
            process.kill()


@dataclass(frozen=True)
class Live:
    """A run under way."""

    runner: Runner
    process: PytestProcess
    server: OtlpServer | None
    figures: list[Figures] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process._process.pid

    @property
    def folder(self) -> Path:
        return self.runner.folder

    def ended(self, without: Run | None, spans: Callable[[], list[ReceivedSpan]] | None = None) -> Ended:
        """Waits for the end and holds the run against the one without the plugin.

        `spans`: where they are not simply those that the server took.
        """
        code, out, err = self.process.wait(DEADLINE)
        taken = spans() if spans else self.server.spans() if self.server else []
        run = Run(self.folder, code, out, err, taken)
        ended = Ended(run, _line_in(out))
        self.figures.append(ended.figures)
        _note(ended, self.process.seconds - without.seconds if without else None)
        if without is not None:
            assert (code, run.summary) == (without.exit_code, without.summary), out
        assert not re.search("Exception ignored|ResourceWarning|Traceback", err), err
        _check_lines(ended)
        return ended


def _note(ended: Ended, added: float | None) -> None:
    if added is not None:
        ended.figures["added"] = round(added, 2)
    if ended.line is not None:
        _, _, produced, delivered, rejected, kept = ended.line
        figures: Figures = {"produced": produced, "delivered": delivered, "rejected": rejected, "kept": kept}
        ended.figures.update(figures)


def exporter_of(live: Live) -> int:
    """The process id of the run's exporter."""
    return exporter_at(live.folder)


def _check_lines(ended: Ended) -> None:
    after = re.split(r"^=+ .* in [\d.]+s.*=+$", ended.run.stdout, flags=re.MULTILINE)[-1]
    assert after.count("otlp:") <= 1, after
    # pytest itself says at the very end why it was left.
    assert all(line.startswith(("otlp:", "!")) for line in after.splitlines() if line.strip()), after
    line = ended.line
    if line is not None:
        assert line.produced == line.delivered + line.rejected + line.kept
        # Of a request that is taken in part, the server's spans here are all that were in it.
        assert line.delivered <= len(ended.run.spans) <= line.delivered + line.rejected
        assert bool(ended.journals) == bool(line.kept)


def _line_in(stdout: str) -> Line | None:
    found = [(line, match) for line in stdout.splitlines() if (match := _LINE.match(line))]
    if not found:
        return None
    ((text, match),) = found
    counts = {name: int(match[name] or 0) for name in ("tests", "produced", "rejected", "kept")}
    delivered = int(match["delivered"]) if match["delivered"] else counts["produced"]
    return Line(text, counts["tests"], counts["produced"], delivered, counts["rejected"], counts["kept"])


def _protocol(protocol: Protocol, flag: str = "--otel-protocol") -> list[str]:
    return [flag, "grpc" if protocol == "grpc" else "http/protobuf"]


class Replay(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def replay(journal: Path, endpoint: str, protocol: Protocol = "http", env: Mapping[str, str] | None = None) -> Replay:
    """Runs the command as a user does."""
    command = [sys.executable, "-m", "pytest_otlp.cli", "replay", str(journal), "--endpoint", endpoint]
    done = subprocess.run(
        [*command, *_protocol(protocol, "--protocol")],
        capture_output=True,
        encoding="utf-8",
        timeout=REPLAY_DEADLINE,
        check=False,
        env={**os.environ, **(env or {})},
    )
    return Replay(done.returncode, done.stdout, done.stderr)


def delivered_later(ended: Ended, protocol: Protocol = "http") -> Run:
    """Replays what was kept at a server that takes everything; the run with all of its spans, checked as any other."""
    journal, kept = ended.journal, ended.counts.kept
    with OtlpServer(protocol) as server:
        done = replay(journal, server.endpoint, protocol)
        later = server.spans()
    assert done.exit_code == 0, done
    ended.figures["later"] = len(later)
    assert f"{kept} spans delivered" in done.stdout
    assert len(later) == kept
    assert ended.journals == []
    assert [*journal.parent.iterdir()] == []
    return whole(ended, later)


def whole(ended: Ended, later: list[ReceivedSpan]) -> Run:
    """The run with what arrived in it and later: every span once, in one good trace."""
    run = replace(ended.run, spans=[*ended.run.spans, *later])
    check_trace(run)
    return run


def check_trace(run: Run) -> None:
    """As `Run.check` does, of a run of which something may have arrived later than our line says."""
    assert traces.problems(run.spans) == []
    run._check_root()
    run._check_counts()


def check_delivered(ended: Ended) -> Run:
    """All arrived, and our line has nothing to add."""
    line = ended.counts
    assert (line.delivered, line.kept) == (line.produced, 0), line.text
    assert ended.journals == []
    check_trace(ended.run)
    assert line.tests == len(ended.run.tests)
    return ended.run


def span_requests(server: OtlpServer) -> list[Request]:
    return [request for request in server.requests if request.signal == "traces"]


def sent_once(server: OtlpServer) -> bool:
    """Whether no span was sent a second time, taken or not."""
    ids = [span.span_id for request in server.requests for span in request.spans]
    return len(ids) == len(set(ids))


def free_port() -> int:
    """One on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def passing(number: int) -> str:
    """A file with so many tests."""
    return f"import pytest\n\n@pytest.mark.parametrize('n', range({number}))\ndef test_n(n):\n    pass\n"
