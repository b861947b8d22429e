"""OTLP/JSON: made by hand, counted by a server, read from files."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def one_span(service: str, **attributes: str) -> dict[str, Any]:
    """Return an export request."""
    now = time.time_ns()
    span = {
        "traceId": uuid.uuid4().hex,
        "spanId": uuid.uuid4().hex[:16],
        "name": "by hand",
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}


def records_in(path: Path, signal: str) -> list[dict[str, Any]]:
    """Return the spans, metrics or logRecords of a file with an export request a line; none where it is not there."""
    # The last line may be only partly written yet.
    lines = path.read_text("utf-8").split("\n")[:-1] if path.exists() else []
    requests = [json.loads(line) for line in lines]
    return [
        record
        for request in requests
        for key, resources in request.items()
        for resource in resources
        for scope in resource[key.replace("resource", "scope")]
        for record in scope.get(signal, ())
    ]


@contextmanager
def sizes_received() -> Iterator[tuple[str, list[int]]]:
    """Yield the address of an OTLP/HTTP server, and the uncompressed sizes in bytes of what it has received."""
    sizes: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            sizes.append(len(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", sizes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
