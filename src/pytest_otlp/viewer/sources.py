"""Files with runs in them: OTLP/JSON lines as the Collector's file exporter writes them, and journals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pytest_otlp import events
from pytest_otlp.events import SessionStarted
from pytest_otlp.exporter.encode import encode
from pytest_otlp.exporter.progress import Progress
from pytest_otlp.exporter.records import Attributes, Record
from pytest_otlp.exporter.run import Run
from pytest_otlp.exporter.spans import marker, spans_of
from pytest_otlp.exporter.trace import Trace
from pytest_otlp.journal import JournalReader
from pytest_otlp.viewer.intake import Kind

_AT_ONCE = 2_000
"""Spans."""
_LONGEST_LINE = 256 * 1024 * 1024
"""Bytes."""
_FIELDS = {b'"resourceSpans"': Kind.TRACES, b'"resourceLogs"': Kind.LOGS, b'"resourceMetrics"': Kind.METRICS}


class SourceError(Exception):
    """A file that is none of these: which, and what would be one."""

    taken = 0
    """Spans and log records that were taken of it before."""


class Request(NamedTuple):
    """What would have been sent."""

    kind: Kind
    body: bytes
    json: bool
    line: int = 0
    """Of the file, where a line is a request."""


def is_store(path: Path) -> bool:
    """Raises:
    SourceError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None


def requests_in(path: Path, warn: Callable[[str], object]) -> Iterator[Request]:
    """What a file holds, as if it were sent. `warn` hears of an end that is cut off, which is left out.

    Raises:
        SourceError: the file cannot be read, or is neither OTLP/JSON nor a journal.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(4096).lstrip()
        if begin.startswith(b"["):
            yield from _of_journal(path)
        elif begin.startswith(b"{"):
            yield from _of_json(path, warn)
        else:
            raise SourceError(f"{path}: neither OTLP/JSON nor a journal of pytest-otlp")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None


def _of_json(path: Path, warn: Callable[[str], object]) -> Iterator[Request]:
    """A line a request; or the whole file is one, over many lines."""
    with path.open("rb") as file:
        for number, line, is_last in _lines(file):
            if number == 1 and not _is_whole(line):
                file.seek(0)
                yield _only(path, file.read(_LONGEST_LINE))
                return
            if number > 1 and is_last and not _is_whole(line):
                warn(f"{path}: line {number}, the last, is cut off; it is left out")
                return
            kind = _kind(line)
            if kind is None:
                raise not_otlp(path, number)
            yield Request(kind, line, json=True, line=number)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Number and text of each line that has some, and whether it is the last."""
    numbered = enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1)
    found = ((number, line) for number, line in numbered if line.strip())
    held = next(found, None)
    while held is not None:
        following = next(found, None)
        yield (*held, following is None)
        held = following


def _only(path: Path, text: bytes) -> Request:
    kind = _kind(text)
    if kind is None or not _is_whole(text):
        raise not_otlp(path, 1)
    return Request(kind, text, json=True)


def not_otlp(path: Path, line: int) -> SourceError:
    """`line`: 0 where the file is one message."""
    where = f"line {line} is no OTLP/JSON, or cut off; remove that line" if line else "no OTLP/JSON"
    return SourceError(f"{path}: {where}")


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _kind(text: bytes) -> Kind | None:
    """None where it is no OTLP/JSON."""
    found = [(place, kind) for field, kind in _FIELDS.items() if (place := text.find(field)) >= 0]
    return min(found, key=lambda item: item[0])[1] if found else None


def _of_journal(path: Path) -> Iterator[Request]:
    pending: list[Record] = []
    resource: Attributes | None = None
    for resource, spans in _finals(path):
        pending += spans
        if len(pending) >= _AT_ONCE:
            yield from _encoded(resource, pending)
            pending = []
    if resource is None:
        raise SourceError(f"{path}: neither OTLP/JSON nor a journal of pytest-otlp")
    yield from _encoded(resource, pending)


def _finals(path: Path) -> Iterator[tuple[Attributes, list[Record]]]:
    """What became final, event by event; at the end what the run left open."""
    run, trace, resource = Run(), None, None
    for event in _events(path):
        if isinstance(event, SessionStarted):
            if event.version > events.VERSION:
                raise SourceError(f"{path}: written by a newer pytest-otlp (format {event.version}); update it")
            trace, resource = Trace.of(event), Progress.resource_of(path) or event.resource
            yield resource, [marker(trace, None)]
        if trace is not None and resource is not None:
            yield resource, [span for final in run.apply(event) for span in spans_of(trace, final)]
    if trace is not None and resource is not None:
        yield resource, [span for final in run.abandon(path.stat().st_mtime_ns) for span in spans_of(trace, final)]


def _encoded(resource: Attributes, spans: list[Record]) -> Iterable[Request]:
    for payload in encode(resource, spans).payloads:
        assert isinstance(payload.data, bytes)
        yield Request(Kind.TRACES, payload.data, json=False)


def _events(path: Path) -> Iterator[events.Event]:
    with closing(JournalReader(path)) as reader:
        while (lines := reader.lines()) is not None:
            for line in lines:
                try:
                    event = events.decode(line)
                except ValueError:
                    continue  # torn by a full disk, or of a newer version
                if event is not None:
                    yield event
