from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_otlp.exporter.console import ConsoleTransport
from pytest_otlp.exporter.destination import TlsFiles
from pytest_otlp.exporter.endpoint import (
    EndpointSettings,
    SignalSettings,
    settings_from,
    transport_for,
)
from pytest_otlp.exporter.otlp_file import FileTransport
from pytest_otlp.exporter.otlp_grpc import GrpcTransport
from pytest_otlp.exporter.otlp_http import HttpTransport
from pytest_otlp.exporter.records import Signal
from pytest_otlp.exporter.transport import Answer, Transport, Verdict
from support.otlp_server import OtlpServer, Reply, always
from support.raw_server import raw_server, read_head, saying
from support.samples import span

BASE = "OTEL_EXPORTER_OTLP"


def send(transport: Transport) -> Answer:
    (payload,) = transport.encode(Signal.TRACES, {}, [span()]).payloads
    return transport.send(Signal.TRACES, payload, 10.0)


def test_each_kind_has_its_transport(tmp_path: Path) -> None:
    assert isinstance(transport_for(EndpointSettings("http", {"traces": "http://localhost/"})), HttpTransport)
    assert isinstance(transport_for(EndpointSettings("grpc", {"traces": "http://localhost/"})), GrpcTransport)
    file = transport_for(EndpointSettings("file", path=str(tmp_path / "run.jsonl")))
    assert isinstance(file, FileTransport)
    assert file.target == str(tmp_path / "run.jsonl")


def test_the_console_writes_where_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    console = transport_for(EndpointSettings("console"), stream)
    assert isinstance(console, ConsoleTransport)
    send(console)
    send(transport_for(EndpointSettings("console")))
    assert stream.getvalue() == capsys.readouterr().err == "\ntests/test_cart.py::test_total  5.0 ms\n"


@pytest.mark.parametrize(
    ("kind", "never"),
    [
        ("console", ["ssl", "http.client", "grpc", "google.protobuf", "urllib.request"]),
        ("file", ["ssl", "http.client", "grpc", "google.protobuf", "urllib.request"]),
        (
            "http",
            ["ssl", "http", "email", "encodings.idna", "grpc", "google.protobuf", "opentelemetry", "urllib.request"],
        ),
        ("grpc", ["google.protobuf", "requests", "urllib3", "opentelemetry", "urllib.request"]),
    ],
)
def test_only_what_is_needed_is_imported(kind: str, never: list[str]) -> None:
    """Imports are what starting costs: `http.client` 40 ms, protobuf 40, gRPC 85, requests 130."""
    with OtlpServer() as server:
        url = server.url("traces") if kind == "http" else "http://127.0.0.1:1"
        code = f"""if True:
            import sys
            from pytest_otlp.exporter.endpoint import EndpointSettings, transport_for
            from pytest_otlp.exporter.records import Signal, Span
            transport = transport_for(EndpointSettings({kind!r}, {{"traces": {url!r}}}, "/dev/null"))
            span = Span(bytes(16), bytes(8), b"", "", 0, 0, {{}})
            for payload in transport.encode(Signal.TRACES, {{}}, [span]).payloads:
                transport.send(Signal.TRACES, payload, 5.0)
            print([name for name in {never!r} if name in sys.modules])
        """
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "[]\n"


def test_user_info_becomes_a_header_and_is_never_shown() -> None:
    with OtlpServer(behaviour=always(Reply(401, {"Content-Type": "text/plain"}, b"no user:pass word"))) as server:
        url = server.url("traces").replace("://", "://user:pass%20word@")
        transport = transport_for(EndpointSettings("http", {"traces": url}))
        assert transport.target == f"127.0.0.1:{server.port}"
        answer = send(transport)
        transport.close()
        assert server.requests[0].headers["authorization"] == "Basic dXNlcjpwYXNzIHdvcmQ="
        assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"
    assert "pass" not in answer.reason


def test_user_info_is_sent_over_grpc_too() -> None:
    with OtlpServer("grpc") as server:
        transport = transport_for(EndpointSettings("grpc", {"traces": server.endpoint.replace("://", "://user:pass@")}))
        assert send(transport).verdict is Verdict.ACCEPTED
        transport.close()
        assert server.requests[0].headers["authorization"] == "Basic dXNlcjpwYXNz"


def test_a_header_of_the_user_wins_over_user_info() -> None:
    settings = {"traces": SignalSettings({"authorization": "Bearer mine"})}
    with OtlpServer() as server:
        url = server.url("traces").replace("://", "://user:pass@")
        transport = transport_for(EndpointSettings("http", {"traces": url}, signals=settings))
        send(transport)
        transport.close()
        assert server.requests[0].headers["authorization"] == "Bearer mine"


