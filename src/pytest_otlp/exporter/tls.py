"""TLS from the files that `OTEL_EXPORTER_OTLP_CERTIFICATE` and its like name."""

from __future__ import annotations

import ssl
from pathlib import Path

from pytest_otlp.exporter.destination import TlsFiles, TlsFilesError


def client_context(files: TlsFiles, alpn: str) -> ssl.SSLContext:
    """A context that verifies the server, and offers one protocol. Raises TlsFilesError."""
    context = ssl.create_default_context(cafile=_certificate(files.certificate))
    context.set_alpn_protocols([alpn])
    if files.client_certificate:
        try:
            context.load_cert_chain(files.client_certificate, files.client_key or None, _no_password)
        except OSError as error:
            raise TlsFilesError(f"client certificate {files.client_certificate}: {_why(error)}") from error
    return context


def _certificate(path: str) -> str | None:
    if not path:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        raise TlsFilesError(f"certificate {path}: {_why(error)}") from error
    return path


def read_pem(path: str) -> bytes | None:
    """The content of a file that `client_context` took; None for no path."""
    return Path(path).read_bytes() if path else None


def _no_password() -> str:
    # Without this, OpenSSL would ask at the terminal.
    return ""


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no usable PEM file ({error.reason or 'unknown format'})"
    return error.strerror or "cannot be read"
