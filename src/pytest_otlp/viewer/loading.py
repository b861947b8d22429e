"""Files into a store."""

from __future__ import annotations

from pathlib import Path

from pytest_otlp.viewer import stored
from pytest_otlp.viewer.otlp import BrokenError
from pytest_otlp.viewer.sources import SourceError, is_store, requests_in
from pytest_otlp.viewer.store import Store


def load(store: Store, path: Path, run: str = "") -> int:
    """Writes what a file holds; the number of spans and log records in it. Of another store one run is taken: `run`,
    else the newest.

    Raises:
        SourceError: it is no file of that kind, or part of it cannot be read.
        WriteError: the store cannot be written.
    """
    requests = stored.requests_in(path, run) if is_store(path) else requests_in(path)
    try:
        return sum(
            store.offer(request.kind, request.body, json=request.json, live=False).result() for request in requests
        )
    except BrokenError as error:
        raise SourceError(f"{path}: {error}") from None
