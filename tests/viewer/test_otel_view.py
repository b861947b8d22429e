"""`--otel-view`: a receiver that is started when there is none, and stays."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from pytest_otlp.viewer.arguments import Ports
from pytest_otlp.viewing import ensure
from support.viewer import TIMEOUT, View


@pytest.fixture
def ports() -> Ports:
    """Three that are free, as far as that can be known."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        return Ports(*(server.getsockname()[1] for server in found))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[dict[str, str]]:
    env = {"XDG_STATE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        yield env


def test_a_receiver_is_started_once_and_stays(ports: Ports, state: dict[str, str], tmp_path: Path) -> None:
    first = ensure(state, tmp_path, ports)
    token = (tmp_path / "pytest-otlp" / "view-token").read_text()
    address = f"http://127.0.0.1:{ports.page}/#token={token}"
    found = re.fullmatch(rf"page: {re.escape(address)} \(process (\d+) stays to show it\)", first)
    assert found, first
    try:
        assert ensure(state, tmp_path, ports) == f"page: {address}"
        with suppress(OSError), urlopen(f"http://127.0.0.1:{ports.page}/", timeout=10) as answer:
            assert answer.headers["Content-Security-Policy"]
    finally:
        os.kill(int(found[1]), signal.SIGTERM)
        with suppress(ChildProcessError, AttributeError):
            os.waitpid(int(found[1]), 0)


def test_a_receiver_that_is_there_already_leads_to_its_own_page(
    ports: Ports, state: dict[str, str], tmp_path: Path
) -> None:
    with View(tmp_path, ports=(ports.http, ports.grpc, 0)) as view:
        assert ensure(state, tmp_path, ports) == f"page: http://127.0.0.1:{view.page_port}/#token={view.token}"


def test_what_listens_there_already_may_be_something_else(ports: Ports, state: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", ports.http)), socket.create_server(("127.0.0.1", ports.page)):
        told = ensure(state, tmp_path, ports)
    who = "a Collector, or a `pytest-otlp view` that keeps its state elsewhere"
    assert told == f"no page: something else listens on port {ports.http}: {who}; stop it, or look there"


def test_two_runs_that_begin_at_once_share_a_receiver(ports: Ports, state: dict[str, str], tmp_path: Path) -> None:
    template = "https://host/{trace_id}"
    ask = f"print(ensure(os.environ, Path.home(), Ports{tuple(ports)}, {template!r}))"
    imports = "import os; from pathlib import Path; from pytest_otlp.viewing import Ports, ensure"
    command = [sys.executable, "-c", f"{imports}; {ask}"]
    env = {**os.environ, **state}
    asked = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found, started = sorted((process.communicate(timeout=TIMEOUT)[0].strip() for process in asked), key=len)
    process = re.fullmatch(rf"{re.escape(found)} \(process (\d+) stays to show it\)", started)
    assert process, (found, started)
    try:
        token = (tmp_path / "pytest-otlp" / "view-token").read_text()
        assert info(ports.page, token)["traceUrl"] == template
    finally:
        os.kill(int(process[1]), signal.SIGTERM)
        with suppress(ChildProcessError, AttributeError):
            os.waitpid(int(process[1]), 0)


def info(port: int, token: str) -> Any:
    """What the page is told of the receiver."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("POST", "/api/session", json.dumps({"token": token}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    answer.read()
    connection.request("GET", "/api/info", headers={"Cookie": cookie})
    told = json.loads(connection.getresponse().read())
    connection.close()
    return told


def test_a_receiver_that_cannot_start_is_told(ports: Ports, state: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", ports.grpc)):
        told = ensure(state, tmp_path, ports)
    assert told.startswith(f"no page: port {ports.grpc} is in use: ")
