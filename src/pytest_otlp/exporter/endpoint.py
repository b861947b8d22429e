"""Settings into a way of sending.

What a way needs is imported with the choice: imports are what starting costs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TextIO, cast
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from pytest_otlp import headers
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
        every = {**authorization, **own.headers}
        yield (
            Signal(name),
            Destination(urlunsplit(url), every, own.compression == "gzip", own.tls, proxy=_proxy_for(url)),
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


def _signal_settings(env: Mapping[str, str], signal: str) -> SignalSettings:
    try:
        parsed = headers.parse(headers.variable(env, signal, "HEADERS")[1])
    except ValueError:
        parsed = {}
    names = ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")
    files = TlsFiles(*(headers.variable(env, signal, name)[1] for name in names))
    compression = headers.variable(env, signal, "COMPRESSION")[1].strip().lower()
    return SignalSettings(parsed, files, "none" if compression == "none" else "gzip")
