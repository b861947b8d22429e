from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_otlp.endpoints import Endpoint, from_base, from_environment

GENERAL = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
METRICS = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"


def of(env: Mapping[str, str], protocol: str = "") -> Endpoint:
    return from_environment(lambda name: env.get(name, ""), protocol)


def http(base: str) -> dict[str, str]:
    return {signal: f"{base}/v1/{signal}" for signal in ("traces", "metrics", "logs")}


@pytest.mark.parametrize(
    "base",
    ["http://host:4318", "http://host:4318/", "http://host:4318/v1/traces", "http://host:4318/v1/traces/"],
)
def test_base(base: str) -> None:
    """Also one that is pasted with the path of the traces."""
    assert from_base(base, "") == Endpoint("http", http("http://host:4318"))


@pytest.mark.parametrize("base", ["https://host/otlp", "https://host/otlp/"])
def test_base_with_a_path(base: str) -> None:
    assert from_base(base, "") == Endpoint("http", http("https://host/otlp"))


@pytest.mark.parametrize(
    ("base", "protocol", "kind"),
    [
        ("http://host:4317", "", "grpc"),
        ("http://host:4317", "http/protobuf", "http"),
        ("http://host:4318", "", "http"),
        ("http://host:4318", "grpc", "grpc"),
        ("http://host", "", "http"),
        ("https://host", "grpc", "grpc"),
    ],
)
def test_protocol(base: str, protocol: str, kind: str) -> None:
    endpoint = from_base(base, protocol)
    assert endpoint.kind == kind
    if kind == "grpc":
        assert endpoint.urls == dict.fromkeys(("traces", "metrics", "logs"), base)


def test_nothing_in_the_environment() -> None:
    assert of({}) == Endpoint("http", http("http://localhost:4318"))


def test_general_variable() -> None:
    assert of({GENERAL: "http://host:4318/otlp"}) == Endpoint("http", http("http://host:4318/otlp"))
    assert of({GENERAL: "http://host:4317"}).kind == "grpc"


def test_variable_of_a_signal_is_taken_as_it_is() -> None:
    endpoint = of({GENERAL: "http://host:4318", METRICS: "http://other:9090/api/v1/otlp"})
    assert endpoint.urls == {**http("http://host:4318"), "metrics": "http://other:9090/api/v1/otlp"}
    assert of({GENERAL: "http://host:4318", TRACES: "http://other:4318/"}).urls["traces"] == "http://other:4318/"


def test_traces_alone() -> None:
    """The default was not meant for the others."""
    assert of({TRACES: "http://host:4318/x"}) == Endpoint("http", {"traces": "http://host:4318/x"})
    assert of({TRACES: "http://host:4317"}).kind == "grpc"


def test_metrics_alone() -> None:
    expected = {**http("http://localhost:4318"), "metrics": "http://host:9090/x"}
    assert of({METRICS: "http://host:9090/x"}) == Endpoint("http", expected)


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        (from_base("http://me:secret@host:4318/path", ""), "host:4318"),
        (from_base("http://host", ""), "host:80"),
        (from_base("https://host/path", "grpc"), "host:443"),
        (from_base("http://[::1]:4317", ""), "[::1]:4317"),
        (Endpoint("file", {}, "/tmp/run.jsonl"), "/tmp/run.jsonl"),
        (Endpoint("console", {}), "console"),
    ],
)
def test_target(endpoint: Endpoint, target: str) -> None:
    assert endpoint.target == target


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:4318", True),
        ("http://LOCALHOST:4317", True),
        ("http://127.0.0.1:4318", True),
        ("http://[::1]:4318", True),
        ("http://localhost.example.com:4318", False),
        ("https://host", False),
    ],
)
def test_local(url: str, local: bool) -> None:
    assert from_base(url, "").local == local


def test_a_file_is_not_local() -> None:
    assert not Endpoint("file", {}, "run.jsonl").local
