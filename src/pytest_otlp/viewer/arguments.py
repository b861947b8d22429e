"""The options of `pytest-otlp view`; reading them needs nothing of the extra."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import NamedTuple

from pytest_otlp import values

KEEP_RUNS, KEEP_BYTES = 50, 2 * 1024**3
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_PORT = 65_535


class Ports(NamedTuple):
    """0 is any that is free."""

    http: int
    grpc: int
    page: int


DEFAULT = Ports(4318, 4317, 4319)


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds them to a parser."""
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
    parser.add_argument("--keep-runs", type=_number, default=KEEP_RUNS, metavar="N", help="default 50; 0 for all")
    parser.add_argument(
        "--keep-bytes", type=_bytes, default=KEEP_BYTES, metavar="SIZE", help="as 500M or 2G; default 2G"
    )
    parser.add_argument("--http-port", type=_port, default=DEFAULT.http, metavar="PORT", help="OTLP/HTTP; default 4318")
    parser.add_argument("--grpc-port", type=_port, default=DEFAULT.grpc, metavar="PORT", help="OTLP/gRPC; default 4317")
    parser.add_argument("--page-port", type=_port, default=DEFAULT.page, metavar="PORT", help="the page; default 4319")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="to listen on; beyond loopback, senders need the token too",
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name of this machine in requests"
    )
    add_trace_url_to(parser)


def add_trace_url_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trace-url",
        type=_trace_url,
        default="",
        metavar="TEMPLATE",
        help="link to another backend, with {trace_id} in it",
    )


def _trace_url(text: str) -> str:
    try:
        return values.parse_trace_url(text) if text else ""
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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
