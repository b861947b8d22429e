"""Secrets stay secret, and text of others is never obeyed by a terminal."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterable
from pathlib import Path

import grpc
import pytest

from faults.scene import (
    Ended,
    Live,
    Protocol,
    Scene,
    check_delivered,
    delivered_later,
    exporter_of,
    replay,
    span_requests,
)
from support.otlp_server import OtlpServer, Reply, always, grpc_error, in_order, partial_success
from support.runs import Run

PROTOCOLS = pytest.mark.parametrize("protocol", ["http", "grpc"])
SECRET = "hunter2-and-more"
HEADERS = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRET},x-team=blue"}
HELD = """
import pathlib, time

def test_fails():
    local = 1
    assert local == 0

def test_held():
    # It would go on for good where nobody is left to let it go.
    deadline = time.monotonic() + 100
    while not pathlib.Path("go").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
"""
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\nspoofed"

# 36


@PROTOCOLS
@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows what ps would")
def test_36_headers_are_shown_nowhere(scene: Scene, protocol: Protocol) -> None:
    refused = Reply(401, {"Content-Type": "text/plain"}, f"bad token Bearer {SECRET}".encode())
    denied = grpc_error(grpc.StatusCode.UNAUTHENTICATED, f"bad token Bearer {SECRET}")
    with (
        OtlpServer(protocol, behaviour=in_order(Reply(), refused if protocol == "http" else denied)) as server,
        scene.live(HELD, server, "--showlocals", "--tb=long", protocol=protocol, env=HEADERS) as live,
    ):
        server.wait_for(span_requests, 30)
        in_use = files_of(live)
        lines = [line for pid in (*processes(live), exporter_of(live)) for line in command_lines([pid])]
        (live.folder / "go").touch()
        ended = live.ended(not_held(scene, "--showlocals", "--tb=long"))
    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert server.requests[0].headers["x-team"] == "blue"
    assert any("exporter" in line for line in lines)
    assert "401" in ended.text or "UNAUTHENTICATED" in ended.text
    shown = [*lines, ended.run.stdout, ended.run.stderr, *in_use.values(), *files_of(live).values()]
    sent = [repr(request.spans or request.metrics) for request in server.requests]
    assert len(in_use) == 2
    assert all(SECRET not in text for text in [*shown, *sent])
    assert "hunter2" not in repr(sorted(map(str, ended.run.folder.rglob("*"))))


def not_held(scene: Scene, *args: str) -> Run:
    """The same run without the plugin."""
    folder = scene.runner.folder.parent / "baseline" / "suite"
    folder.mkdir()
    (folder / "go").touch()
    return scene.without(HELD, *args)


def files_of(live: Live) -> dict[Path, str]:
    """The journal and what stands beside it; only their owner may read them."""
    found = [path for path in live.folder.glob(".pytest_cache/d/otlp/*") if path.is_file()]
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    return {path: path.read_text("utf-8") for path in found}


def processes(live: Live) -> set[int]:
    """Of the run and what it started, whichever session that is in."""
    parents = {int(path.parent.name): parent_of(path) for path in Path("/proc").glob("[0-9]*/stat")}
    found = {live.pid}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def parent_of(status: Path) -> int:
    try:
        return int(status.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command_lines(pids: Iterable[int]) -> list[str]:
    return [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid in pids]


@PROTOCOLS
def test_36_user_info_of_an_endpoint_is_shown_nowhere(scene: Scene, protocol: Protocol) -> None:
    with OtlpServer(protocol, behaviour=always(_refusal(protocol, f"not joe:{SECRET}"))) as server:
        address = server.endpoint.replace("http://", f"http://joe:{SECRET}@")
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol_name(protocol)}
        ended = without_option(scene, server, env)
        later = replay(ended.journal, address, protocol)
    assert all("authorization" in request.headers for request in server.requests)
    assert later.exit_code == 1
    kept = [path.read_text("utf-8") for path in ended.run.folder.glob(".pytest_cache/d/otlp/*")]
    assert len(kept) == 2
    assert all(SECRET not in text for text in [*kept, ended.run.stdout, ended.run.stderr, later.stdout, later.stderr])


def protocol_name(protocol: Protocol) -> str:
    return "grpc" if protocol == "grpc" else "http/protobuf"


def without_option(scene: Scene, server: OtlpServer, env: dict[str, str]) -> Ended:
    """A run that is told where to send by its environment alone."""
    suite = "def test_a(): pass"
    runner = scene.runner
    runner._write(suite, "")
    process = runner._start(["--otel"], env)
    return Live(runner, process, server).ended(scene.without(suite))


def _refusal(protocol: Protocol, text: str) -> Reply:
    """What no further attempt would change."""
    if protocol == "grpc":
        return grpc_error(grpc.StatusCode.PERMISSION_DENIED, text)
    return Reply(403, {"Content-Type": "text/plain; charset=utf-8"}, text.encode())


# 37


@PROTOCOLS
def test_37_words_of_a_server_that_refuses(scene: Scene, protocol: Protocol) -> None:
    text = f"no{ESCAPES}"
    with OtlpServer(protocol, behaviour=always(_refusal(protocol, text))) as server:
        ended = scene.run("def test_a(): pass", server, protocol=protocol)
        later = replay(ended.journal, server.endpoint, protocol)
    assert r"no\x1b]0;owned\x07\x1b[2J" in ended.text
    assert_harmless(ended.run.stdout)
    assert r"no\x1b]0;owned\x07\x1b[2J" in later.stdout
    assert_harmless(later.stdout)
    delivered_later(ended, protocol)


@PROTOCOLS
def test_37_words_of_a_server_that_takes_a_part(scene: Scene, protocol: Protocol) -> None:
    with OtlpServer(protocol, behaviour=partial_success(1, f"no{ESCAPES}")) as server:
        ended = scene.run("def test_a(): pass", server, "--otel-metrics=off", protocol=protocol)
    assert ended.counts.rejected == len(span_requests(server))
    assert r"no\x1b]0;owned\x07\x1b[2J" in ended.text
    assert_harmless(ended.run.stdout)


def test_37_words_of_the_user_and_of_tests(scene: Scene) -> None:
    env = {
        "OTEL_SERVICE_NAME": f"shop{ESCAPES}",
        "OTEL_RESOURCE_ATTRIBUTES": f"{ESCAPES}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": ESCAPES,
        "TRACEPARENT": ESCAPES,
    }
    suite = f"""
        import pytest

        @pytest.mark.parametrize("text", [{ESCAPES!r}], ids=[{ESCAPES!r}])
        def test_text(text): assert 0, text
    """
    with OtlpServer() as server:
        ended = scene.run(suite, server, env=env)
    header = next(line for line in ended.run.our_lines if "service " in line)
    assert r"service shop\x1b]0;owned\x07\x1b[2J" in header
    assert all(line.isprintable() for line in ended.run.our_lines)
    assert "spoofed" not in ended.run.stdout.splitlines()
    check_delivered(ended)


def assert_harmless(text: str) -> None:
    """Nothing that moves the cursor, colours, reverses the direction or begins a line of its own."""
    assert all(line.isprintable() for line in text.splitlines())
    assert not any(line.startswith("spoofed") for line in text.splitlines())


# 38


@PROTOCOLS
@pytest.mark.parametrize("line_break", ["%0D%0Ax-forged:%201", "%0a", "\n", "\r\nx-forged: 1"], ids=ascii)
def test_38_a_line_break_in_a_header(scene: Scene, protocol: Protocol, line_break: str) -> None:
    env = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {SECRET}{line_break}"}
    with OtlpServer(protocol) as server:
        ended = scene.run("def test_a(): pass", server, protocol=protocol, env=env)
    said = "has a line break or other control character in the value of authorization; ignored (values are not shown)"
    assert ended.run.our_lines[1] == f"otlp: OTEL_EXPORTER_OTLP_HEADERS {said}"
    assert "hunter2" not in ended.run.stdout + ended.run.stderr
    assert not any({"x-forged", "authorization"} & set(request.headers) for request in server.requests)
    check_delivered(ended)
