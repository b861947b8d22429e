"""A bank in another thread, behind HTTP, so that the trace crosses a border between services."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind

tracer = trace.get_tracer("shop.bank")


class Bank:
    """Charges cards; those that start with a 0 have no money."""

    def __init__(self, seconds: float = 0.01) -> None:
        """`seconds`: how long it takes over each charge."""
        self.seconds = seconds
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/charge"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        parent = propagate.extract({name.lower(): value for name, value in self.headers.items()})
        with tracer.start_as_current_span("POST /charge", parent, SpanKind.SERVER) as span:
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(self.server.bank.seconds)
            status = 402 if order["card"].startswith("0") else 200
            span.set_attribute("http.response.status_code", status)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def charge(url: str, card: str, cents: int) -> None:
    """Raises urllib.error.HTTPError, 402 where the card has no money."""
    with tracer.start_as_current_span("POST", kind=SpanKind.CLIENT):
        headers: dict[str, str] = {}
        propagate.inject(headers)
        body = json.dumps({"card": card, "cents": cents}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)):
            pass
