"""Each way to a backend, whole: a pytest process, its exporter, a real server; and what each is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from support.certificates import Authority
from support.otlp_server import OtlpServer
from support.runs import Run, Runner

SUITE = {
    "test_shop.py": """
        import pytest

        @pytest.mark.parametrize("article", ["apple", "pear"])
        def test_price(article):
            '''Everything has a price.'''

        def test_total():
            assert 40 + 60 == 90

        @pytest.mark.skip(reason="closed")
        def test_closed(): pass
    """,
    "test_till.py": "def test_till(tmp_path): (tmp_path / 'sum').write_text('100')",
}
OUTCOMES = ["failed", "passed", "passed", "passed", "skipped"]

Protocol = Literal["http", "grpc"]
OPTION = {"http": "http/protobuf", "grpc": "grpc"}


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def received(run: Run, server: OtlpServer) -> Run:
    """The run with what a server got of it, checked."""
    whole = replace(run, spans=server.spans(), metrics=server.metrics(), logs=server.logs())
    whole.check()
    return whole


def outcomes(run: Run) -> list[str]:
    return sorted(str(span.attributes["pytest.outcome"]) for span in run.tests)


@pytest.mark.parametrize("workers", ["", "-n2"], ids=["alone", "xdist"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_route(tmp_path: Path, runner: Runner, protocol: Protocol, encrypted: bool, workers: str) -> None:
    if workers:
        pytest.importorskip("xdist")
    authority = Authority(tmp_path / "tls")
    tls = authority.issue("localhost") if encrypted else None
    with OtlpServer(protocol, tls=tls, host="localhost") as server:
        run = runner.without(
            SUITE,
            f"--otel-endpoint={server.endpoint}",
            f"--otel-protocol={OPTION[protocol]}",
            "--otel-logs=on",
            *filter(None, [workers]),
            env={
                "OTEL_EXPORTER_OTLP_HEADERS": "X-Tenant=shop%20one,authorization=Bearer s3cr3t-pass",
                "OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.certificate),
            },
        )
        run = received(run, server)
        assert outcomes(run) == OUTCOMES
        assert {metric.name for metric in run.metrics} >= {"test.case.result.count", "test.case.duration"}
        assert [log.event_name for log in run.logs].count("test.case.finished") == len(OUTCOMES)
        for request in server.requests:
            assert (request.headers["x-tenant"], request.headers["authorization"]) == ("shop one", "Bearer s3cr3t-pass")
        assert "s3cr3t" not in run.stdout + run.stderr


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_compression(runner: Runner, protocol: Protocol, compression: str) -> None:
    with OtlpServer(protocol) as server:
        args = [f"--otel-endpoint={server.endpoint}", f"--otel-protocol={OPTION[protocol]}"]
        run = runner.without(SUITE, *args, env={"OTEL_EXPORTER_OTLP_COMPRESSION": compression})
        received(run, server)
        if protocol == "http":
            sent = {request.headers.get("content-encoding", "none") for request in server.requests}
            assert sent == {compression}


def test_by_environment_alone(runner: Runner) -> None:
    """`PYTEST_OTEL` and the exporter's standard variables; the URL of the traces is taken as it is."""
    with OtlpServer("http") as server:
        run = runner.without(
            SUITE,
            env={
                "PYTEST_OTEL": "1",
                "PYTEST_CURRENT_TEST": None,
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": server.url("traces"),
                "OTEL_SERVICE_NAME": "shop",
            },
        )
        run = received(run, server)
        assert outcomes(run) == OUTCOMES
        assert {span.resource["service.name"] for span in run.spans} == {"shop"}
        assert run.metrics == []


def test_file(runner: Runner, tmp_path: Path) -> None:
    """One request a line, as the Collector's file exporter writes it, with what a server would have got."""
    path = tmp_path / "run.jsonl"
    run = runner.without(SUITE, f"--otel-endpoint=file:{path}")
    requests = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    spans = [
        span
        for request in requests
        for resource in request.get("resourceSpans", [])
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert sum("pytest.outcome" in map_of(span) and "test.case.name" in map_of(span) for span in spans) == len(OUTCOMES)
    assert {len(span["traceId"]) for span in spans} == {32}
    assert run.stdout.splitlines()[-1] == f"otlp: {len(OUTCOMES)} tests, {len(spans)} spans delivered to {path}"


def map_of(span: dict[str, list[dict[str, str]]]) -> set[str]:
    return {attribute["key"] for attribute in span["attributes"]}


def test_console(runner: Runner) -> None:
    run = runner.without(SUITE, "--otel-endpoint=console:", "-q", env={"PYTHONIOENCODING": "utf-8"})
    assert "✓ test_shop.py::test_price[apple]" in run.stdout + run.stderr
    assert "assert (40 + 60) == 90" in run.stdout + run.stderr


def test_under_the_parent_that_a_workflow_derives(runner: Runner) -> None:
    """The Collector's GitHub receiver gives a workflow run these ids."""
    with OtlpServer("http") as server:
        run = runner.without(
            SUITE,
            f"--otel-endpoint={server.endpoint}",
            "--otel-traceparent=github",
            env={"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "11", "GITHUB_RUN_ATTEMPT": "2"},
        )
        (root,) = [span for span in server.spans() if "process.exit.code" in span.attributes]
        # printf 112t | sha256sum, its first 32 digits; printf 112s | sha256sum, the 16 after its first 16.
        assert (root.trace_id, root.parent_id) == ("47035ca7073f6114e9c9d5e47cdeb4ea", "abd556f27f284b90")
        assert run.exit_code == 1
