"""Files into a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_otlp.viewer import stored
from pytest_otlp.viewer.otlp import BrokenError
from pytest_otlp.viewer.sources import Request, SourceError, is_store, not_otlp, requests_in
from pytest_otlp.viewer.store import Store


def load(store: Store, path: Path, run: str = "", *, warn: Callable[[str], object]) -> int:
    """Writes what a file holds; the number of spans and log records in it. Of another store one run is taken: `run`,
    else the newest. `warn` hears of an end that is cut off.

    Raises:
        SourceError: it is no file of that kind, or part of it cannot be read; what came before that is written.
        WriteError: the store cannot be written.
    """
    taken = 0
    try:
        for request in stored.requests_in(path, run) if is_store(path) else requests_in(path, warn):
            taken += _written(store, path, request)
    except SourceError as error:
        error.taken = taken
        raise
    return taken


def _written(store: Store, path: Path, request: Request) -> int:
    try:
        return store.offer(request.kind, request.body, json=request.json, live=False).result()
    except BrokenError as error:
        raise (not_otlp(path, request.line) if request.json else SourceError(f"{path}: {error}")) from None
