"""Where and how one signal is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class TlsFiles(NamedTuple):
    """Paths of PEM files; empty where there is none."""

    certificate: str = ""
    """The only authorities to trust; without it, those of the system."""
    client_key: str = ""
    client_certificate: str = ""


class TlsFilesError(Exception):
    """A file cannot be used; the message says which and why."""


class Destination(NamedTuple):
    url: str
    """Without user info; for gRPC scheme, host and port."""
    headers: Mapping[str, str] = {}
    gzip: bool = True
    tls: TlsFiles = TlsFiles()
    proxy: str = ""
    """URL of an HTTP proxy, with its user info; empty for none. gRPC finds it by itself where this is not empty."""
