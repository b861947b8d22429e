"""Who is let in, and what harms nobody."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import os
import socket
import stat
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pytest_otlp.viewer import connection
from pytest_otlp.viewer import store as stores
from pytest_otlp.viewer.intake import Kind
from support.viewer import TIMEOUT, View
from viewer.test_states import START, TRACE, resource, spans_of_test

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4318", "127.0.0.1.evil.example", "192.168.1.7", "", "[::2]"]
)
@pytest.mark.parametrize("path", ["/", "/api/runs", "/v1/traces", "/nothing"])
def test_a_name_that_is_not_of_this_machine_gets_nothing(view: View, host: str, path: str) -> None:
    """A page of somebody else's may have its name point here (DNS rebinding)."""
    for port in (view.page_port, view.http_port):
        answer = view.request("GET", path, headers={"Host": host, "Cookie": view.cookie}, port=port)
        assert answer.status == 403
        assert b"--allow-host" in answer.body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.8.8.8:80", "[::1]:4319", "a.localhost"])
def test_names_of_this_machine_are_known(view: View, host: str) -> None:
    assert view.request("GET", "/api/runs", headers={"Host": host, "Cookie": view.cookie}).status == 200


def test_a_name_can_be_allowed(folder: Path) -> None:
    with View(folder, "--allow-host=box.lan") as view:
        headers = {"Host": "BOX.lan:4319", "Cookie": view.cookie}
        assert view.request("GET", "/api/runs", headers=headers).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/info",
        "/api/runs",
        "/api/runs/x",
        "/api/runs/x/tests",
        "/api/runs/x/tests/1",
        "/api/runs/x/history",
        "/api/traces",
        "/api/traces/00",
        "/api/events",
    ],
)
def test_nothing_is_told_without_the_token(view: View, path: str) -> None:
    name = view.cookie.partition("=")[0]
    for cookie in ("", f"{name}=", f"{name}={'x' * 43}", f"{name}=ü"):
        answer = view.request("GET", path, headers={"Cookie": cookie.encode("utf-8").decode("latin-1")})
        assert answer.status == 401
        assert "pytest-otlp view" in answer.json["error"]
    for method in ("DELETE",):
        assert view.request(method, "/api/runs").status == 401
        assert view.request(method, "/api/traces").status == 401


def test_the_token_is_exchanged_for_a_cookie_that_other_sites_cannot_use(view: View) -> None:
    told = json.dumps({"token": view.token}).encode()
    answer = view.request("POST", "/api/session", told, {"Content-Type": "application/json"})
    assert answer.status == 204
    parts = answer.headers["set-cookie"].lower().split("; ")
    assert {"httponly", "samesite=strict", "path=/"} <= set(parts)
    # Cookies know no port: whoever else listens at this name gets it as well, and can send nothing with it.
    key = parts[0].partition("=")[2]
    assert key
    assert view.token.lower() not in answer.headers["set-cookie"].lower()
    again = view.request("POST", "/api/session", json.dumps({"token": key}).encode(), JSON)
    assert again.status == 401
    # A form of another site can send this much, were it read.
    assert view.request("POST", "/api/session", told, {"Content-Type": "text/plain"}).status == 415
    for wrong in (b'{"token": "no"}', b'{"token": 3}', b"[]", b"{", b'{"token": "\xff"}'):
        answer = view.request("POST", "/api/session", wrong, {"Content-Type": "application/json"})
        assert answer.status in (400, 401)
        assert "set-cookie" not in answer.headers
    assert view.request("POST", "/api/session", b" " * 100_000, {"Content-Type": "application/json"}).status == 413


@pytest.mark.skipif(sys.platform == "win32", reason="there are no modes there")
def test_only_the_owner_can_read_what_is_kept(folder: Path) -> None:
    with View(folder) as view:
        view.send(resource(), spans_of_test(0))
        found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    found.pop("view.err")
    notes = [name for name in found if name.startswith("view-at-")]
    assert len(notes) == 2
    own = ("view-token", "runs.db", "runs.db-lock", "runs.db-wal", "runs.db-shm", *notes)
    assert found == dict.fromkeys(own, 0o600)


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_no_other_origin_is_ever_allowed(view: View, origin: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    for port, path in ((view.http_port, "/v1/traces"), (view.page_port, "/api/runs"), (view.page_port, "/api/session")):
        for method in ("OPTIONS", "GET", "POST"):
            answer = view.request(method, path, b"{}", asked, port=port)
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "sent_as", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "*/*"]
)
def test_telemetry_is_known_by_its_content_type(view: View, sent_as: str) -> None:
    """These a page of another site can send without asking first."""
    answer = view.request("POST", "/v1/traces", b"", {"Content-Type": sent_as} if sent_as else {}, port=view.http_port)
    assert answer.status == 415


def test_the_policy_of_the_page(view: View) -> None:
    for path in ("/", "/api/runs", "/nothing"):
        answer = view.request("GET", path, headers={"Cookie": view.cookie})
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../index.html",
        "/assets/%2e%2e/%2e%2e/web.py",
        "/assets/..%5c..%5cweb.py",
        "/assets//etc/passwd",
        "/web.py",
    ],
)
def test_only_files_of_the_page_are_served(view: View, path: str) -> None:
    assert view.request("GET", path).status == 404


