"""`pytest-otlp view`: what its arguments say, done."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import re
import signal
import sys
import webbrowser
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pytest_otlp.viewer import page
from pytest_otlp.viewer.guard import Guard, guard_for, is_loopback, state_folder, token_in
from pytest_otlp.viewer.loading import load
from pytest_otlp.viewer.page import NoPageError
from pytest_otlp.viewer.retention import Keep
from pytest_otlp.viewer.service import BusyPortError, Ports, Service
from pytest_otlp.viewer.sources import SourceError
from pytest_otlp.viewer.store import IN_MEMORY, Store, StoreError, WriteError

OK, FAILED, MISUSE = 0, 1, 2
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_PORT = 65_535
_GC = (50_000, 20, 50)
"""Looking for cycles among the many small messages would take a fifth of the time; they have none."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `pytest-otlp view`."""
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument(
        "--db", metavar="PATH", help="where runs are kept, or :memory: (default: the user's state folder)"
    )
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="OTLP/JSON or a journal",
    )
    parser.add_argument("--keep-runs", type=_number, default=Keep().runs, metavar="N", help="default 50; 0 for all")
    parser.add_argument(
        "--keep-bytes", type=_bytes, default=Keep().bytes, metavar="SIZE", help="as 500M or 2G; default 2G"
    )
    defaults = Ports()
    parser.add_argument(
        "--http-port", type=_port, default=defaults.http, metavar="PORT", help="OTLP/HTTP; default 4318"
    )
    parser.add_argument(
        "--grpc-port", type=_port, default=defaults.grpc, metavar="PORT", help="OTLP/gRPC; default 4317"
    )
    parser.add_argument("--page-port", type=_port, default=defaults.page, metavar="PORT", help="the page; default 4319")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="to listen on; beyond loopback, senders need the token too",
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name of this machine in requests"
    )
    parser.add_argument(
        "--trace-url", default="", metavar="TEMPLATE", help="link to another backend, with {trace_id} in it"
    )


def _port(text: str) -> int:
    number = _number(text)
    if number > _PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use 1 to {_PORT}, or 0 for any that is free")
    return number


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number")
    return int(text)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMGT]?)(i?B)?", text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no size: use a number of bytes, or one with K, M or G")
    return int(found[1]) * _UNITS[found[2].upper()]


def run(options: argparse.Namespace, say: Callable[[str], None], fail: Callable[[str], int]) -> int:
    """Listens until it is told to end. `say` prints a line, `fail` tells misuse and gives its exit code."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    gc.set_threshold(*_GC)
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
        _import(service.store, options.imports)
    except (SourceError, WriteError) as error:
        service.close()
        return fail(str(error))
    _tell(service, options, guard, keep, say)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        service.run()
    return OK


def _service(options: argparse.Namespace, folder: Path, guard: Guard, keep: Keep) -> Service:
    place = options.db or str(folder / "runs.db")
    path = place if place == IN_MEMORY else Path(place).absolute()
    ports = Ports(options.http_port, options.grpc_port, options.page_port)
    return Service(options.host, ports, guard, lambda live: Store(path, keep, live.publish), keep, options.trace_url)


def _import(store: Store, paths: Iterable[Path]) -> None:
    """Raises:
    SourceError: a file cannot be read.
    """
    for path in paths:
        load(store, path)


def _tell(service: Service, options: argparse.Namespace, guard: Guard, keep: Keep, say: Callable[[str], None]) -> None:
    address = f"{service.page}/#token={guard.token}"
    kept = f"{keep.runs or 'all'} runs" + (f" or {keep.bytes / 1024**3:.3g} GB" if keep.bytes else "")
    say(f"page: {address}")
    say(f"listening: OTLP/HTTP {service.http}, gRPC {service.grpc}; kept: {kept} in {service.store.place}")
    try:
        page.check()
    except NoPageError as error:
        say(str(error))
    say("send a run: pytest --otel --otel-logs=on" + _exposed(options, service))
    sys.stdout.flush()
    if options.open:
        webbrowser.open(address)


def _exposed(options: argparse.Namespace, service: Service) -> str:
    """What senders need beyond the defaults."""
    if is_loopback(options.host):
        return "" if service.http.endswith(":4318") else f" --otel-endpoint={service.http}"
    return f" --otel-endpoint={service.http}, with OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20<the token above>"


if __name__ == "__main__":
    _parser = argparse.ArgumentParser("pytest-otlp view")
    add_arguments(_parser)

    def _fail(text: str) -> int:
        print(f"pytest-otlp: {text}", file=sys.stderr)  # noqa: T201
        return MISUSE

    sys.exit(run(_parser.parse_args(), print, _fail))
