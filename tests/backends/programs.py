"""The real backends as processes: found, started on free ports, waited for, ended."""

from __future__ import annotations

import json
import os
import runpy
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "collector-config"
START_DEADLINE = 60.0
"""s. They are ready in one or two on an idle machine."""

# Whatever proxy the machine has is not for 127.0.0.1.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def find_program(name: str) -> Path:
    """Skip the test, or fail it with PYTEST_OTLP_REQUIRE_BACKENDS=1, where the program has not been built."""
    folder = target_folder()
    if (program := folder / name).exists():
        return program
    # Alertmanager is a package of the system.
    if found := shutil.which(name):
        return Path(found)
    reason = f"no {name} in {folder}: run `make backends`, or set PYTEST_OTLP_BACKENDS to the folder that has it"
    if os.environ.get("PYTEST_OTLP_REQUIRE_BACKENDS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def has_program(name: str) -> bool:
    return (target_folder() / name).exists() or bool(shutil.which(name))


def target_folder() -> Path:
    folder: Path = runpy.run_path(str(ROOT / "backends" / "build.py"))["target_folder"]()
    return folder


def free_port() -> int:
    """Find a port below those that the kernel gives to clients: one of them might take it before the server does.

    Not by `random`: pytest-randomly seeds it alike in all workers.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


def wait_for(what: str, look: Callable[[], T | None], deadline: float = 30.0) -> T:
    """Look until there is something to see; after the deadline, in s, the test fails and says for what it waited."""
    end = time.monotonic() + deadline
    while not (seen := look()):
        if time.monotonic() > end:
            pytest.fail(f"not within {deadline} s: {what}")
        time.sleep(0.02)
    return seen


def get_json(url: str) -> Any:
    with _open(url, timeout=10) as response:
        return json.load(response)


def get_text(url: str) -> str:
    with _open(url, timeout=10) as response:
        return str(response.read().decode())


def post_json(url: str, body: object) -> int:
    """Return the status of a successful answer, which is any 2xx; another one raises."""
    data = json.dumps(body).encode()
    with _open(urllib.request.Request(url, data, {"content-type": "application/json"}), timeout=10) as response:
        return int(response.status)


class Program:
    """A backend that runs with one of the shipped configurations; its addresses are variables of that file."""

    def __init__(
        self, binary: Path, arguments: list[str], environment: Mapping[str, str], health: str, folder: Path
    ) -> None:
        self.command = [str(binary), *arguments]
        # Jaeger's ephemeral store is in the folder for temporary files, and a killed one does not clear it.
        self.environment = {**os.environ, **environment, "TMPDIR": str(folder)}
        self.health = health
        self.folder = folder
        self.log = folder / f"{binary.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        try:
            self.start()
            yield
        finally:
            self.stop()

    def start(self) -> None:
        self.launch()
        self.wait()

    def launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait(self) -> None:
        wait_for(f"{self.health} of {self.command[0]}", self.healthy, START_DEADLINE)

    def healthy(self) -> bool:
        assert self.process
        if self.process.poll() is not None:
            pytest.fail(f"{self.command[0]} ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
        with suppress(OSError), _open(self.health, timeout=2) as response:
            return bool(response.status == 200)
        return False

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