def hollow(number: int) -> bytes:
    """A request with so many spans of which each is empty: two bytes."""
    message = ExportTraceServiceRequest()
    message.resource_spans.add().scope_spans.add().spans.extend([Span()] * number)
    return message.SerializeToString()


HOLLOW = hollow(100_000)


def still_works(view: View) -> bool:
    number = len(view.runs())
    view.send(resource(f"run-{number}"), spans_of_test(0, f"run-{number}"))
    return len(view.runs()) == number + 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff\xff", {}, 400),
        (b"{", JSON, 400),
        (b"[" * 200_000, JSON, 400),
        (
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}',
            {"Content-Type": "application/json"},
            400,
        ),
        (
            b'{"resourceSpans":' + b'[{"a":' * 2_000 + b"1" + b"}]" * 2_000 + b"}",
            {"Content-Type": "application/json"},
            400,
        ),
        (gzip.compress(bytes(70 * 1024 * 1024)), {"Content-Encoding": "gzip"}, 413),
        (gzip.compress(gzip.compress(bytes(1024**2))), {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"x" * 1000)[:-20], {"Content-Encoding": "gzip"}, 400),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400),
        (b"", {"Content-Encoding": "br"}, 400),
        (bytes(17 * 1024 * 1024), {}, 413),
        (HOLLOW, {}, 413),
        (gzip.compress(HOLLOW), {"Content-Encoding": "gzip"}, 413),
    ],
    ids=[
        "broken",
        "cut off",
        "deep",
        "ids",
        "nested",
        "bomb",
        "twice",
        "cut gzip",
        "no gzip",
        "encoding",
        "large",
        "hollow",
        "hollow gzip",
    ],
)
def test_a_bad_body_harms_nobody(view: View, body: bytes, headers: dict[str, str], status: int) -> None:
    try:
        answer = view.request("POST", "/v1/traces", body, {**PROTOBUF, **headers}, port=view.http_port)
    except ConnectionError:  # it was turned down before all of it was sent
        assert status == 413
    else:
        assert answer.status == status
        assert answer.headers["content-type"] == {**PROTOBUF, **headers}["Content-Type"]
    assert still_works(view)


def test_what_no_span_should_hold_is_stored_or_left_out(view: View) -> None:
    """Ids of a wrong length, times beyond all, texts of a megabyte, names with a zero byte, surrogates."""
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    spans.add(trace_id=b"short", span_id=b"x", name="no ids")
    spans.add(trace_id=TRACE, span_id=b"12345678", name="x" * 1_000_000, start_time_unix_nano=2**63 - 1)
    spans.add(trace_id=TRACE, span_id=b"12345679", name="zero\0byte", start_time_unix_nano=START, end_time_unix_nano=0)
    answer = view.request("POST", "/v1/traces", message.SerializeToString(), PROTOBUF, port=view.http_port)
    assert answer.status == 200
    shown = view.get(f"/api/traces/{TRACE.hex()}")
    assert shown["spans"]["count"] == 2
    beyond = ExportTraceServiceRequest()
    beyond.resource_spans.add().scope_spans.add().spans.add(
        trace_id=b"7" * 16, span_id=b"12345678", start_time_unix_nano=2**64 - 1
    )
    answer = view.request("POST", "/v1/traces", beyond.SerializeToString(), PROTOBUF, port=view.http_port)
    assert answer.status == 400
    assert still_works(view)


def test_slow_clients_harm_nobody(view: View) -> None:
    """Neither those who send a byte at a time nor those who do not read what they asked for."""
    lines = ["POST /v1/traces HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Content-Length: 1000"]
    head = "\r\n".join([*lines, "", "{"]).encode()
    slow = [socket.create_connection(("127.0.0.1", view.http_port)) for _ in range(50)]
    for one in slow:
        one.sendall(head)
    deaf = [socket.create_connection(("127.0.0.1", view.page_port)) for _ in range(8)]
    for one in deaf:
        lines = ["GET /api/events HTTP/1.1", "Host: localhost", f"Cookie: {view.cookie}", "", ""]
        one.sendall("\r\n".join(lines).encode())
    try:
        assert still_works(view)
    finally:
        for one in (*slow, *deaf):
            one.close()


HALF_SENT = b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nX: "
NO_BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("port", ["http_port", "grpc_port"])
def test_connections_that_say_nothing_take_no_other_port_and_end(view: View, port: str) -> None:
    address = ("127.0.0.1", getattr(view, port))
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address, TIMEOUT)) for _ in range(520)]
        for one in silent:
            with suppress(ConnectionError):  # one too many is refused at once
                one.sendall(HALF_SENT if port == "http_port" else b"PRI * HT")
        assert view.request("GET", "/api/runs", headers={"Cookie": view.cookie}).status == 200

        def answers(view: View) -> bool:
            with suppress(ConnectionError):
                return view.send(resource(), spans_of_test(0)).status == 200
            return False

        assert not answers(view) or port == "grpc_port"
        view.wait_for(answers)
        for one in silent:
            with suppress(ConnectionError):
                while one.recv(256):
                    pass
    with grpc.insecure_channel(f"127.0.0.1:{view.grpc_port}") as channel:
        export = TraceServiceStub(channel).Export  # type: ignore[no-untyped-call]
        export(ExportTraceServiceRequest(), timeout=TIMEOUT, wait_for_ready=True)


