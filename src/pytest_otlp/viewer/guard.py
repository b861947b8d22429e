"""Who may ask for what: the first thing that a request meets."""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Guard(NamedTuple):
    """What the two ports ask for."""

    token: str
    exposed: bool
    """Listens on more than loopback: senders need the token as well."""
    names: frozenset[str]
    """Host names beside those of loopback."""

    def admits(self, host: str) -> bool:
        """Whether a `Host` header names this machine.

        A page of somebody else's can make its own name point here (DNS rebinding), but never an address.
        """
        name = _name_of(host)
        if name in self.names or name in LOOPBACK or name.endswith(".localhost"):
            return True
        return _is_address(name, loopback_only=not self.exposed)

    def knows(self, token: str) -> bool:
        """Whether it is the token, in the same time for any that is not."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    @property
    def page_key(self) -> str:
        """What the page shows instead of the token.

        It is good for the page alone: a browser sends cookies to each port of a name, whoever listens there.
        """
        return hmac.new(self.token.encode(), b"page", "sha256").hexdigest()

    def knows_page(self, key: str) -> bool:
        return hmac.compare_digest(key.encode("utf-8", "replace"), self.page_key.encode())

    def may_send(self, authorization: str) -> bool:
        """Whether somebody with this `Authorization` header may send telemetry."""
        scheme, _, token = authorization.partition(" ")
        return not self.exposed or (scheme.lower() == "bearer" and self.knows(token.strip()))


def _name_of(host: str) -> str:
    """A `Host` header without its port, in small letters."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _is_address(name: str, *, loopback_only: bool) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or not loopback_only


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    return host == "localhost" or _is_address(host, loopback_only=True)


def guard_for(host: str, names: Iterable[str], token: str) -> Guard:
    exposed = not is_loopback(host)
    own = [host, socket.gethostname()] if exposed else []
    return Guard(token, exposed, frozenset(name.lower() for name in (*names, *own)))


def token_in(folder: Path) -> str:
    """The token of this user, made where there is none; only its owner can read it.

    Raises:
        OSError: it can be neither read nor made.
    """
    path = folder / "view-token"
    try:
        token = path.read_text("ascii").strip()
    except FileNotFoundError:
        return _new_token(path)
    return token if len(token) >= 32 else _new_token(path)


def _new_token(path: Path) -> str:
    """Two that start at once agree on the one that was there first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32))
    try:
        os.link(own, path)
    except OSError:
        if not path.exists() or len(path.read_text("ascii").strip()) < 32:
            own.replace(path)
    own.unlink(missing_ok=True)
    return path.read_text("ascii").strip()
