"""Certificates that are made for a test."""

from __future__ import annotations

from pathlib import Path

import trustme

from support.otlp_server import Tls


class Authority:
    """A certificate authority whose files lie in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self.certificate = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.certificate))

    def issue(self, *names: str, clients: Authority | None = None) -> Tls:
        """A certificate for these names; a server with it asks clients for one of `clients`."""
        issued = self._authority.issue_cert(*names)
        certificate, key = self._folder / f"{names[0]}.pem", self._folder / f"{names[0]}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return Tls(certificate, key, clients.certificate if clients else None)
