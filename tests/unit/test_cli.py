"""The command, on journals as runs leave them, and a real endpoint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_otlp import cli, events, journal
from pytest_otlp.events import SessionFinished
from pytest_otlp.exporter.exporter import BATCH
from pytest_otlp.exporter.progress import Progress
from support.model import TRACE_ID, a_session, a_test
from support.otlp_server import SILENT, OtlpServer, Reply, always, in_order, partial_success

Command = Callable[..., int]


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    with OtlpServer() as running:
        yield running


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, in which the command runs."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return folder


def leave(project: Path, name: str, tests: int = 1, *, end: bool = True) -> Path:
    """A journal that a run left in a project."""
    folder = project / ".pytest_cache" / "d" / journal.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    made = journal.create(name, project, folder)
    now = time.time_ns()
    told = [a_session(time=now), *(event for key in range(1, tests + 1) for event in a_test(key, start=now))]
    if end:
        told.append(SessionFinished(now + 10**9, 0, 0, None, 0))
    for event in told:
        made.append(events.encode(event))
    made.close()
    return made.path


def replay(server: OtlpServer, *args: str) -> int:
    return cli.main(["replay", f"--endpoint={server.endpoint}", *args])


def test_everything_that_is_kept(project: Path, server: OtlpServer, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = leave(project, "1"), leave(project, "2", tests=2)
    assert replay(server) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{first}: 5 spans delivered to 127.0.0.1:{server.port}",
        f"{second}: 9 spans delivered to 127.0.0.1:{server.port}",
    ]
    assert len({span.span_id for span in server.spans()}) == 14
    assert list(first.parent.iterdir()) == []


def test_what_is_kept_is_found_from_a_folder_within(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = leave(project, "1")
    (project / "docs" / "guide").mkdir(parents=True)
    monkeypatch.chdir(project / "docs" / "guide")
    assert cli.main(["replay", "--list"]) == 0
    assert capsys.readouterr().out.startswith(str(path))
    # Another project, in which pytest has run.
    (project / "docs" / ".pytest_cache").mkdir()
    cli.main(["replay", "--list"])
    assert capsys.readouterr().out.startswith("nothing is kept of the project in ")


def test_nothing_is_kept(server: OtlpServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(server) == 0
    assert replay(server, "--list") == 0
    line = f"nothing is kept of the project in {Path.cwd()}; where its cache_dir is another, name the journal\n"
    assert capsys.readouterr().out == line + line
    assert server.requests == []


def test_one_of_them(project: Path, server: OtlpServer) -> None:
    first, second = leave(project, "1"), leave(project, "2")
    assert replay(server, str(second)) == 0
    assert (first.exists(), second.exists()) == (True, False)


def test_only_what_is_not_settled(project: Path, server: OtlpServer, capsys: pytest.CaptureFixture[str]) -> None:
    path = leave(project, "1")
    progress = Progress(path)
    progress.begin({"service.name": "as it was"})
    progress.settle(0, 4)
    progress.close()
    assert replay(server) == 0
    assert capsys.readouterr().out == f"{path}: 1 span delivered to 127.0.0.1:{server.port}\n"
    (root,) = server.spans()
    assert root.attributes["test.suite.run.status"] == "success"
    assert root.resource["service.name"] == "as it was"
    assert list(path.parent.iterdir()) == []


def test_a_run_that_was_killed(project: Path, server: OtlpServer) -> None:
    path = leave(project, "1", end=False)
    os.utime(path, ns=(0, time.time_ns() + 10**9))
    assert replay(server) == 0
    assert [span.attributes.get("test.suite.run.status") for span in server.spans() if not span.parent_id] == [
        "aborted"
    ]


def test_list(project: Path, server: OtlpServer, capsys: pytest.CaptureFixture[str]) -> None:
    path = leave(project, "1", tests=3)
    progress = Progress(path)
    progress.settle(0, 4)
    progress.close()
    assert replay(server, "--list") == 0
    line = capsys.readouterr().out.strip()
    size = path.stat().st_size
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(rf"{re.escape(str(path))}: run of {when}, 3 tests, 9 spans to send, {size} bytes", line)
    assert server.requests == []
    assert path.exists()


# What goes wrong


def test_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = leave(project, "1")
    with OtlpServer(behaviour=always(Reply(401))) as server:
        assert replay(server) == 1
    expected = f"{path}: 0 spans delivered to 127.0.0.1:{server.port}, 5 still kept (answered 401 Unauthorized)\n"
    assert capsys.readouterr().out == expected
    assert path.exists()


def test_headers_that_cannot_be_sent(
    project: Path, server: OtlpServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(project, "1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")
    assert replay(server) == 0
    said = "OTEL_EXPORTER_OTLP_HEADERS has an entry that is no name=value; ignored (values are not shown)"
    assert capsys.readouterr().err == f"pytest-otlp: {said}\n"


def test_rejected(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sending it again would not help."""
    path = leave(project, "1")
    with OtlpServer(behaviour=partial_success(2, "too old")) as server:
        assert replay(server) == 0
    assert "3 spans delivered" in (line := capsys.readouterr().out)
    assert ", 2 rejected (" in line
    assert "too old" in line
    assert not path.exists()


