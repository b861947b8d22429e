"""The report file: one run with all its details, in one HTML file or a folder."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pytest_otlp.version import __version__
from pytest_otlp.viewer import page, reading, static, stored
from pytest_otlp.viewer.changes import Changes
from pytest_otlp.viewer.loading import load
from pytest_otlp.viewer.merge import merge
from pytest_otlp.viewer.retention import Keep
from pytest_otlp.viewer.sources import SourceError, is_store
from pytest_otlp.viewer.store import Store

CHUNK = 100
"""Tests whose details are opened together."""
_MOST_ROWS = 2**31
_STYLE = b'<link rel="stylesheet" href="report.css">'
_SCRIPT = b'<script src="report.js"></script>'
_POLICY = "default-src 'none'; img-src data:; connect-src 'none'; base-uri 'none'; form-action 'none'"


class Written(NamedTuple):
    """What became of it."""

    path: Path
    tests: int
    bytes: int


def report(
    sources: Sequence[Path],
    out: Path,
    *,
    folder: bool = False,
    runs: Sequence[str] = (),
    trace_url: str = "",
    warn: Callable[[str], object] = lambda _: None,
) -> Written:
    """Writes the report of what the sources hold: journals, OTLP/JSON, stores.

    Of a source with several runs the newest is taken, or those that `runs` names; what is taken are shards of one run.

    Raises:
        SourceError: a source cannot be read, or has no run in it, or a run is in none of them.
        OSError: the report cannot be written.
        NoPageError: this installation has no page.
    """
    page.check()
    with tempfile.TemporaryDirectory(prefix="pytest-otlp-") as place:
        loader = _Loader(Path(place, "runs.db"))
        try:
            taken = dict.fromkeys([run for source in sources for run in loader.take(source, runs, warn)])
            if unknown := [run for run in runs if run not in taken]:
                raise SourceError(f"{', '.join(map(str, sources))}: no run {unknown[0]} in it")
            with loader.store.writing() as connection:
                merged = merge(connection, list(taken))
            with loader.store.reading() as connection:
                return _write(connection, merged, out, folder=folder, trace_url=trace_url)
        finally:
            loader.store.close()


def told(written: Written) -> str:
    """One line."""
    tests = f"{written.tests} test{'' if written.tests == 1 else 's'}"
    size = written.bytes / 1024
    return f"{written.path}: {tests}, " + (f"{size:.0f} KB" if size < 1024 else f"{size / 1024:.1f} MB")


class _Loader:
    """Sources into a store that lasts as long as the report takes."""

    def __init__(self, path: Path) -> None:
        self._seen: dict[str, None] = {}
        self.store = Store(path, Keep(0, 0), self._note)

    def _note(self, changes: Changes) -> None:
        self._seen.update(dict.fromkeys(changes.runs))

    def take(self, source: Path, wanted: Sequence[str], warn: Callable[[str], object]) -> list[str]:
        """The ids of the runs that the report takes from a source."""
        if is_store(source):
            chosen = _chosen(source, stored.runs_in(source), wanted)
            for run in chosen:
                load(self.store, source, run, warn=warn)
            return chosen
        self._seen = {}
        load(self.store, source, warn=warn)
        with self.store.reading() as connection:
            known = [told["id"] for told in reading.runs(connection, 0) if told["id"] in self._seen]
        return _chosen(source, known, wanted)


def _chosen(source: Path, known: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Which of a source's runs, the newest first, are taken."""
    found = [run for run in known if run in wanted]
    if not found and (len(known) == 1 or not wanted):
        found = list(known[:1])
    if not found:
        raise SourceError(
            f"{source}: no run {' or '.join(wanted)} in it" if known else f"{source}: no run of pytest in it"
        )
    return found


def _write(store: sqlite3.Connection, run: str, out: Path, *, folder: bool, trace_url: str) -> Written:
    told = _told(store, run, trace_url)
    script, style = (page.file(name)[0].replace(b"\r\n", b"\n") for name in ("report.js", "report.css"))
    target = out / "index.html" if folder else out
    target.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        _replace(out / "report.js", [script])
        _replace(out / "report.css", [style])
        parts = _Parts(
            "'self'", "'self'", b'<link rel="stylesheet" href="report.css">', b'<script src="report.js"></script>'
        )
    else:
        _refuse_markup(script, style)
        parts = _Parts(_hash(script), _hash(style), b"<style>%b</style>" % style, b"<script>%b</script>" % script)
    size = _replace(target, _document(store, run, told, parts))
    return Written(target, told["runs"][0]["tests"], size)


class _Parts(NamedTuple):
    """Script and style, as the policy and the markup have them."""

    script_source: str
    style_source: str
    style: bytes
    script: bytes


def _refuse_markup(script: bytes, style: bytes) -> None:
    """A page that would end its own element is a broken build."""
    if b"</script" in script.lower() or b"<!--" in script or b"</style" in style.lower():
        raise page.NoPageError("the page of this installation cannot be put into one file; use --dir")


def _hash(text: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"


def _told(store: sqlite3.Connection, run: str, trace_url: str) -> dict[str, Any]:
    """Everything but the details."""
    now = time.time_ns() // 1000
    info = {
        "version": __version__,
        "protocol": 1,
        "receiver": "",
        "now": now,
        "endpoints": {},
        "traceUrl": trace_url,
        "keeps": {"runs": 0, "bytes": 0},
        "live": False,
        "history": False,
        "problems": [],
    }
    return {
        "info": info,
        "runs": [reading.run(store, run, now)],
        "tests": {run: reading.tests(store, run, most=_MOST_ROWS)},
        "fixtures": {run: reading.fixtures(store, run)},
        "chunks": {run: {"size": CHUNK, "first": 0}},
        "traces": [],
    }


def _document(store: sqlite3.Connection, run: str, told: dict[str, Any], parts: _Parts) -> Iterator[bytes]:
    policy = f"{_POLICY}; script-src {parts.script_source}; style-src {parts.style_source}"
    title = html.escape(f"{told['runs'][0]['service']}: test report")
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title>"
    ).encode("ascii", "xmlcharrefreplace")
    yield parts.style + b'</head>\n<body>\n<div id="app"></div>\n'
    # All of the file is ASCII: browsers take far longer over text that is not, before they paint any of it.
    yield static.summary(store, told["runs"][0], run).encode("ascii", "xmlcharrefreplace")
    yield _block("summary", told)
    yield parts.script + b"\n"
    known = reading.run_key(store, run)
    for number, start in enumerate(range(0, told["runs"][0]["tests"], CHUNK)):
        yield _block(f"details-{number}", reading.details(store, known, start, start + CHUNK, ids=False))
    yield b'<script type="application/octet-stream" id="pytest-otlp-end"></script>\n</body></html>\n'


def _block(name: str, data: Any) -> bytes:
    """Inert, and of an alphabet that can end no element."""
    packed = gzip.compress(
        json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace"), 6, mtime=0
    )
    head = f'<script type="application/octet-stream" id="pytest-otlp-{name}" data-encoding="gzip+base64">'
    return head.encode() + base64.b64encode(packed) + b"</script>\n"


def _replace(path: Path, pieces: Iterable[bytes]) -> int:
    """Writes a file that is there whole or not at all; its size in bytes.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with new.open("wb") as file:
            size = sum(map(file.write, pieces))
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    return size