def test_what_the_environment_says_reaches_the_server() -> None:
    env = {f"{BASE}_HEADERS": "X-Tenant=a%20b", f"{BASE}_TRACES_COMPRESSION": "none"}
    with OtlpServer() as server:
        transport = transport_for(settings_from("http", {"traces": server.url("traces")}, "", env))
        assert send(transport).verdict is Verdict.ACCEPTED
        transport.close()
        assert server.requests[0].headers["x-tenant"] == "a b"
        assert "content-encoding" not in server.requests[0].headers


def test_a_signals_own_variable_wins() -> None:
    env = {
        f"{BASE}_HEADERS": "a=1,b=2",
        f"{BASE}_TRACES_HEADERS": "c=3",
        f"{BASE}_LOGS_HEADERS": "",
        f"{BASE}_CERTIFICATE": "/general.pem",
        f"{BASE}_METRICS_CERTIFICATE": "/metrics.pem",
        f"{BASE}_CLIENT_KEY": "/key.pem",
        f"{BASE}_CLIENT_CERTIFICATE": "/client.pem",
        f"{BASE}_COMPRESSION": "none",
        f"{BASE}_TRACES_COMPRESSION": " GZIP ",
    }
    settings = settings_from("http", {}, "", env)
    assert settings.signals == {
        "traces": SignalSettings({"c": "3"}, TlsFiles("/general.pem", "/key.pem", "/client.pem"), "gzip"),
        "metrics": SignalSettings({"a": "1", "b": "2"}, TlsFiles("/metrics.pem", "/key.pem", "/client.pem"), "none"),
        "logs": SignalSettings({"a": "1", "b": "2"}, TlsFiles("/general.pem", "/key.pem", "/client.pem"), "none"),
    }


def test_without_variables_there_is_nothing() -> None:
    assert settings_from("file", {}, "/run.jsonl", {}) == EndpointSettings(
        "file", {}, "/run.jsonl", {signal.value: SignalSettings() for signal in Signal}
    )


def test_a_bad_variable_counts_as_not_set() -> None:
    env = {f"{BASE}_HEADERS": "a=b%0d%0aInjected: c", f"{BASE}_COMPRESSION": "snappy"}
    assert settings_from("http", {}, "", env).signals["traces"] == SignalSettings()


def proxied(monkeypatch: pytest.MonkeyPatch, url: str, **variables: str) -> str:
    """The first line that a proxy gets, if it gets one."""
    heads: list[str] = []
    with raw_server(lambda connection: heads.append(read_head(connection))) as port:
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("PORT", str(port)))
        transport = transport_for(EndpointSettings("http", {"traces": url}))
        send(transport)
        transport.close()
    return heads[0].split("\r\n")[0] if heads else ""


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("value", ["http://127.0.0.1:PORT", "127.0.0.1:PORT"])
def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    line = proxied(monkeypatch, "http://collector.invalid:4318/v1/traces", **{name: value})
    assert line == "POST http://collector.invalid:4318/v1/traces HTTP/1.1"


def test_a_proxy_for_tls_is_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    line = proxied(monkeypatch, "https://collector.invalid/v1/traces", https_proxy="http://127.0.0.1:PORT")
    assert line == "CONNECT collector.invalid:443 HTTP/1.1"


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:1", "[::1]:1", "a.localhost:1"])
def test_this_machine_is_never_asked_for_through_a_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert proxied(monkeypatch, f"http://{host}/v1/traces", http_proxy="http://127.0.0.1:PORT") == ""


def test_exceptions_of_the_environment_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"http_proxy": "http://127.0.0.1:PORT", "no_proxy": ".invalid"}
    assert proxied(monkeypatch, "http://collector.invalid/v1/traces", **variables) == ""


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:PORT", ""])
def test_a_proxy_of_another_kind_is_not_used(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert proxied(monkeypatch, "http://collector.invalid/v1/traces", http_proxy=value) == ""


def test_neither_netrc_nor_the_variables_of_requests_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password s3cret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/missing.pem")
    with OtlpServer() as server:
        transport = transport_for(settings_from("http", {"traces": server.url("traces")}, "", {}))
        assert send(transport).verdict is Verdict.ACCEPTED
        transport.close()
        assert "authorization" not in server.requests[0].headers


def test_a_plain_endpoint_may_be_any_port() -> None:
    with raw_server(saying(b"HTTP/1.1 204 No Content\r\n\r\n")) as port:
        transport = transport_for(EndpointSettings("http", {"traces": f"http://127.0.0.1:{port}"}))
        assert send(transport).verdict is Verdict.ACCEPTED
        transport.close()
