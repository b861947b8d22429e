"""The demo: a receiver, a pytest run that sends to it, and what the receiver gets, as it gets it.

Everything shown comes from the receiver: what is on screen went through the journal, the exporter and OTLP.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from demo.live import Live
from demo.report import report
from demo.screen import Screen

from support.otlp_server import OtlpServer
from support.received import ReceivedSpan

SUITE = Path(__file__).parent / "suite"
COMMAND = ["pytest", "--otel", "--otel-service-name=shop-tests", "-n", "2"]
TIMEOUT = 120.0
"""s; a bound for what hangs."""


def main() -> int:
    """Exit code 0 when the trace is whole and says the same as pytest; the suite's failing tests are part of it."""
    screen = Screen(sys.stdout)
    with OtlpServer() as server, tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        screen.line(f"A receiver listens at {server.endpoint}. In {SUITE.relative_to(SUITE.parent.parent)}:")
        screen.line(f"$ OTEL_EXPORTER_OTLP_ENDPOINT={server.endpoint} {' '.join(COMMAND)}")
        screen.line("What the receiver gets, when it gets it:")
        screen.line("")
        process = start(server.endpoint, output)
        try:
            watch(server, process, Live(screen))
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        said = output.read()
    screen.status("")
    result = report(server.spans(), process.returncode, said)
    for line in ["", *result.lines]:
        screen.line(line)
    if result.problems:
        screen.line(f"\npytest said:\n{said}")
    return 1 if result.problems else 0


def start(endpoint: str, output: IO[str]) -> subprocess.Popen[bytes]:
    """Both the plugin and the application in the suite find the receiver by the usual variable."""
    ours = ("OTEL_", "PYTEST_", "TRACEPARENT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    return subprocess.Popen(
        [sys.executable, "-m", *COMMAND],
        cwd=SUITE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def watch(server: OtlpServer, process: subprocess.Popen[bytes], live: Live) -> None:
    """Shows what arrives until the process is over. pytest ends only when all is delivered, so that is all."""
    deadline = time.monotonic() + TIMEOUT
    seen = 0
    while process.poll() is None and time.monotonic() < deadline:
        for spans in arrived(server, seen):
            live.show(spans)
            seen += 1
    for spans in arrived(server, seen):
        live.show(spans)


def arrived(server: OtlpServer, seen: int) -> Iterator[list[ReceivedSpan]]:
    """The spans of each request after the first `seen`; waits a moment for one."""
    with suppress(TimeoutError):
        server.wait_for(lambda server: len(server.requests) > seen, timeout=0.2)
    for request in server.requests[seen:]:
        yield request.spans
