"""Text from users as values: each function returns the value, or raises ValueError with the remedy as its text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from string import Formatter
from urllib.parse import SplitResult, urlsplit

from pytest_otlp.namedtuple import NamedTuple

_LONGEST_WAIT = 3600
_WEB = ("http://", "https://")
_NOT_IN_URL = re.compile(r"[\s\x00-\x20\x7f]")
_HOST = re.compile(r"[\w.~%!$&'()*+,;=:-]+")
"""RFC 3986, section 3.2.2; letters of other scripts too, as `\\w` has them."""
_PORT_REMEDY = "port out of range; use 1 to 65535, usually 4318 (HTTP) or 4317 (gRPC)"


class Parent(NamedTuple):
    """The span that started this run, as W3C Trace Context tells it."""

    trace_id: str
    span_id: str
    sampled: bool
    trace_state: str = ""


def one_of(*words: str) -> Callable[[str], str]:
    """A function that takes these words only."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"use one of {', '.join(words)}")
        return text

    return parse


parse_protocol = one_of("grpc", "http/protobuf")
parse_detail = one_of("tests", "phases", "fixtures")
parse_trace_per = one_of("auto", "run", "file", "test")
parse_output = one_of("failed", "all", "none")
parse_compression = one_of("gzip", "none")


def parse_words(text: str) -> tuple[str, ...]:
    """Words for comparison with names: lower case, divided by blanks, commas or line ends."""
    return tuple(text.lower().replace(",", " ").split())


def parse_name(text: str) -> str:
    """Raises:
    ValueError: it is blank.
    """
    if not text.strip():
        raise ValueError("give a name")
    return text


def parse_file(text: str) -> str:
    """The absolute path of a file to write; its folder may be missing, and is made then.

    Raises:
        ValueError: it is blank, no file (a folder, a device), or cannot be written.
    """
    path = Path(os.path.abspath(text))
    try:
        if not text.strip() or (path.exists() and not path.is_file()):
            raise ValueError("name a file, as report.html")
        # It is written beside and put into its place, so that its folder matters.
        folder = next(folder for folder in path.parents if folder.exists())
        writable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise ValueError(f"cannot be written ({error.strerror or error}); name another file") from None
    if not writable:
        reason = "cannot be written to" if folder.is_dir() else "is no folder"
        raise ValueError(f"cannot be written ({folder} {reason}); name a file in another folder")
    return str(path)


def parse_seconds(text: str) -> float:
    """Raises:
    ValueError: it is no number from 0 to 3600.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _LONGEST_WAIT:
        raise ValueError(f"give seconds from 0 to {_LONGEST_WAIT}, like 5 or 0.5")
    return seconds


def parse_milliseconds(text: str) -> float:
    """The specification's unit of `OTEL_EXPORTER_OTLP_TIMEOUT`; returns seconds.

    0 is no limit (OpenTelemetry configuration schema, `OtlpHttpExporter.timeout`); here it is the longest there is.

    Raises:
        ValueError: it is no whole number, or below 0.
    """
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text):
        raise ValueError("give milliseconds, like 10000")
    return int(text) / 1000 or float(_LONGEST_WAIT)


def parse_traceparent(text: str) -> Parent:
    """Reads a `traceparent` (W3C Trace Context, section 3.2): version 00, and later versions by their first fields.

    Raises:
        ValueError: it is malformed, or an id is all zero.
    """
    form = "give version-traceid-spanid-flags in lower-case hex, like 00-<32 digits>-<16 digits>-01, or github"
    match = re.fullmatch(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", text.strip())
    if not match or match[1] == "ff" or (match[1] == "00" and match[5]):
        raise ValueError(form)
    if not int(match[2], 16) or not int(match[3], 16):
        raise ValueError(f"an id of zeros is invalid; {form}")
    return Parent(match[2], match[3], sampled=bool(int(match[4], 16) & 1))


def parse_trace_url(text: str) -> str:
    """Raises:
    ValueError: the template has other placeholders than `{trace_id}` and `{run_id}`, or none of them.
    """
    remedy = "give a URL with {trace_id} or {run_id}, like http://localhost:16686/trace/{trace_id}"
    try:
        fields = {tuple(field) for _, *field in Formatter().parse(text) if field[0] is not None}
    except ValueError:
        raise ValueError(remedy) from None
    if not fields or fields - {("trace_id", "", None), ("run_id", "", None)} or not text.startswith(_WEB):
        raise ValueError(remedy)
    return text


def parse_url(text: str) -> str:
    """Checks the URL of an OTLP endpoint.

    Raises:
        ValueError: the scheme is none of ours, the host is missing, or the port is out of range.
    """
    return _checked_url(text.strip(), "http://HOST:PORT or https://HOST:PORT")


def _checked_url(text: str, forms: str) -> str:
    url = _split(text)
    if url.scheme not in ("http", "https"):
        raise ValueError(f"unknown scheme; use {forms}")
    if not url.hostname:
        raise ValueError("no host; use http://HOST:PORT")
    if _NOT_IN_URL.search(text) or not _HOST.fullmatch(url.hostname):
        raise ValueError("blanks and quotes cannot be in a URL; use http://HOST:PORT")
    if url.query or url.fragment:
        raise ValueError("a query or fragment is not sent; put credentials into OTEL_EXPORTER_OTLP_HEADERS")
    return text


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
    except ValueError as error:
        raise ValueError(f"no URL ({error}); use http://HOST:PORT") from None
    try:
        port = url.port
    except ValueError:
        raise ValueError(_PORT_REMEDY) from None
    if port == 0:
        raise ValueError(_PORT_REMEDY)
    return url


def parse_endpoint(text: str) -> str:
    """Checks an endpoint and returns it.

    Raises:
        ValueError: it is no URL of ours, or its file cannot be written.
    """
    if text == "console:":
        return text
    if text.startswith("file:"):
        _check_writable(text.removeprefix("file:"))
        return text
    return _checked_url(text.strip(), "http://HOST:PORT, https://HOST:PORT, file:PATH or console:")


def _check_writable(path: str) -> None:
    if not path:
        raise ValueError("no path; use file:PATH, like file:run.jsonl")
    try:
        if not Path(path).is_fifo():
            with open(path, "ab"):
                return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"cannot be written ({reason}); name a file in a folder that exists") from None
    raise ValueError("is a pipe, which cannot be opened until somebody reads it; name a file")
