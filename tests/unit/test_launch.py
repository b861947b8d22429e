"""The exporter as a process of its own, and a real endpoint."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pytest_otlp import events
from pytest_otlp.events import SessionFinished
from pytest_otlp.journal import Journal
from pytest_otlp.launch import Counts, ExporterError, ExporterProcess, Result
from pytest_otlp.presence import process_lives
from support.deadline import wait_until
from support.exporters import exporter_at
from support.model import a_session, a_test
from support.otlp_server import SILENT, OtlpServer, Reply, always, only

HANGS = 60.0
IN_AN_HOUR = time.time_ns() + 3600 * 10**9
"""What began a while ago would have markers."""
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX systems")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "run.jsonl")
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    with OtlpServer() as running:
        yield running


def settings(journal: Journal, server: OtlpServer, **more: Any) -> dict[str, Any]:
    urls = {name: server.url(name) for name in ("traces", "metrics", "logs")}
    return {
        "journal": str(journal.path),
        "root": str(journal.path.parent),
        "endpoint": {"kind": server.protocol, "urls": urls, "path": ""},
        "traces": True,
        "metrics": False,
        "logs": False,
        "timeout": 10.0,
        "exceptions": "events",
        "exit_timeout": 20.0,
        **more,
    }


def tell(journal: Journal, *told: events.Event) -> None:
    for event in told:
        journal.append(events.encode(event))


def begin(journal: Journal) -> None:
    """A session, and a test that passed."""
    tell(journal, a_session(time=IN_AN_HOUR), *a_test(1, start=IN_AN_HOUR))


def end(journal: Journal) -> None:
    tell(journal, SessionFinished(IN_AN_HOUR + 10**9, 0, 0, None, 0))
    journal.close()


def following(settings: Mapping[str, Any]) -> ExporterProcess:
    exporter = ExporterProcess(echo=False)
    exporter.follow(settings)
    return exporter


def process_of(exporter: ExporterProcess) -> subprocess.Popen[bytes]:
    assert exporter._process is not None
    return exporter._process


def pid_of(exporter: ExporterProcess, journal: Journal) -> int:
    """Of the process that does the work."""
    return exporter_at(journal.path.parent) if sys.platform == "linux" else process_of(exporter).pid


def left_in(journal: Journal) -> list[str]:
    return sorted(path.name for path in journal.path.parent.iterdir())


def test_a_run(journal: Journal, server: OtlpServer) -> None:
    exporter = following(settings(journal, server))
    begin(journal)
    server.wait_for(lambda s: len(s.spans()) == 4, HANGS)
    end(journal)
    assert exporter.finish(20) == Result(1, Counts(5, 5, 0, 0), "", ())
    assert len(server.spans()) == 5
    assert left_in(journal) == []


def test_metrics_and_logs(journal: Journal, server: OtlpServer) -> None:
    exporter = following(settings(journal, server, metrics=True, logs=True))
    begin(journal)
    end(journal)
    assert exporter.finish(20) == Result(1, Counts(5, 5, 0, 0), "", ())
    assert {"test.case.result.count", "test.suite.run.duration"} <= {metric.name for metric in server.metrics()}
    assert [record.event_name for record in server.logs()][-1] == "test.suite.run.finished"


def test_an_endpoint_for_traces_only(journal: Journal) -> None:
    with OtlpServer(behaviour=only("traces")) as server:
        exporter = following(settings(journal, server, metrics=True))
        begin(journal)
        end(journal)
        result = exporter.finish(20)
    assert result is not None
    assert (result.spans, result.problem) == (Counts(5, 5, 0, 0), "")
    (notice,) = result.notices
    assert notice.startswith("metrics not taken: answered 404")


def test_refused(journal: Journal) -> None:
    with OtlpServer(behaviour=always(Reply(401))) as server:
        exporter = following(settings(journal, server))
        begin(journal)
        end(journal)
        assert exporter.finish(20) == Result(1, Counts(5, 0, 0, 5), "answered 401 Unauthorized", ())
    assert left_in(journal) == ["run.jsonl", "run.sent"]


def test_silent(journal: Journal) -> None:
    with OtlpServer(behaviour=always(SILENT)) as server:
        exporter = following(settings(journal, server, exit_timeout=1.0))
        begin(journal)
        end(journal)
        result = exporter.finish(20)
    assert result is not None
    assert result.spans == Counts(5, 0, 0, 5)
    assert result.problem.startswith("no answer")
    assert left_in(journal) == ["run.jsonl", "run.sent"]


@on_posix
def test_killed(journal: Journal, server: OtlpServer) -> None:
    exporter = following(settings(journal, server))
    begin(journal)
    server.wait_for(lambda s: s.spans(), HANGS)
    os.kill(pid_of(exporter, journal), signal.SIGKILL)
    end(journal)
    with pytest.raises(ExporterError, match=r"^the exporter left no word$"):
        exporter.finish(20)
    assert left_in(journal) == ["run.jsonl", "run.sent"]


def test_no_word_in_time(journal: Journal, monkeypatch: pytest.MonkeyPatch, server: OtlpServer) -> None:
    """It is left to itself, without a warning of a process or a pipe that nobody waited for."""
    monkeypatch.setattr("pytest_otlp.launch._GRACE", 0.0)
    exporter = following(settings(journal, server))
    pid = pid_of(exporter, journal)
    with pytest.raises(ExporterError, match=r"^the exporter left no word$"):
        exporter.finish(0.0)
    del exporter
    wait_for_end_of(pid)


def test_that_cannot_be_started(journal: Journal, monkeypatch: pytest.MonkeyPatch, server: OtlpServer) -> None:
    monkeypatch.setattr(sys, "executable", str(journal.path.parent / "missing"))
    exporter = following(settings(journal, server))
    with pytest.raises(ExporterError, match=r"^the exporter could not be started \(No such file"):
        exporter.finish(20)


def test_ctrl_c_does_not_reach_it_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """There it would end with pytest, and tell nothing of how the run was interrupted."""
    asked: dict[str, Any] = {}

    def popen(_command: object, **more: Any) -> None:
        asked.update(more)
        raise OSError("not here")

    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200, raising=False)
    monkeypatch.setattr(subprocess, "Popen", popen)
    ExporterProcess(echo=False)
    assert asked["creationflags"] == 0x200


@on_posix
@pytest.mark.parametrize("program", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\nread line\necho 'no JSON'\n"])
def test_that_is_no_exporter(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, server: OtlpServer, program: str
) -> None:
    """A broken installation, an interpreter that is none."""
    path = journal.path.parent / "python"
    path.write_text(program)
    path.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(path))
    exporter = following(settings(journal, server))
    with pytest.raises(ExporterError, match=r"left no word|could not be started \(Broken pipe\)"):
        exporter.finish(20)


def test_that_is_told_nothing_ends_without_a_word() -> None:
    """Where the run ends before it has begun."""
    exporter = ExporterProcess(echo=False)
    process = process_of(exporter)
    telling, _ = exporter._pipes
    telling.close()
    assert process.stdout is not None
    assert process.stdout.read() == b""
    assert process.wait(HANGS) == 0
    exporter.abandon()


def wait_for_end_of(pid: int) -> None:
    """Of any process; one that is a child of this one has nobody else who waits for it."""
    wait_until(lambda: has_ended(pid), "the process has ended", HANGS)


def has_ended(pid: int) -> bool:
    with suppress(ChildProcessError):
        if os.name == "posix":
            return os.waitpid(pid, os.WNOHANG) != (0, 0)
    return not process_lives(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a child")
def test_it_is_no_child_of_the_process_that_runs_the_tests(journal: Journal, server: OtlpServer) -> None:
    """A test may wait for all of its children, count them or kill them."""
    code = """if True:
        import json, os, sys
        from pytest_otlp.launch import ExporterProcess
        exporter = ExporterProcess(echo=False)
        exporter.follow(json.loads(sys.argv[1]))
        exporter.let_go()
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("none")
        sys.stdin.readline()
        print(exporter.finish(20).spans.delivered)
    """
    given = json.dumps(settings(journal, server))
    run = subprocess.Popen(
        [sys.executable, "-c", code, given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    begin(journal)
    end(journal)
    told, _ = run.communicate("\n", timeout=HANGS)
    assert told.split() == ["none", "5"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it always is one")
def test_it_stays_a_child_where_it_could_not_see_the_end_of_one(
    journal: Journal, server: OtlpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 5.3, and in sandboxes."""

    def missing(_pid: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    exporter = following(settings(journal, server))
    assert pid_of(exporter, journal) == process_of(exporter).pid
    begin(journal)
    end(journal)
    assert exporter.finish(20) == Result(1, Counts(5, 5, 0, 0), "", ())


# Around it

DIES = """
import json, os, signal, sys, time
from pathlib import Path
from pytest_otlp.journal import Journal
from pytest_otlp.launch import ExporterProcess
given = json.loads(sys.stdin.readline())
journal = Journal(Path(given["settings"]["journal"]))
exporter = ExporterProcess(echo=False)
exporter.follow(given["settings"])
for line in given["lines"]:
    journal.append(line)
print("ready", flush=True)
sys.stdin.readline()
"""


class Dying:
    """A process that starts an exporter, writes lines, and ends as `code` says when it is told to go on."""

    def __init__(self, code: str, given: Mapping[str, Any]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DIES + code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(given) + "\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def go_on(self) -> int:
        self.process.communicate("\n", timeout=HANGS)
        return self.process.returncode


@pytest.fixture
def dying(tmp_path: Path, server: OtlpServer) -> Iterator[Callable[[str], Dying]]:
    started: list[Dying] = []

    def start(code: str) -> Dying:
        journal = Journal(tmp_path / "run.jsonl")
        journal.close()
        journal.path.unlink()
        running = events.TestStarted(2, "test_it.py::test_2", IN_AN_HOUR)
        told = [a_session(time=IN_AN_HOUR), *a_test(1, start=IN_AN_HOUR), running]
        given = {"settings": settings(journal, server), "lines": [events.encode(event) for event in told]}
        started.append(Dying(code, given))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        for pipe in (each.process.stdin, each.process.stdout):
            assert pipe is not None
            pipe.close()


@on_posix
@pytest.mark.parametrize(
    "code",
    [
        "os._exit(7)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.killpg(0, signal.SIGTERM)",
        "os.killpg(0, signal.SIGINT)",
    ],
    ids=["exit", "kill", "terminate", "interrupt"],
)
def test_the_process_dies(dying: Callable[[str], Dying], server: OtlpServer, code: str) -> None:
    """What was written is delivered, by an exporter that signals to the group of the process do not reach."""
    process = dying(code)
    server.wait_for(lambda s: len(s.spans()) == 4, HANGS)
    assert process.go_on() != 0
    server.wait_for(lambda s: len(s.spans()) == 6, HANGS)
    outcomes = {span.name: span.attributes.get("pytest.outcome") for span in server.spans()}
    assert outcomes["test_it.py::test_2"] == "interrupted"
    roots = [span for span in server.spans() if not span.parent_id]
    assert [span.attributes["test.suite.run.status"] for span in roots] == ["aborted"]


@on_posix
def test_the_process_dies_and_a_child_of_it_goes_on(dying: Callable[[str], Dying], server: OtlpServer) -> None:
    """It has inherited the other end of our standard input."""
    process = dying("if not os.fork():\n    time.sleep(600)\nos._exit(7)")
    server.wait_for(lambda s: len(s.spans()) == 4, HANGS)
    group = os.getpgid(process.process.pid)
    assert process.process.stdin is not None
    process.process.stdin.close()
    try:
        server.wait_for(lambda s: len(s.spans()) == 6, HANGS)
    finally:
        os.killpg(group, signal.SIGKILL)


@on_posix
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads /proc")
def test_nothing_of_the_settings_shows_in_the_process_list(journal: Journal, server: OtlpServer) -> None:
    secret = settings(journal, server, root="/very-secret")
    exporter = following(secret)
    command = Path(f"/proc/{pid_of(exporter, journal)}/cmdline").read_bytes()
    end(journal)
    exporter.finish(20)
    assert b"secret" not in command
    assert str(server.port).encode() not in command


def test_nothing_of_the_tested_project_runs_in_it(
    journal: Journal, server: OtlpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules that stand in its folder, on the path or in PYTHONPATH could break it, or be run twice."""
    folder = journal.path.parent / "project"
    folder.mkdir()
    trace = folder / "trace"
    for name in ("json", "threading", "sitecustomize", "usercustomize", "opentelemetry", "random"):
        (folder / f"{name}.py").write_text(f"open({str(trace)!r}, 'a').write({name!r})")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONSTARTUP", str(folder / "json.py"))
    monkeypatch.syspath_prepend(str(folder))
    exporter = following(settings(journal, server))
    begin(journal)
    end(journal)
    assert exporter.finish(20) == Result(1, Counts(5, 5, 0, 0), "", ())
    assert not trace.exists()
