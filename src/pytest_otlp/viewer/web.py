"""The page's own port: its files, its answers, and its stream."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pytest_otlp.version import __version__
from pytest_otlp.viewer import page, reading, retention
from pytest_otlp.viewer import state as states
from pytest_otlp.viewer.guard import Guard
from pytest_otlp.viewer.ledger import Ledger
from pytest_otlp.viewer.live import Client, Live
from pytest_otlp.viewer.page import NoPageError
from pytest_otlp.viewer.reading import UnknownError
from pytest_otlp.viewer.store import Store

PROTOCOL = 1
"""Of what page and server say to one another."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_MOST_SAID = 4_096
"""Bytes of the only body that the page sends."""
_MOST_STREAMS = 64


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class Web:
    """What the page may ask for."""

    def __init__(self, store: Store, live: Live, guard: Guard, info: Callable[[], dict[str, Any]], cookie: str) -> None:
        """`info`: where the receiver listens, and what else the page shows of it; `cookie`: the name of the page's."""
        self._store = store
        self._live = live
        self._guard = guard
        self._info = info
        self._cookie = cookie
        self._streams = 0

    def application(self) -> Starlette:
        """As ASGI has it."""
        get = self._get
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/assets/{path:path}", self._page),
                Route("/favicon.svg", self._page),
                Route("/api/session", self._session, methods=["POST"]),
                Route("/api/info", get(lambda _store, _: self.hello())),
                Route("/api/runs", get(lambda store, _: {"runs": reading.runs(store, now())})),
                Route("/api/runs", self._clear, methods=["DELETE"]),
                Route("/api/runs/{run}", get(lambda store, of: reading.run(store, of["run"], now()))),
                Route("/api/runs/{run}", self._remove, methods=["DELETE"]),
                Route("/api/runs/{run}/tests", get(_tests)),
                Route(
                    "/api/runs/{run}/tests/{n:int}", get(lambda store, of: reading.detail(store, of["run"], of["n"]))
                ),
                Route("/api/runs/{run}/tests/{n:int}/spans/{span}", get(_span_of_test)),
                Route("/api/runs/{run}/fixtures", get(_fixtures)),
                Route("/api/runs/{run}/history", get(_history)),
                Route("/api/runs/{run}/unstable", get(_unstable)),
                Route("/api/traces", self._clear_traces, methods=["DELETE"]),
                Route("/api/traces", get(lambda store, _: {"traces": reading.traces(store)})),
                Route("/api/traces/{trace}", get(lambda store, of: reading.trace(store, of["trace"]))),
                Route("/api/traces/{trace}/spans/{span}", get(_span_of_trace)),
                Route("/api/events", self._events),
            ],
            exception_handlers={HTTPException: _told, UnknownError: _told, ValueError: _told, Exception: _told},
        )

    def hello(self) -> dict[str, Any]:
        """`Info`."""
        return {
            "version": __version__,
            "protocol": PROTOCOL,
            "receiver": self._live.receiver,
            "now": now(),
            "live": True,
            "history": True,
            **self._info(),
        }

    def _get(self, answer: Callable[[Any, dict[str, Any]], Any]) -> Any:
        """An endpoint that reads the store, in a thread: SQLite waits for the disk."""

        def read(of: dict[str, Any]) -> bytes:
            with self._store.reading() as store:
                return json.dumps(answer(store, of), separators=(",", ":")).encode()

        async def endpoint(request: Request) -> Response:
            self._admit(request)
            body = await asyncio.to_thread(read, {**request.query_params, **request.path_params})
            return Response(body, headers={**_HEADERS, "Cache-Control": "no-store"}, media_type="application/json")

        return endpoint

    def _admit(self, request: Request) -> None:
        if not self._guard.knows_page(request.cookies.get(self._cookie, "")):
            raise HTTPException(401, "open the address that `pytest-otlp view` printed: it holds the token")

    async def _page(self, request: Request) -> Response:
        path = request.url.path.lstrip("/") or "index.html"
        try:
            body, kind = await asyncio.to_thread(page.file, path)
        except NoPageError:
            raise HTTPException(404, "there is no such page") from None
        lasting = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
        return Response(body, headers={**_HEADERS, "Cache-Control": lasting}, media_type=kind)

    async def _session(self, request: Request) -> Response:
        """The token for a cookie, which another site's page can neither read nor have sent along."""
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_SAID:
                raise HTTPException(413, "that is no token")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise HTTPException(415, "Content-Type has to be application/json")
        told = json.loads(body)
        token = told.get("token") if isinstance(told, dict) else None
        if not isinstance(token, str) or not self._guard.knows(token):
            raise HTTPException(401, "that is not the token of this receiver: open the address that it printed")
        response = Response(status_code=204, headers=_HEADERS)
        key = self._guard.page_key
        response.set_cookie(self._cookie, key, max_age=365 * 86_400, httponly=True, samesite="strict", path="/")
        return response

    async def _remove(self, request: Request) -> Response:
        self._admit(request)
        run = request.path_params["run"]

        def remove(ledger: Ledger) -> int:
            row = ledger.connection.execute("SELECT no FROM run WHERE id = ?", (run,)).fetchone()
            if row is not None:
                retention.remove(ledger, row[0], run)
            return int(row is not None)

        if not await asyncio.wrap_future(self._store.change(remove)):
            raise UnknownError("there is no such run (any more)")
        return Response(status_code=204, headers=_HEADERS)

    async def _clear(self, request: Request) -> Response:
        self._admit(request)

        def clear(ledger: Ledger) -> int:
            rows = ledger.connection.execute("SELECT no, id, state FROM run").fetchall()
            over = [row for row in rows if states.summary(json.loads(row[2]), now())["state"] != "running"]
            for number, run, _ in over:
                retention.remove(ledger, number, run)
            return len(over)

        await asyncio.wrap_future(self._store.change(clear))
        return Response(status_code=204, headers=_HEADERS)

    async def _clear_traces(self, request: Request) -> Response:
        self._admit(request)
        await asyncio.wrap_future(self._store.change(retention.remove_traces))
        return Response(status_code=204, headers=_HEADERS)

    async def _events(self, request: Request) -> Response:
        self._admit(request)
        if self._streams >= _MOST_STREAMS:
            raise HTTPException(429, "too many pages are open")
        client = self._live.join(self.hello(), request.headers.get("last-event-id", ""))
        headers = {**_HEADERS, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._stream(client), headers=headers, media_type="text/event-stream")

    async def _stream(self, client: Client) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            async for event in client.events():
                yield event
        finally:
            self._streams -= 1
            self._live.leave(client)


