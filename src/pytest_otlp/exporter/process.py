"""The exporter's process: follows the journal of a run until it is over or its process is gone, then delivers."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from io import FileIO
from pathlib import Path
from typing import Any

from pytest_otlp.exporter import html_file
from pytest_otlp.exporter.delivery import Sender
from pytest_otlp.exporter.endpoint import settings_from, transport_for
from pytest_otlp.exporter.exporter import Exporter, Outcome, Senders
from pytest_otlp.exporter.progress import Progress
from pytest_otlp.exporter.records import Signal
from pytest_otlp.exporter.retention import make_room
from pytest_otlp.exporter.signals import LogsSignal, MetricsSignal
from pytest_otlp.exporter.transport import Transport
from pytest_otlp.journal import LAST_WORD, JournalReader, discard

POLL = 0.04
"""s between two looks at the journal, at least."""
_LAST_WORDS = 0.2
"""s of the exit timeout for counting and saying how it ended."""
_COUNTED_A_SECOND = 20_000_000
"""Bytes of a journal that can at least be read and counted in a second."""


class Parent:
    """The process that runs the tests."""

    def __init__(self, pid: int, watched: int | None = None) -> None:
        """`pid`: its process id; `watched`: its descriptor (`pidfd_open`), without which we are its child."""
        self._pid = pid
        self._end = _readable(watched) if watched is not None else None
        self._done = False
        self.heard = threading.Event()
        """It said that the run is over, or closed our standard input, or ended."""
        threading.Thread(target=self._listen, name="otlp-parent", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """For the run's end, at most that long."""
        if self.heard.is_set():
            time.sleep(seconds)
        else:
            self.heard.wait(seconds)

    def _listen(self) -> None:
        self._done = sys.stdin.buffer.readline().startswith(LAST_WORD)
        self.heard.set()

    @property
    def over(self) -> bool:
        """No more lines come.

        A closed standard input alone says nothing where the parent can be seen: a test may close every descriptor,
        and a process that a test forked may hold it open beyond the parent's end.
        """
        if self.heard.is_set() and (self._done or sys.platform == "win32"):
            return True
        if self._end is not None:
            return bool(self._end.poll(0))
        return sys.platform != "win32" and os.getppid() != self._pid


def _readable(descriptor: int) -> select.poll:
    """Has something to tell when the descriptor can be read: that of a process, when it has ended."""
    found = select.poll()
    found.register(descriptor, select.POLLIN)
    return found


class Following:
    """Reads a journal as it grows, and hurries when its run is over."""

    def __init__(self, exporter: Exporter, senders: Senders, reader: JournalReader, exit_timeout: float) -> None:
        self._exporter = exporter
        self._senders = senders
        self._reader = reader
        self._exit_timeout = exit_timeout
        self._deadline: float | None = None

    def until_over(self, parent: Parent) -> None:
        while not self._exporter.run.closed:
            over = parent.over or self._deadline is not None
            if over:
                self._hurry()
            self._exporter.live = not over
            read = self._read()
            self._exporter.tick()
            if over and read is None:
                self._exporter.abandon(time.time_ns())
            elif not read:
                # A look costs as much as a dozen tests: none between two requests, when it could send nothing.
                parent.wait(max(POLL, self._exporter.pause))
        self._hurry()

    def _read(self) -> bool | None:
        """Takes the next lines; False where the endpoint is behind, None at the journal's present end."""
        if self._exporter.busy:
            return False
        lines = self._reader.lines()
        self._exporter.take(lines or ())
        return None if lines is None else bool(lines)

    def _hurry(self) -> None:
        now = time.monotonic()
        if self._deadline is None:
            counting = self._reader.behind / _COUNTED_A_SECOND
            self._deadline = now + max(0.1, self._exit_timeout - _LAST_WORDS - counting)
            for sender in self._senders.all:
                sender.hurry(self._deadline)
        elif now >= self._deadline:
            self._senders.traces.give_up("the exit timeout is over")

    def deliver(self) -> Outcome:
        """Waits for the senders, at most until the deadline."""
        self._exporter.close()
        assert self._deadline is not None
        for sender in self._senders.all:
            sender.join(self._deadline)
        return self._exporter.outcome()


def senders_for(transport: Transport, progress: Progress, settings: Mapping[str, Any]) -> Senders:
    timeout = float(settings["timeout"])

    return Senders(
        Sender(Signal.TRACES, transport, timeout, progress.settle),
        # In their order while the run goes on: each says all that the one before did.
        MetricsSignal(Sender(Signal.METRICS, transport, timeout, most_under_way=1)) if settings["metrics"] else None,
        LogsSignal(Sender(Signal.LOGS, transport, timeout), settings["exceptions"]) if settings["logs"] else None,
    )


class _Detection(threading.Thread):
    """Finds out where we are (git may take a while) while the rest gets ready."""

    def __init__(self, root: Path) -> None:
        super().__init__(name="otlp-resource", daemon=True)
        self._root = root
        self._found: dict[str, str] = {}
        self.start()

    def run(self) -> None:
        from pytest_otlp.resource import detect  # noqa: PLC0415

        self._found = detect(root=self._root, env=os.environ)

    def result(self) -> dict[str, str]:
        self.join()
        return self._found


def follow(settings: Mapping[str, Any], watched: int | None = None, opened: FileIO | None = None) -> None:
    """Does all the work, says how it ended on standard output, and ends this process.

    `watched`: see `Parent`. `opened`: the journal, where it was opened before.
    """
    try:
        words = _words(_outcome(settings, watched, opened))
    except Exception as error:  # noqa: BLE001  nobody reads this process' traceback: pytest says it in one line
        words = {"failed": f"{type(error).__name__}: {error}"}
    try:
        os.write(1, json.dumps(words).encode("ascii"))
    finally:
        os._exit(0)


def _outcome(settings: Mapping[str, Any], watched: int | None, opened: FileIO | None) -> Outcome:
    parent = Parent(settings["parent"], watched)
    detection = _Detection(Path(settings["root"]))
    journal = Path(settings["journal"])
    progress = _progress_of(journal)
    senders = senders_for(transport_for(settings_from(**settings["endpoint"], env=os.environ)), progress, settings)
    exporter = Exporter(senders, progress, detection.result, traces=settings["traces"])
    with closing(JournalReader(journal, opened)) as reader:
        following = Following(exporter, senders, reader, settings["exit_timeout"])
        following.until_over(parent)
        outcome = following.deliver()
    reported = _reported(journal, settings)
    if reported:
        outcome = outcome._replace(notices=(*outcome.notices, reported.notice))
    if outcome.kept or (reported and not reported.written):
        return outcome._replace(notices=(*outcome.notices, *make_room(journal)))
    progress.remove()
    discard(journal)
    return outcome


def _progress_of(journal: Path) -> Progress:
    try:
        return Progress(journal)
    except FileNotFoundError:  # a test has removed the folder: nobody can replay this journal, so none needs to know
        from tempfile import TemporaryDirectory  # noqa: PLC0415  hardly ever

        with TemporaryDirectory(prefix="pytest-otlp-") as nowhere:
            return Progress(Path(nowhere, journal.name))


def _reported(journal: Path, settings: Mapping[str, Any]) -> html_file.Reported | None:
    path = settings.get("html")
    return html_file.write(journal, path, settings.get("trace_url", "")) if path else None


def _words(outcome: Outcome) -> dict[str, Any]:
    return {
        "tests": outcome.tests,
        "spans": [outcome.produced, outcome.delivered, outcome.rejected, outcome.kept],
        "problem": outcome.problem,
        "notices": outcome.notices,
    }
