"""Settings into a way of sending.

What a way needs is imported with the choice: imports are what starting costs.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TextIO, cast
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from pytest_otlp.exporter.destination import Destination, TlsFiles
from pytest_otlp.exporter.records import Signal
from pytest_otlp.exporter.secrecy import basic
from pytest_otlp.exporter.transport import Transport

Kind = Literal["http", "grpc", "file", "console", "html"]
Compression = Literal["gzip", "none"]


class SignalSettings(NamedTuple):
    """What the environment may tell for each signal."""

    headers: Mapping[str, str] = {}
    tls: TlsFiles = TlsFiles()
    compression: Compression = "gzip"


class EndpointSettings(NamedTuple):
    """Where to send, and with what."""

    kind: Kind
    urls: Mapping[str, str] = {}
    """Full URLs by signal (`traces`, `metrics`, `logs`), for gRPC without a path; a signal without one is refused."""
    path: str = ""
    """Of the file or the report."""
    signals: Mapping[str, SignalSettings] = {}


def settings_from(kind: str, urls: Mapping[str, str], path: str, env: Mapping[str, str]) -> EndpointSettings:
    """The settings with what the environment adds to them; a variable with a bad value counts as not set."""
    signals = {signal.value: _signal_settings(env, signal.value) for signal in Signal}
    return EndpointSettings(cast("Kind", kind), urls, path, signals)


def headers_from(env: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Headers by signal, from `OTEL_EXPORTER_OTLP_<SIGNAL>_HEADERS`, else from `OTEL_EXPORTER_OTLP_HEADERS`.

    Raises ValueError, with the variable's and the header's name but never with a value, where it could not be sent.
    """
    return {signal.value: _parsed_headers(*_variable(env, signal.value, "HEADERS")) for signal in Signal}


def parse_headers(text: str) -> dict[str, str]:
    """Reads `name=value,name=value` with percent-encoded values (W3C Baggage, without its properties).

    Names become lower-case. Raises ValueError; the message names the header, never the value.
    """
    headers = {}
    for member in filter(str.strip, text.split(",")):
        name, equals, value = member.partition("=")
        name, value = name.strip().lower(), unquote(value).strip(_BLANK)
        # What is no name may be a secret that was pasted without one.
        if not equals or not _NAME.fullmatch(name):
            raise ValueError("has an entry that is no name=value")
        if _CONTROL.search(value):
            raise ValueError(f"has a control character in the value of {name}")
        headers[name] = value
    return headers


_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
"""A token (RFC 9110, 5.6.2)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BLANK = " \t"
"""White space around a value (RFC 9110, 5.6.3): a line break at its end is one in it, as the run's first lines say."""


def transport_for(settings: EndpointSettings, stream: TextIO | None = None) -> Transport:
    """The way of sending. The console writes to `stream`, by default standard error."""
    if settings.kind == "console":
        from pytest_otlp.exporter.console import ConsoleTransport  # noqa: PLC0415

        return ConsoleTransport(stream or sys.stderr)
    if settings.kind == "html":
        from pytest_otlp.exporter.nowhere import NowhereTransport  # noqa: PLC0415

        return NowhereTransport(settings.path)
    if settings.kind == "file":
        from pytest_otlp.exporter.otlp_file import FileTransport  # noqa: PLC0415

        return FileTransport(settings.path)
    if settings.kind == "grpc":
        from pytest_otlp.exporter.otlp_grpc import GrpcTransport  # noqa: PLC0415

        return GrpcTransport(dict(_destinations(settings)))
    from pytest_otlp.exporter.otlp_http import HttpTransport  # noqa: PLC0415

    return HttpTransport(dict(_destinations(settings)))


def _destinations(settings: EndpointSettings) -> Iterator[tuple[Signal, Destination]]:
    for name, text in settings.urls.items():
        url, authorization = _without_user_info(urlsplit(text))
        own = settings.signals.get(name, SignalSettings())
        headers = {**authorization, **own.headers}
        yield (
            Signal(name),
            Destination(urlunsplit(url), headers, own.compression == "gzip", own.tls, proxy=_proxy_for(url)),
        )


def _without_user_info(url: SplitResult) -> tuple[SplitResult, dict[str, str]]:
    user_info, at, host = url.netloc.rpartition("@")
    return url._replace(netloc=host), {"authorization": basic(unquote(user_info))} if at else {}


def _proxy_for(url: SplitResult) -> str:
    """The proxy that the usual variables name for a URL; none for this machine itself."""
    host = url.hostname or ""
    if not _PROXY_VARIABLES & {name.lower() for name in os.environ} or _is_loopback(host):
        return ""
    from urllib.request import getproxies_environment, proxy_bypass  # noqa: PLC0415

    proxies = getproxies_environment()
    if proxy_bypass(host):
        return ""
    proxy = proxies.get(url.scheme) or proxies.get("all") or ""
    proxy = proxy if "://" in proxy or not proxy else f"http://{proxy}"
    return proxy if proxy.startswith("http://") else ""


_PROXY_VARIABLES = {"http_proxy", "https_proxy", "all_proxy"}


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or host == "::1" or host.startswith("127.")


def _variable(env: Mapping[str, str], signal: str, name: str) -> tuple[str, str]:
    """Name and value of a signal's own variable, or of the general one; an empty one counts as not set."""
    own, general = f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", f"OTEL_EXPORTER_OTLP_{name}"
    return (own, env[own]) if env.get(own) else (general, env.get(general, ""))


def _parsed_headers(variable: str, text: str) -> dict[str, str]:
    try:
        return parse_headers(text)
    except ValueError as error:
        raise ValueError(f"{variable} {error}") from None


def _signal_settings(env: Mapping[str, str], signal: str) -> SignalSettings:
    try:
        headers = parse_headers(_variable(env, signal, "HEADERS")[1])
    except ValueError:
        headers = {}
    names = ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")
    files = TlsFiles(*(_variable(env, signal, name)[1] for name in names))
    compression = _variable(env, signal, "COMPRESSION")[1].strip().lower()
    return SignalSettings(headers, files, "none" if compression == "none" else "gzip")
