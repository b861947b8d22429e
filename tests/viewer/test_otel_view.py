"""`--otel-view`: a receiver that is started when there is none, and stays."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from pytest_otlp.viewer.arguments import Ports
from pytest_otlp.viewing import ensure
from support.viewer import View


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
    assert told == f"no page: not `pytest-otlp view` listens on port {ports.http}"


def test_a_receiver_that_cannot_start_is_told(ports: Ports, state: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", ports.grpc)):
        told = ensure(state, tmp_path, ports)
    assert told.startswith(f"no page: port {ports.grpc} is in use: ")
