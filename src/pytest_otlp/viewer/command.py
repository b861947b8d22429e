"""`pytest-otlp view`: what its arguments say, done."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pytest_otlp.presence import noted, state_folder
from pytest_otlp.viewer import browser, page
from pytest_otlp.viewer.arguments import Ports
from pytest_otlp.viewer.guard import Guard, guard_for, is_loopback, token_in
from pytest_otlp.viewer.loading import load
from pytest_otlp.viewer.page import NoPageError
from pytest_otlp.viewer.retention import Keep
from pytest_otlp.viewer.service import BusyPortError, Service
from pytest_otlp.viewer.sources import SourceError
from pytest_otlp.viewer.store import IN_MEMORY, Store, StoreError, WriteError

_SWITCH = 0.001
"""s after which the writer makes way for those who ask, and for what comes in."""
_GC = (50_000, 20, 50)
"""Looking for cycles among the many small messages would take a fifth of the time; they have none."""


_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def run(options: argparse.Namespace, say: Callable[[str], None], fail: Callable[[str], int]) -> int:
    """Listens until it is told to end. `say` prints a line, `fail` tells misuse and gives its exit code."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    gc.set_threshold(*_GC)
    sys.setswitchinterval(_SWITCH)
    folder = state_folder(os.environ, Path.home())
    keep = Keep(options.keep_runs, options.keep_bytes)
    try:
        guard = guard_for(options.host, options.allow_host, token_in(folder))
        service = _service(options, folder, guard, keep)
    except (BusyPortError, StoreError) as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename or folder}: {error.strerror or error}")
    try:
        _import(service.store, options.imports, say, fail)
    except (SourceError, WriteError) as error:
        service.close()
        return fail(f"{error}{_stored(error)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), noted(folder, service.local_ports, service.local_page):
        _tell(service, options, guard, keep, say)
        service.run()
    return 0


def _service(options: argparse.Namespace, folder: Path, guard: Guard, keep: Keep) -> Service:
    place = options.db or str(folder / "runs.db")
    path = place if place == IN_MEMORY else Path(place).absolute()
    ports = Ports(options.http_port, options.grpc_port, options.page_port)
    return Service(options.host, ports, guard, lambda live: Store(path, keep, live.publish), keep, options.trace_url)


def _import(store: Store, paths: Iterable[Path], say: Callable[[str], None], warn: Callable[[str], object]) -> None:
    """Raises:
    SourceError: a file cannot be read.
    """
    for path in paths:
        say(f"imported: {load(store, path, warn=warn)} spans and log records of {path}")


def _stored(error: Exception) -> str:
    """What is in the store of a file that was refused."""
    taken = error.taken if isinstance(error, SourceError) else 0
    return f"; the {taken} spans and log records before it are in the store" if taken else ""


def _tell(service: Service, options: argparse.Namespace, guard: Guard, keep: Keep, say: Callable[[str], None]) -> None:
    address = f"{service.page}/#token={guard.token}"
    kept = f"{keep.runs or 'all'} runs" + (f" or {_size(keep.bytes)}" if keep.bytes else "")
    say(f"page: {address}")
    say(f"listening: OTLP/HTTP {service.http}, gRPC {service.grpc}; kept: {kept} in {service.store.place}")
    try:
        page.check()
    except NoPageError as error:
        say(str(error))
    near = f"{service.local_page}/#token={guard.token}" if service.local_ports else address
    if options.open and (problem := browser.show(near, os.environ)):
        say(problem)
    say("send a run: pytest --otel --otel-logs=on" + _exposed(options, service))
    sys.stdout.flush()


def _size(number: float) -> str:
    """As `--keep-bytes` takes it."""
    unit = 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.4g} {_UNITS[unit]}"


def _exposed(options: argparse.Namespace, service: Service) -> str:
    """What senders need beyond the defaults."""
    if is_loopback(options.host):
        return "" if service.http.endswith(":4318") else f" --otel-endpoint={service.http}"
    return f" --otel-endpoint={service.http}, with OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20<the token above>"
