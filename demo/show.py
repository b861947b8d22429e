"""The demo: a receiver, a pytest run that sends to it, and what the receiver gets, as it gets it, here and on the page.

Everything shown comes from the receiver: what is on screen went through the journal, the exporter and OTLP.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from demo.live import Live
from demo.page import PICTURE, Page, opened, picture, somebody_looks, until_enter
from demo.report import report
from demo.screen import Screen

from support.otlp_server import OtlpServer, Request
from support.viewer import View

SUITE = Path(__file__).parent / "suite"
COMMAND = ["pytest", "--otel", "--otel-logs=on", "--otel-service-name=shop-tests", "-n", "2"]
TIMEOUT = 120.0
"""s; a bound for what hangs."""
STAY = 600.0
"""s that the page stays for somebody who looks at it."""


def main() -> int:
    """Exit code 0 when trace and page say the same as pytest; the suite's failing tests are part of it."""
    screen = Screen(sys.stdout)
    onlooker = somebody_looks(sys.stdin, sys.stdout, os.environ)
    with ExitStack() as stack:
        server = stack.enter_context(OtlpServer())
        output = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
        screen.line(f"A receiver listens at {server.endpoint}. In {SUITE.relative_to(SUITE.parent.parent)}:")
        screen.line(f"$ OTEL_EXPORTER_OTLP_ENDPOINT={server.endpoint} {' '.join(COMMAND)}")
        page = page_with(stack, screen)
        seen = page is not None and opened(page, onlooker=onlooker, env=os.environ)
        screen.line("What the receiver gets, when it gets it:")
        screen.line("")
        process = start(server.endpoint, output)
        try:
            watch(server, process, Live(screen), page)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        said = output.read()
        screen.status("")
        result = report(server.spans(), process.returncode, said)
        problems = [*result.problems, *(page.problems(result.outcomes) if page else ())]
        for line in ["", *result.lines, *verdict(problems)]:
            screen.line(line)
        if problems:
            screen.line(f"\npytest said:\n{said}")
        if page and not page.trouble:
            end_at(page, screen, seen=seen, onlooker=onlooker)
    return 1 if problems else 0


def page_with(stack: ExitStack, screen: Screen) -> Page | None:
    """The project's page, for as long as the stack lasts; None where it cannot be started, which is told."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    store = folder / "runs.db"
    try:
        page = Page(stack.enter_context(View(folder, f"--db={store}")), store)
    except AssertionError as error:
        screen.line(f"Without a page: {str(error).strip()}")
        return None
    told = f"Without a page: {page.trouble}" if page.trouble else f"It passes all on to the page at {page.address}"
    screen.line(told)
    return page


def verdict(problems: Sequence[str]) -> list[str]:
    return [f"PROBLEM: {problem}" for problem in problems] or ["one trace, one root, no orphan, no id twice"]


def end_at(page: Page, screen: Screen, *, seen: bool, onlooker: bool) -> None:
    """The run on its page: a picture where no browser shows it, and time to look where somebody may."""
    address = page.address_of_run()
    screen.line(f"\nThe run on its page: {address}")
    if not seen:
        problem = picture(address, {PICTURE: address.partition("#")[2].partition("&")[2]})
        screen.line(f"No picture of it: {problem}" if problem else f"A picture of it: {PICTURE}")
    screen.line(f"The same in a file, for any browser: {page.as_file()}")
    if onlooker:
        screen.line(f"The page stays until you press Enter, at most {STAY / 60:.0f} minutes.")
        until_enter(sys.stdin, STAY)
    else:
        screen.line("The page is gone now, for nobody is at a terminal; the file stays.")


def start(endpoint: str, output: IO[str], **more: str) -> subprocess.Popen[bytes]:
    """Both the plugin and the application in the suite find the receiver by the usual variable."""
    ours = ("OTEL_", "PYTEST_", "TRACEPARENT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment.update(more, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    return subprocess.Popen(
        [sys.executable, "-m", *COMMAND],
        cwd=SUITE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def watch(server: OtlpServer, process: subprocess.Popen[bytes], live: Live, page: Page | None) -> None:
    """Shows what arrives until the process is over. pytest ends only when all is delivered, so that is all."""
    deadline = time.monotonic() + TIMEOUT
    seen, over = 0, False
    while not over:
        over = process.poll() is not None or time.monotonic() > deadline
        for request in arrived(server, seen):
            if page is not None:
                page.take(request)
            live.show(request.spans)
            seen += 1


def arrived(server: OtlpServer, seen: int) -> list[Request]:
    """The requests after the first `seen`; waits a moment for one."""
    with suppress(TimeoutError):
        server.wait_for(lambda server: len(server.requests) > seen, timeout=0.2)
    return server.requests[seen:]