def _tests(store: Any, of: dict[str, Any]) -> Any:
    start = int(of.get("from", 0))
    if not 0 <= start < 2**32:
        raise ValueError("from has to be a row number")
    return reading.tests(store, of["run"], start)


def _fixtures(store: Any, of: dict[str, Any]) -> Any:
    return {"fixtures": reading.fixtures(store, of["run"])}


def _history(store: Any, of: dict[str, Any]) -> Any:
    return {"history": reading.history(store, of["run"], of.get("nodeid", ""))}


def _unstable(store: Any, of: dict[str, Any]) -> Any:
    return {"unstable": reading.unstable(store, of["run"])}


def _span_of_test(store: Any, of: dict[str, Any]) -> Any:
    return reading.span_of_test(store, of["run"], of["n"], of["span"])


def _span_of_trace(store: Any, of: dict[str, Any]) -> Any:
    return reading.span_of_trace(store, of["trace"], of["span"])


async def _told(_: Request, error: Exception) -> Response:
    """Errors as the page shows them: one line."""
    match error:
        case HTTPException():
            status, text = error.status_code, error.detail
        case UnknownError():
            status, text = 404, str(error)
        case ValueError():
            status, text = 400, "that is not how it is asked for"
        case _:
            status, text = 500, f"this went wrong here: {type(error).__name__}"
    headers = {**_HEADERS, "Cache-Control": "no-store"}
    return Response(json.dumps({"error": text}), status, headers, media_type="application/json")