def test_silent(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = leave(project, "1")
    with OtlpServer(behaviour=always(SILENT)) as server:
        assert replay(server, "--timeout=0.5") == 1
    assert "0 spans delivered" in (line := capsys.readouterr().out)
    assert "5 still kept (no answer" in line
    assert path.exists()


def test_again(project: Path) -> None:
    """Until all is delivered, each span once."""
    tests = BATCH // 2
    leave(project, "1", tests=tests)
    codes: list[int] = []
    with OtlpServer(behaviour=in_order(Reply(), Reply(401))) as server:
        while (code := replay(server)) and len(codes) < 9:
            codes.append(code)
            server.behaviour = in_order(*[Reply()] * len(server.requests), Reply(), Reply(401))
        ids = [span.span_id for span in server.spans()]
    assert codes
    assert len(ids) == len(set(ids)) == 4 * tests + 1


def test_nobody_listens(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(project, "1")
    with OtlpServer() as server:
        pass
    assert replay(server) == 1
    assert "5 still kept (cannot connect" in capsys.readouterr().out


def test_another_process_sends_it(project: Path, server: OtlpServer, capsys: pytest.CaptureFixture[str]) -> None:
    path = leave(project, "1")
    progress = Progress(path)
    assert replay(server) == 1
    progress.close()
    assert capsys.readouterr().out == f"{path}: another process is sending it\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or not Path("/proc/self").exists(), reason="needs a read-only place")
def test_a_place_that_cannot_be_written(server: OtlpServer, capsys: pytest.CaptureFixture[str], project: Path) -> None:
    path = leave(project, "1")
    path.with_suffix(".sent").mkdir()
    assert replay(server) == 1
    assert capsys.readouterr().out == f"{path}: Is a directory\n"


def test_no_journal(project: Path, server: OtlpServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(server, "missing.jsonl") == 2
    assert replay(server, str(project)) == 2
    assert capsys.readouterr().err == (
        "pytest-otlp: no journal at missing.jsonl; `pytest-otlp replay --list` shows what is kept\n"
        f"pytest-otlp: no journal at {project}; `pytest-otlp replay --list` shows what is kept\n"
    )


@pytest.mark.parametrize("content", [b"", b"no journal\n", b'["done",1,1,"",true,[],null]\n', b"[1]\n\xff\n"])
@pytest.mark.parametrize("args", [[], ["--list"]])
def test_a_file_that_is_no_journal(
    project: Path, server: OtlpServer, capsys: pytest.CaptureFixture[str], content: bytes, args: list[str]
) -> None:
    path = project / "other.txt"
    path.write_bytes(content)
    assert replay(server, *args, str(path)) == (0 if args else 1)
    assert capsys.readouterr().out == f"{path}: not a journal of pytest-otlp\n"
    assert path.read_bytes() == content


def test_a_journal_whose_first_line_is_damaged(
    project: Path, server: OtlpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    path = leave(project, "1")
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(first.replace(TRACE_ID, "no id") + "".join(rest))
    assert replay(server) == 1
    assert capsys.readouterr().out == f"{path}: not a journal of pytest-otlp\n"
    assert path.exists()


def test_a_journal_of_a_later_version(project: Path, server: OtlpServer, capsys: pytest.CaptureFixture[str]) -> None:
    path = project / "run.jsonl"
    path.write_text(events.encode(a_session(version=events.VERSION + 1)))
    assert replay(server, str(path)) == 1
    assert capsys.readouterr().out == f"{path}: written by a newer pytest-otlp (format 2); update it\n"
    assert path.exists()


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (
            ["--endpoint=host"],
            "--endpoint: unknown scheme; use http://HOST:PORT, https://HOST:PORT, file:PATH or console:",
        ),
        (
            ["--endpoint=http://host:0"],
            "--endpoint: port out of range; use 1 to 65535, usually 4318 (HTTP) or 4317 (gRPC)",
        ),
    ],
)
def test_bad_endpoints(args: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", *args]) == 2
    assert capsys.readouterr().err == f"pytest-otlp: {problem}\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "no host; use http://HOST:PORT"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "no host; use http://HOST:PORT"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "use one of grpc, http/protobuf"),
    ],
)
def test_bad_variables(
    name: str, problem: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "http://")
    assert cli.main(["replay"]) == 2
    assert capsys.readouterr().err == f"pytest-otlp: {name}: {problem}\n"


@pytest.mark.parametrize("args", [[], ["replay", "--timeout=soon"], ["replay", "--timeout=nan"], ["replay", "--what"]])
def test_misuse(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(args)
    assert raised.value.code == 2
    assert "usage: pytest-otlp" in capsys.readouterr().err


# Where to


def test_the_endpoint_of_the_environment(project: Path, server: OtlpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(project, "1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.endpoint)
    assert cli.main(["replay"]) == 0
    assert len(server.spans()) == 5


@pytest.mark.parametrize("place", ["option", "variable"])
def test_the_protocol(project: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    leave(project, "1")
    args = ["--protocol=grpc"] if place == "option" else []
    if place == "variable":
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with OtlpServer("grpc") as server:
        assert replay(server, *args) == 0
        assert len(server.spans()) == 5


def test_to_a_file(project: Path) -> None:
    leave(project, "1")
    assert cli.main(["replay", "--endpoint=file:run.otlp.jsonl"]) == 0
    assert "test_it.py::test_1" in (project / "run.otlp.jsonl").read_text()


# As a program


def test_as_a_program_without_pytest(project: Path, server: OtlpServer) -> None:
    path = leave(project, "1")
    code = "import sys; sys.modules['pytest'] = None; from pytest_otlp.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "replay", f"--endpoint={server.endpoint}"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: 5 spans delivered to 127.0.0.1:{server.port}\n"


def test_help() -> None:
    program = Path(sys.executable).with_name("pytest-otlp")
    command = [str(program)] if program.exists() else [sys.executable, "-m", "pytest_otlp.cli"]
    done = subprocess.run([*command, "replay", "--help"], capture_output=True, text=True, check=True, timeout=60)
    assert "--endpoint URL" in done.stdout
