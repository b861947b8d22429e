"""Journals of runs that are over, sent again: only what is not settled yet, with the same ids."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from pytest_otlp import events
from pytest_otlp.endpoints import Endpoint
from pytest_otlp.events import SessionStarted
from pytest_otlp.exporter.delivery import Sender
from pytest_otlp.exporter.endpoint import settings_from, transport_for
from pytest_otlp.exporter.exporter import Exporter, Outcome, Senders, trace_after
from pytest_otlp.exporter.progress import BusyError, Progress
from pytest_otlp.exporter.records import Signal
from pytest_otlp.exporter.run import Run
from pytest_otlp.exporter.spans import span_count
from pytest_otlp.exporter.trace import Trace
from pytest_otlp.exporter.transport import Transport
from pytest_otlp.journal import JournalReader, discard
from pytest_otlp.resource import detect
from pytest_otlp.terminal import counted

REQUEST_TIMEOUT = 10.0
"""s"""
_BUSY_WAIT = 0.05


class _Kept(NamedTuple):
    """What stands in a journal."""

    session: SessionStarted | None
    tests: int
    spans: int
    problem: str


def describe(path: Path) -> str:
    """One line: when the run began, its tests, the spans still to send, and the journal's size."""
    kept = _survey(path)
    if kept.session is None:
        return f"{path}: {kept.problem}"
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(kept.session.time / 1e9))
    left = kept.spans - Progress.settled_of(path)
    size = path.stat().st_size
    return f"{path}: run of {began}, {counted(kept.tests, 'test')}, {counted(left, 'span')} to send, {size} bytes"


def _survey(path: Path) -> _Kept:
    """Reads a journal without sending anything."""
    run, spans = Run(), 0
    trace: Trace | None = None
    for event in _events(path):
        if isinstance(event, SessionStarted) and event.version > events.VERSION:
            return _Kept(None, 0, 0, f"written by a newer pytest-otlp (format {event.version}); update it")
        with suppress(ValueError):
            trace = trace_after(trace, event)
            spans += sum(span_count(trace, final) for final in run.apply(event))
    if trace is None:
        return _Kept(None, 0, 0, "not a journal of pytest-otlp")
    spans += sum(span_count(trace, final) for final in run.abandon(_last_moment(path)))
    return _Kept(run.session, run.tests, spans, "")


def _lines(path: Path) -> Iterator[bytes]:
    with closing(JournalReader(path)) as reader:
        while (lines := reader.lines()) is not None:
            yield from lines


def _events(path: Path) -> Iterator[events.Event]:
    for line in _lines(path):
        event = _decoded(line)
        if event is not None:
            yield event


def _decoded(line: bytes) -> events.Event | None:
    try:
        return events.decode(line)
    except ValueError:
        return None


def _last_moment(path: Path) -> int:
    """When a run ended whose journal does not say so: at its last line."""
    return path.stat().st_mtime_ns


def replay(path: Path, endpoint: Endpoint, timeout: float, say: Callable[[str], None]) -> bool:
    """Sends what is left of one journal, within `timeout` seconds, and removes it when nothing is left.

    Says how it went in one line; True when nothing is left.
    """
    kept = _survey(path)
    if kept.session is None:
        say(f"{path}: {kept.problem}")
        return False
    try:
        progress = Progress(path)
    except (BusyError, OSError) as error:
        say(f"{path}: {getattr(error, 'strerror', None) or 'another process is sending it'}")
        return False
    transport = transport_for(settings_from(**endpoint._asdict(), env=os.environ))
    outcome = _send(path, progress, transport, timeout)
    transport.close()
    progress.close()
    if not outcome.kept:
        progress.path.unlink(missing_ok=True)
        discard(path)
    say(_told(path, outcome, endpoint))
    return not outcome.kept


def _send(path: Path, progress: Progress, transport: Transport, timeout: float) -> Outcome:
    deadline = time.monotonic() + timeout
    sender = Sender(Signal.TRACES, transport, REQUEST_TIMEOUT, progress.settle)
    sender.hurry(deadline)
    exporter = Exporter(Senders(sender, None, None), progress, lambda: detect(root=Path.cwd(), env=os.environ))
    for line in _lines(path):
        exporter.take([line])
        while exporter.busy:
            time.sleep(_BUSY_WAIT)
    exporter.abandon(_last_moment(path))
    exporter.close()
    sender.join(deadline)
    return exporter.outcome()


def _told(path: Path, outcome: Outcome, endpoint: Endpoint) -> str:
    parts = [f"{counted(outcome.delivered, 'span')} delivered to {endpoint.target}"]
    if outcome.rejected:
        parts.append(f"{outcome.rejected} rejected")
    if outcome.kept:
        parts.append(f"{outcome.kept} still kept")
    problem = f" ({outcome.problem})" if outcome.problem else ""
    return f"{path}: {', '.join(parts)}{problem}"
