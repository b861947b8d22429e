"""A connection to one of the ports: how long a request may take to come, and how many there may be at once."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 256
"""Connections to a port: those to all three are fewer than the 1024 files that a process may commonly have open."""
HEAD = 10.0
"""s for a request's head. uvicorn waits for ever; others wait 5 s (hypercorn) to 60 s (nginx, Node)."""
_BODY = 40.0
"""s for its body; the receiver tells the sender earlier."""
_PATIENCE = {h11.IDLE: HEAD, h11.SEND_BODY: _BODY}
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


class Connection(H11Protocol):
    """uvicorn's, within these bounds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waits_for: object = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._crowded():
            transport.write(_FULL)
            transport.close()
        else:
            self._bound()

    def _crowded(self) -> bool:
        """Whether its port, and only that, has too many."""
        return sum(_port(other) == _port(self) for other in self.connections) > MOST

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._bound()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._bound()

    def _bound(self) -> None:
        """Begins to wait for the next part of a request, where it is not what is waited for already."""
        expected = self.conn.their_state
        if expected is not self._waits_for:
            self._stop()
            self._waits_for = expected
            if expected in _PATIENCE:
                self._timer = self.loop.call_later(_PATIENCE[expected], self.transport.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _port(connection: Any) -> int:
    """Its own address is unknown where it is broken already."""
    return int(connection.server[1]) if connection.server else 0
