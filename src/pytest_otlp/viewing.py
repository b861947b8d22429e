"""`--otel-view`: a receiver with its page for this run, and for those after it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_otlp.locks import locked
from pytest_otlp.presence import page_at, state_folder
from pytest_otlp.viewer.arguments import DEFAULT, Ports
from pytest_otlp.viewer.guard import token_in

_PATIENCE = 15.0
"""s that the receiver has to listen."""
_NOTE = 1.0
"""s from listening to its note."""
_POLL = 0.02


def ensure(env: Mapping[str, str], home: Path, ports: Ports = DEFAULT, trace_url: str = "") -> str:
    """Has a receiver listen on this machine, and waits until it does. It stays when the run is over.

    `trace_url`: what its page links to, where it is started.

    Returns one line for the header: where the page is, or why there is none.
    """
    try:
        folder = state_folder(env, home)
        token = token_in(folder)
        with _alone(folder):
            if _listens(ports.http):
                found = _noted_page(env, ports.http)
                return f"page: {found}/#token={token}" if found else _foreign(ports.http)
            process, log = _started(folder, ports, trace_url)
            problem = _until_it_listens(process, log)
    except OSError as error:
        return f"no page: {error.filename or ''} {error.strerror or error}"
    page = f"page: http://127.0.0.1:{ports.page}/#token={token}"
    return problem or f"{page} (process {process.pid} stays to show it)"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of two runs that begin at once, the second finds the receiver that the first started."""
    held: int | None = None
    deadline = time.monotonic() + _PATIENCE
    with suppress(OSError):  # where there are no locks, one of two is told that the port is in use
        while (held := _free(folder / "view-lock")) is None and time.monotonic() < deadline:
            time.sleep(_POLL)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def _free(path: Path) -> int | None:
    """The lock; None where another has it."""
    try:
        return locked(path)
    except BlockingIOError:
        return None


def _foreign(port: int) -> str:
    who = "a Collector, or a `pytest-otlp view` that keeps its state elsewhere"
    return f"no page: something else listens on port {port}: {who}; stop it, or look there"


def _noted_page(env: Mapping[str, str], port: int) -> str:
    """Of the receiver that listens there, which may have begun this moment; empty where it is something else."""
    deadline = time.monotonic() + _NOTE
    while not (page := page_at(env, port)) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return page


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _started(folder: Path, ports: Ports, trace_url: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Out of reach of the terminal's signals, and of the tested project's modules."""
    log = folder / "view.log"
    asked = [f"--{name}-port={port}" for name, port in ports._asdict().items()]
    if trace_url:
        asked.append(f"--trace-url={trace_url}")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "pytest_otlp.cli", "view", *asked],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=folder,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    return process, log


def _until_it_listens(process: subprocess.Popen[bytes], log: Path) -> str:
    """Empty when it does; else why it does not."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        text = log.read_text("utf-8", "replace")
        if "send a run:" in text:
            process.returncode = 0  # it goes on alone, and nobody warns of it
            return ""
        if process.poll() is not None:
            said = text.strip().splitlines() or ["it left no word"]
            return f"no page: {said[-1].removeprefix('pytest-otlp: ')}"
        time.sleep(_POLL)
    process.kill()
    process.wait()
    return f"no page: the receiver did not listen within {_PATIENCE:.0f} s; see {log}"