@pytest.mark.parametrize("sent", [b"", HALF_SENT, WHOLE, WHOLE + HALF_SENT, NO_BODY, WHOLE + NO_BODY])
def test_a_request_has_to_come_in_time(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """The first of a connection, and each that follows it."""
    monkeypatch.setattr(connection, "_PATIENCE", dict.fromkeys(connection._PATIENCE, 0.1))

    async def answer(_scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def closed() -> bytes:
        config = uvicorn.Config(answer, http=connection.Connection, timeout_keep_alive=600, log_config=None)
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            serving = asyncio.create_task(server.serve([listening]))
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(sent)
            answered = b""
            with suppress(ConnectionError):
                while piece := await asyncio.wait_for(reader.read(65_536), TIMEOUT):
                    answered += piece
            writer.close()
            server.should_exit = True
            await serving
        return answered

    assert asyncio.run(closed()).count(b"HTTP/1.1 200 OK") == sent.startswith(WHOLE)


def test_beyond_loopback_senders_need_the_token(folder: Path) -> None:
    with View(folder, host="0.0.0.0") as view:
        body, bearer = b"", {"Authorization": f"Bearer {view.token}"}
        assert view.request("POST", "/v1/traces", body, PROTOBUF, port=view.http_port).status == 401
        wrong = {**PROTOBUF, "Authorization": "Bearer no"}
        assert view.request("POST", "/v1/traces", body, wrong, port=view.http_port).status == 401
        assert view.request("POST", "/v1/traces", body, {**PROTOBUF, **bearer}, port=view.http_port).status == 200
        assert view.request("GET", "/", headers={"Host": "evil.example"}).status == 403
        with grpc.insecure_channel(f"127.0.0.1:{view.grpc_port}") as channel:
            export = TraceServiceStub(channel).Export  # type: ignore[no-untyped-call]
            with pytest.raises(grpc.RpcError) as error:
                export(ExportTraceServiceRequest())
            assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
            export(ExportTraceServiceRequest(), metadata=[("authorization", f"Bearer {view.token}")])
        assert any("OTEL_EXPORTER_OTLP_HEADERS" in line for line in view.lines)
        # What others, and a browser, can go to.
        own = f"http://{socket.gethostname()}:{{}}"
        assert f"page: {own.format(view.page_port)}/#token={view.token}" in view.lines
        assert any(f"--otel-endpoint={own.format(view.http_port)}," in line for line in view.lines)
        there = {"Host": f"{socket.gethostname()}:{view.page_port}"}
        assert view.request("GET", "/", headers=there).status == 200


@pytest.mark.parametrize(("which", "option"), [(0, "--http-port"), (1, "--grpc-port"), (2, "--page-port")])
def test_a_port_in_use_is_told_with_the_remedy(folder: Path, which: int, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [0, 0, 0]
        ports[which] = taken.getsockname()[1]
        with pytest.raises(AssertionError) as error:
            View(folder, ports=ports)
    assert str(error.value) == (
        f"pytest-otlp: port {ports[which]} is in use: another `pytest-otlp view`, a Collector or Jaeger may be running;"
        f" stop it, or use {option} with another port\n"
    )


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_cannot_be_made_is_told(folder: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(AssertionError, match="Permission denied; use --db with another file"):
        View(folder, f"--db={locked}/runs.db")


def test_a_full_queue_asks_to_come_back(tmp_path: Path) -> None:
    """What is acknowledged is never beyond what can be held."""
    store = stores.Store(tmp_path / "runs.db", stores.Keep())
    held = threading.Event()
    store.change(lambda _: int(held.wait(30)))
    most = stores.MOST_WAITING
    first = store.offer(Kind.TRACES, bytes(most))
    with pytest.raises(stores.FullError):
        store.offer(Kind.TRACES, b"x")
    held.set()
    with pytest.raises(ValueError, match="not the OTLP message"):
        first.result(30)
    deadline = time.monotonic() + 30
    while True:
        try:
            assert store.offer(Kind.TRACES, b"").result(30) == 0
            break
        except stores.FullError:
            assert time.monotonic() < deadline
    store.close()


def test_what_was_written_is_not_held(tmp_path: Path) -> None:
    """Nor does it wait for somebody to look for cycles, which happens seldom in the receiver."""
    store = stores.Store(tmp_path / "runs.db", stores.Keep())
    gc.collect()
    gc.disable()
    try:
        body = ExportTraceServiceRequest().SerializeToString()
        for _ in range(20):
            store.offer(Kind.TRACES, body).result(30)
        store.change(lambda _: 0).result(30)
        held = [found for found in gc.get_objects() if type(found).__name__ == "_Job"]
        assert len(held) <= 2
    finally:
        gc.enable()
        store.close()
