"""The counting server: `python -m benchmarks.sink`, a process of its own in an environment that has the decoders.

While a run is measured it only reads bodies, notes their time of arrival and answers. It decodes when it is asked to.
Control is by lines on standard input: `reset`, `count`; each is answered by one line of JSON. The first line of output
is the port. It ends at the end of its input.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.decode import Request, tally

REQUESTS: list[Request] = []

AGENT_INFO = b'{"version": "7.60.0", "endpoints": ["/v0.4/traces", "/evp_proxy/v2/", "/evp_proxy/v4/"], "config": {}}'
SETTINGS = b'{"data": {"id": "1", "type": "ci_app_tracers_test_service_settings", "attributes": {}}}'
"""ddtrace's settings request: every optional feature off."""


def answer(path: str, body: bytes) -> tuple[str, bytes]:
    """Content type and body of the answer.

    An empty message is OTLP's full success (OTLP specification 1.9, "Full Success"). The others are what a Datadog
    agent's clients ask; the search for known commits is answered with all of them, so that no source is uploaded.
    """
    if path == "/info":
        return "application/json", AGENT_INFO
    if path.endswith("/libraries/tests/services/setting"):
        return "application/json", SETTINGS
    if path.endswith("/search_commits"):
        return "application/json", body
    if path.startswith("/v1/"):
        return "application/x-protobuf", b""
    return "application/json", b"{}"


class Handler(BaseHTTPRequestHandler):
    """Takes every request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def take(self) -> None:
        """Read, note, answer."""
        if "Content-Length" not in self.headers and self.command != "GET":
            self.send_error(411)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        arrived = time.time_ns()
        if self.command != "GET":
            REQUESTS.append(Request(self.path, self.headers.get("Content-Encoding", ""), arrived, body))
        kind, content = answer(self.path, body)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = take

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until standard input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for line in sys.stdin:
        reply = tally(REQUESTS) if line.strip() == "count" else {}
        REQUESTS.clear()
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
