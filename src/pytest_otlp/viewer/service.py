"""`pytest-otlp view`: the ports, the store and the page, put together and run."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import grpc
import uvicorn

from pytest_otlp.viewer import receiver, receiver_grpc
from pytest_otlp.viewer import state as states
from pytest_otlp.viewer.arguments import Ports
from pytest_otlp.viewer.connection import Connection
from pytest_otlp.viewer.guard import Guard, is_loopback
from pytest_otlp.viewer.live import Live
from pytest_otlp.viewer.receiver_grpc import PortError
from pytest_otlp.viewer.retention import Keep
from pytest_otlp.viewer.store import Store
from pytest_otlp.viewer.web import Web, now

_Message = MutableMapping[str, Any]
_App = Callable[[_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]]
_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared
"""Hosts that stand for every address of this machine, with the one of loopback among these."""


class BusyPortError(Exception):
    """A port cannot be had: which, and what to do."""


def listening(host: str, port: int, option: str) -> socket.socket:
    """A socket that listens already, so that a port in use is known before anything else happens.

    Raises:
        BusyPortError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it, the body of an answer waits 40 ms
    # for the acknowledgement of its head.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if socket.has_dualstack_ipv6() and family == socket.AF_INET6:
            # "::" is every address, as for gRPC: the machine's name may lead to one of IPv4.
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(128)
    except OSError as error:
        found.close()
        raise BusyPortError(_no_port(host, port, option, error)) from error
    return found


def _no_port(host: str, port: int, option: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is in use: another `pytest-otlp view`, a Collector or Jaeger may be running;"
            f" stop it, or use {option} with another port"
        )
    return f"cannot listen on {host} port {port}: {error.strerror or error}; use {option} or --host"


class Service:
    """Everything that listens, from the moment it is made."""

    def __init__(
        self, host: str, ports: Ports, guard: Guard, open_store: Callable[[Live], Store], keep: Keep, trace_url: str
    ) -> None:
        """`open_store`: called when the ports are had.

        Raises:
            BusyPortError: a port cannot be had.
            StoreError: the store cannot be opened.
        """
        self._sockets: list[socket.socket] = []
        self._grpc: grpc.Server | None = None
        self.live = Live()
        try:
            http = self._listen(host, ports.http, "--http-port")
            page = self._listen(host, ports.page, "--page-port")
            listening(host, ports.grpc, "--grpc-port").close()  # gRPC would say it in a line of its own
            self.store = open_store(self.live)
            grpc_port = self._serve_grpc(guard, host, ports.grpc)
        except Exception:
            self._close()
            raise
        self._keep = keep
        self._trace_url = trace_url
        self.http, self.page = f"http://{_shown(host)}:{http}", f"http://{_shown(host)}:{page}"
        self.grpc = f"http://{_shown(host)}:{grpc_port}"
        near = _near(host)
        self.local_ports = (http, grpc_port) if near else ()
        """Where it takes telemetry of this machine."""
        self.local_page = f"http://{_shown(near)}:{page}"
        web = Web(self.store, self.live, guard, self._info, f"pytest-otlp-{page}")
        applications: dict[int, _App] = {
            http: receiver.application(self.store, guard),
            page: web.application(),
        }
        config = uvicorn.Config(
            _Door(applications, guard),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
            ws="none",
            loop="asyncio",
            http=Connection,
        )
        self._server = uvicorn.Server(config)

    def _listen(self, host: str, port: int, option: str) -> int:
        found = listening(host, port, option)
        self._sockets.append(found)
        return int(found.getsockname()[1])

    def _serve_grpc(self, guard: Guard, host: str, port: int) -> int:
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self._grpc, found = receiver_grpc.serve(self.store, guard, address)
        except PortError:
            in_use = OSError(errno.EADDRINUSE, "in use")
            self.store.close()
            raise BusyPortError(_no_port(host, port, "--grpc-port", in_use)) from None
        return found

    def _info(self) -> dict[str, Any]:
        return {
            "endpoints": {"http": self.http, "grpc": self.grpc},
            "traceUrl": self._trace_url,
            "keeps": {"runs": self._keep.runs, "bytes": self._keep.bytes},
            "problems": [],
        }

    def run(self) -> None:
        """Until it is told to end (Ctrl-C, SIGTERM)."""
        try:
            asyncio.run(self._run())
        finally:
            self.close()

    async def _run(self) -> None:
        self._watch()
        ticking = asyncio.create_task(self.live.run())
        try:
            await self._server.serve(self._sockets)
        finally:
            ticking.cancel()

    def _watch(self) -> None:
        """Runs that were under way when an earlier receiver ended."""
        with self.store.reading() as store:
            found = [json.loads(row[0]) for row in store.execute("SELECT state FROM run")]
        for state in found:
            if states.summary(state, now())["state"] == "running":
                self.live.watch(state)

    def close(self) -> None:
        """What was taken is in the store afterwards."""
        self._close()
        self.store.close()

    def _close(self) -> None:
        if self._grpc is not None:
            self._grpc.stop(1).wait()
        for found in self._sockets:
            found.close()


def _shown(host: str) -> str:
    """As it stands in an address; in place of all of this machine's, which is nowhere to go to, its name."""
    if host in _ALL:
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _near(host: str) -> str:
    """The address of loopback at which it listens; empty where it does not."""
    return _ALL.get(host, host if is_loopback(host) else "")


class _Door:
    """The first thing that a request meets: whose port it is, and whether its `Host` names this machine."""

    def __init__(self, applications: dict[int, _App], guard: Guard) -> None:
        self._applications = applications
        self._guard = guard

    async def __call__(self, scope: _Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._guard.admits(hosts[0].decode("latin-1")):
            await _forbid(send)
            return
        await self._applications[scope["server"][1]](scope, receive, send)


async def _forbid(send: Callable[[_Message], Awaitable[None]]) -> None:
    body = b"This name is not one of this machine. `pytest-otlp view --allow-host NAME` admits it.\n"
    headers: Sequence[tuple[bytes, bytes]] = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
