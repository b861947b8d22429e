"""Where the data goes: the rules that make one endpoint per signal out of what was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from pytest_otlp.namedtuple import NamedTuple

DEFAULT_ENDPOINT = "http://localhost:4318"
SIGNALS = ("traces", "metrics", "logs")
_GRPC_PORT = 4317
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Endpoint(NamedTuple):
    """Where the data goes."""

    kind: str
    """http, grpc, file, console, or html, which sends nothing: the report is made of the journal."""
    urls: Mapping[str, str]
    """By signal, for http and grpc; a signal without one is not sent."""
    path: str = ""
    """Of a file or a report."""

    @property
    def target(self) -> str:
        """For people: host and port without user info and path, or the file."""
        if self.kind in ("file", "console", "html"):
            return self.path or "console"
        url = urlsplit(self.urls["traces"])
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        return f"{host}:{self.port}"

    @property
    def local(self) -> bool:
        return urlsplit(self.urls.get("traces", "")).hostname in _LOOPBACK

    @property
    def port(self) -> int:
        """Of http and grpc."""
        url = urlsplit(self.urls["traces"])
        return url.port or (443 if url.scheme == "https" else 80)


def from_base(base: str, protocol: str) -> Endpoint:
    """The endpoint of a base URL that somebody typed. `protocol` is empty where the port decides."""
    kind = _kind(base, protocol)
    return Endpoint(kind, {signal: _appended(base, signal) if kind == "http" else base for signal in SIGNALS})


def from_environment(url: Callable[[str], str], protocol: str) -> Endpoint:
    """The rules of the OTLP exporter's specification, "Endpoint URLs for OTLP/HTTP".

    `url` gives the checked value of a variable, empty where there is none. Where only the traces have an endpoint,
    metrics and logs have none: a default that was not meant would be asked.
    """
    base = url("OTEL_EXPORTER_OTLP_ENDPOINT")
    given = {signal: url(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT") for signal in SIGNALS}
    own = {signal: text for signal, text in given.items() if text}
    if base or "traces" not in own:
        own = {**from_base(base or DEFAULT_ENDPOINT, protocol).urls, **own}
    return Endpoint(_kind(own["traces"], protocol), own)


def _kind(url: str, protocol: str) -> str:
    if protocol:
        return "grpc" if protocol == "grpc" else "http"
    return "grpc" if urlsplit(url).port == _GRPC_PORT else "http"


def _appended(base: str, signal: str) -> str:
    """The base with the signal's path; a base that is pasted with the path of the traces counts without it."""
    return f"{base.rstrip('/').removesuffix('/v1/traces')}/v1/{signal}"
