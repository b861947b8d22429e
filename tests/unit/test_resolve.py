from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import ANY

import pytest

from pytest_otlp.endpoints import Endpoint
from pytest_otlp.resolve import DEFAULT_REDACTED, Options, resolve
from pytest_otlp.values import Parent

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"

Resolve = Callable[..., Options]


@pytest.fixture
def options(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """What is made of a command line, an ini file and an environment."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def resolved(*args: str, ini: str = "", **env: str) -> Options:
        pytester.makeini(f"[pytest]\n{ini}")
        return resolve(pytester.parseconfig("-p", "pytest_otlp.plugin", *args), env)

    return resolved


def urls(base: str) -> dict[str, str]:
    return {signal: f"{base}/v1/{signal}" for signal in ("traces", "metrics", "logs")}


def test_defaults(options: Resolve) -> None:
    assert options() == Options(
        endpoint=Endpoint("http", urls("http://localhost:4318")),
        traces=True,
        view=False,
        html="",
        service_name="",
        run_name="pytest",
        parent=None,
        trace_url="",
        trace_per="auto",
        detail="phases",
        output="failed",
        metrics=True,
        logs=False,
        exceptions="events",
        app_spans=False,
        context=True,
        redact=DEFAULT_REDACTED,
        exit_timeout=5.0,
        timeout=10.0,
        notices=(),
    )


def test_a_page_of_ones_own(options: Resolve) -> None:
    found = options("--otel-view", OTEL_EXPORTER_OTLP_ENDPOINT="https://elsewhere")
    assert found.endpoint == Endpoint("http", urls("http://localhost:4318"))
    assert (found.view, found.logs, found.trace_url) == (True, True, "")
    with pytest.raises(pytest.UsageError, match="--otel-view and --otel-endpoint name two receivers; leave one out"):
        options("--otel-view", "--otel-endpoint=http://localhost:1")


def test_a_report_alone_sends_nothing(options: Resolve, tmp_path: Path) -> None:
    path = str(tmp_path / "report.html")
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://elsewhere"}
    found = options(f"--otel-html={path}", **endpoint)
    assert (found.html, found.endpoint) == (path, Endpoint("html", {}, path))
    assert (found.metrics, found.logs, found.trace_url) == (False, False, "")
    assert options(f"--otel-html={path}", "--otel", **endpoint).endpoint.kind == "http"


def test_everything_on_the_command_line(options: Resolve) -> None:
    found = options(
        "--otel-endpoint=https://host:4317",
        "--otel-protocol=http/protobuf",
        "--otel-service-name=shop",
        "--otel-run-name=nightly",
        f"--otel-traceparent={TRACEPARENT}",
        "--otel-trace-url=https://host/{run_id}",
        "--otel-detail=fixtures",
        "--otel-output=all",
        "--otel-metrics=off",
        "--otel-logs=on",
    )
    assert found.endpoint == Endpoint("http", urls("https://host:4317"))
    assert (found.service_name, found.run_name) == ("shop", "nightly")
    assert found.parent == Parent(TRACE, SPAN, sampled=True)
    assert found.trace_url == "https://host/{run_id}"
    assert (found.detail, found.output, found.metrics, found.logs) == ("fixtures", "all", False, True)
    assert found.notices == ()


def test_everything_in_the_ini_file(options: Resolve) -> None:
    ini = """
        otel_endpoint = http://host:4317
        otel_service_name = shop
        otel_run_name = nightly
        otel_trace_url = https://host/{trace_id}
        otel_detail = tests
        otel_output = none
        otel_metrics = off
        otel_logs = on
        otel_context = off
        otel_redact = PIN, iban
            ssn
        otel_exit_timeout = 0.5
    """
    found = options(ini="\n".join(line[8:] for line in ini.splitlines()))
    assert found.endpoint == Endpoint("grpc", dict.fromkeys(("traces", "metrics", "logs"), "http://host:4317"))
    assert (found.service_name, found.run_name, found.trace_url) == ("shop", "nightly", "https://host/{trace_id}")
    assert (found.detail, found.output) == ("tests", "none")
    assert (found.metrics, found.logs, found.context) == (False, True, False)
    assert found.redact == (*DEFAULT_REDACTED, "pin", "iban", "ssn")
    assert found.exit_timeout == 0.5


def test_everything_in_the_environment(options: Resolve) -> None:
    found = options(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://host:1234",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_TIMEOUT="2500",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="otlp",
        PYTEST_OTEL_TRACE_URL="https://host/{trace_id}",
        PYTEST_OTEL_EXIT_TIMEOUT="60",
        TRACEPARENT=TRACEPARENT,
        TRACESTATE=" a=1,b=2 ",
    )
    assert found.endpoint == Endpoint("grpc", dict.fromkeys(("traces", "metrics", "logs"), "http://host:1234"))
    assert (found.timeout, found.exit_timeout) == (2.5, 60.0)
    assert (found.metrics, found.logs) == (False, True)
    assert found.trace_url == "https://host/{trace_id}"
    assert found.parent == Parent(TRACE, SPAN, sampled=True, trace_state="a=1,b=2")
    assert found.notices == ()


# Order


def test_an_endpoint_that_is_given_counts_for_every_signal(options: Resolve) -> None:
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://other:4318",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://other:4317",
    }
    given = Endpoint("http", urls("http://host:4318"))
    assert options("--otel-endpoint=http://host:4318", **env).endpoint == given
    assert options(ini="otel_endpoint = http://host:4318", **env).endpoint == given
    assert options(**env).endpoint.urls["traces"] == "http://other:4317"


@pytest.mark.parametrize(
    ("args", "ini", "env", "on"),
    [
        ([], "", {}, True),
        ([], "", {"OTEL_METRICS_EXPORTER": "none"}, False),
        ([], "", {"OTEL_METRICS_EXPORTER": "prometheus"}, True),
        ([], "otel_metrics = on", {"OTEL_METRICS_EXPORTER": "none"}, True),
        (["--otel-metrics=off"], "otel_metrics = on", {"OTEL_METRICS_EXPORTER": "otlp"}, False),
        (["--otel-endpoint=console:"], "", {}, False),
        (["--otel-endpoint=console:", "--otel-metrics=on"], "", {}, False),
        ([], "", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://host"}, False),
    ],
)
def test_metrics(options: Resolve, args: list[str], ini: str, env: dict[str, str], on: bool) -> None:
    assert options(*args, ini=ini, **env).metrics == on


@pytest.mark.parametrize(
    ("args", "ini", "exporters", "on", "notice"),
    [
        ([], "", "", True, []),
        ([], "", "otlp", True, []),
        ([], "", "zipkin", True, []),
        (
            [],
            "",
            "None",
            False,
            ["no traces are sent, because OTEL_TRACES_EXPORTER=none; --otel-endpoint overrides it"],
        ),
        ([], "", "none, otlp", True, []),
        (["--otel"], "", "none", False, [ANY]),
        ([], "otel_endpoint = http://host", "none", False, [ANY]),
        (
            ["--otel-endpoint=http://host"],
            "",
            "none",
            True,
            ["OTEL_TRACES_EXPORTER=none is set; traces are sent all the same, because of --otel-endpoint"],
        ),
        (
            ["--otel-view"],
            "",
            "none",
            True,
            ["OTEL_TRACES_EXPORTER=none is set; traces are sent all the same, because of --otel-view"],
        ),
    ],
)
def test_traces(options: Resolve, args: list[str], ini: str, exporters: str, on: bool, notice: list[str]) -> None:
    found = options(*args, ini=ini, OTEL_TRACES_EXPORTER=exporters)
    assert (found.traces, found.context, list(found.notices)) == (on, on, notice)


def test_a_report_needs_no_exporter(options: Resolve) -> None:
    found = options("--otel-html=report.html", OTEL_TRACES_EXPORTER="none")
    assert (found.traces, found.context, found.notices) == (True, True, ())


@pytest.mark.parametrize(
    ("args", "exporters", "kind", "notices"),
    [
        ([], "console", "console", 0),
        ([], "console,zipkin", "console", 0),
        ([], "otlp,console", "http", 1),
        (["--otel-endpoint=http://host"], "console", "http", 0),
        (["--otel-view"], "console", "http", 0),
    ],
)
def test_the_console_as_exporter(options: Resolve, args: list[str], exporters: str, kind: str, notices: int) -> None:
    found = options(*args, OTEL_TRACES_EXPORTER=exporters)
    assert (found.endpoint.kind, len(found.notices)) == (kind, notices)


def test_a_file_takes_all_signals(options: Resolve, tmp_path: Path) -> None:
    found = options(f"--otel-endpoint=file:{tmp_path / 'run.jsonl'}", "--otel-logs=on")
    assert found.endpoint == Endpoint("file", {}, str(tmp_path / "run.jsonl"))
    assert (found.metrics, found.logs, found.trace_url) == (True, True, "")


def test_a_file_of_the_folder_that_pytest_runs_in(options: Resolve, pytester: pytest.Pytester) -> None:
    assert options("--otel-endpoint=file:run.jsonl").endpoint.path == str(pytester.path / "run.jsonl")


def test_the_variable_of_the_traces_is_the_stronger_one(options: Resolve) -> None:
    found = options(
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_TIMEOUT="1000",
        OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="2000",
    )
    assert (found.endpoint.kind, found.timeout) == ("grpc", 2.0)


# Bad values


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["--otel-exit=1"], None),
        (
            ["--otel-endpoint=host:4318"],
            (
                "--otel-endpoint='host:4318': unknown scheme; "
                "use http://HOST:PORT, https://HOST:PORT, file:PATH or console:"
            ),
        ),
        (
            ["--otel-endpoint=file:/dev/stdout"],
            (
                "--otel-endpoint='file:/dev/stdout': is another one in the process that writes it; "
                "name a file, or use console:"
            ),
        ),
        (["--otel-view", "--otel-protocol=GRPC"], "--otel-protocol='GRPC': use one of grpc, http/protobuf"),
        (["--otel-metrics=maybe"], "--otel-metrics='maybe': use on or off"),
        (["--otel-service-name="], "--otel-service-name='': give a name"),
    ],
)
def test_on_the_command_line(options: Resolve, args: list[str], problem: str | None) -> None:
    with pytest.raises(pytest.UsageError) as raised:
        options(*args)
    if problem:
        assert str(raised.value) == f"pytest-otlp: {problem}"


def test_in_the_ini_file(options: Resolve) -> None:
    with pytest.raises(pytest.UsageError) as raised:
        options(ini="otel_exit_timeout = soon")
    problem = "ini option otel_exit_timeout='soon': give seconds from 0 to 3600, like 5 or 0.5"
    assert str(raised.value) == f"pytest-otlp: {problem}"


def test_in_a_variable_of_ours(options: Resolve) -> None:
    with pytest.raises(pytest.UsageError) as raised:
        options(PYTEST_OTEL_EXIT_TIMEOUT="-1")
    problem = "PYTEST_OTEL_EXIT_TIMEOUT='-1': give seconds from 0 to 3600, like 5 or 0.5"
    assert str(raised.value) == f"pytest-otlp: {problem}"


def test_in_variables_that_may_be_meant_for_the_tested_application(options: Resolve) -> None:
    """One line each, and the default holds."""
    found = options(
        OTEL_EXPORTER_OTLP_ENDPOINT="collector:4317",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="http://host:0",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/json",
        OTEL_EXPORTER_OTLP_TIMEOUT="10s",
        OTEL_EXPORTER_OTLP_COMPRESSION="zstd",
        OTEL_EXPORTER_OTLP_LOGS_COMPRESSION=" GZIP",
        TRACEPARENT="none",
    )
    assert found._replace(notices=()) == options()
    assert found.notices == (
        "OTEL_EXPORTER_OTLP_PROTOCOL='http/json': use one of grpc, http/protobuf; ignored",
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT='collector:4317': unknown scheme; "
            "use http://HOST:PORT or https://HOST:PORT; ignored"
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT='http://host:0': port out of range; "
            "use 1 to 65535, usually 4318 (HTTP) or 4317 (gRPC); ignored"
        ),
        "OTEL_EXPORTER_OTLP_COMPRESSION='zstd': use one of gzip, none; ignored",
        (
            "TRACEPARENT='none': give version-traceid-spanid-flags in lower-case hex, "
            "like 00-<32 digits>-<16 digits>-01, or github; ignored"
        ),
        "OTEL_EXPORTER_OTLP_TIMEOUT='10s': give milliseconds, like 10000; ignored",
    )


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("ftp://me:secret@host", "'ftp://...@host'"),
        ("http://me:sec/ret@host", "'http://...@host'"),
        ("http://me:sec@ret@host:0", "'http://...@host:0'"),
        ("me:secret@host:4318", "'...@host:4318'"),
        ("http://me:sec\nret@host:0", "'http://...@host:0'"),
    ],
)
def test_a_password_is_never_shown(options: Resolve, endpoint: str, shown: str) -> None:
    with pytest.raises(pytest.UsageError, match="--otel-endpoint") as raised:
        options(f"--otel-endpoint={endpoint}")
    assert f"--otel-endpoint={shown}: " in str(raised.value)
    assert "secret" not in str(raised.value)
    (notice,) = options(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint).notices
    assert f"={shown}: " in notice


def test_a_long_value_is_shown_in_part(options: Resolve) -> None:
    with pytest.raises(pytest.UsageError) as raised:
        options(f"--otel-metrics={'x' * 5000}\x1b[31m")
    assert len(str(raised.value)) < 300
    assert str(raised.value).isprintable()


# The parent


@pytest.mark.parametrize("place", ["--otel-traceparent", "TRACEPARENT"])
def test_a_parent_that_was_not_sampled(options: Resolve, place: str) -> None:
    off = f"00-{TRACE}-{SPAN}-00"
    found = options(f"{place}={off}") if place.startswith("-") else options(TRACEPARENT=off)
    assert found.parent == Parent(TRACE, SPAN, sampled=False)
    assert found.notices == (f"{place} has the sampled flag off; recorded all the same",)


def test_the_command_line_may_drop_the_parent(options: Resolve) -> None:
    other = f"00-{TRACE}-00000000000000ff-01"
    assert options(f"--otel-traceparent={other}", TRACEPARENT=TRACEPARENT, TRACESTATE="a=1").parent == Parent(
        TRACE, "00000000000000ff", sampled=True
    )


def test_the_parent_of_an_outer_run(options: Resolve) -> None:
    env = {"TRACEPARENT": TRACEPARENT, "PYTEST_CURRENT_TEST": "test_outer.py::test (call)"}
    assert options(**env).parent is None
    assert options(f"--otel-traceparent={TRACEPARENT}", **env).parent == Parent(TRACE, SPAN, sampled=True)


def test_a_long_trace_state_keeps_whole_members(options: Resolve) -> None:
    members = [f"vendor{number}={'x' * 90}" for number in range(8)]
    found = options(TRACEPARENT=TRACEPARENT, TRACESTATE=",".join(members))
    assert found.parent is not None
    assert found.parent.trace_state == ",".join(members[:5])
    endless = options(TRACEPARENT=TRACEPARENT, TRACESTATE="x" * 600)
    assert endless.parent is not None
    assert endless.parent.trace_state == ""


def test_the_parent_of_a_workflow(options: Resolve) -> None:
    found = options("--otel-traceparent=github", GITHUB_RUN_ID="1234", GITHUB_RUN_ATTEMPT="1")
    assert found.parent is not None
    assert (len(found.parent.trace_id), len(found.parent.span_id), found.parent.sampled) == (32, 16, True)
    with pytest.raises(pytest.UsageError, match="--otel-traceparent='github': github needs GITHUB_RUN_ID"):
        options("--otel-traceparent=github")


# Headers


@pytest.mark.parametrize("value", ["a=1\r\nb: 2", "a=1%0d%0Ab", "a=%0A", "a=\0"])
def test_a_line_break_in_a_header(options: Resolve, value: str) -> None:
    found = options(OTEL_EXPORTER_OTLP_TRACES_HEADERS=value, OTEL_EXPORTER_OTLP_HEADERS="authorization=secret")
    said = "has a line break or other control character in the value of a; ignored (values are not shown)"
    assert found.notices == (f"OTEL_EXPORTER_OTLP_TRACES_HEADERS {said}",)


def test_a_header_without_a_name(options: Resolve) -> None:
    """A token that was pasted alone would else be left out without a word."""
    found = options(OTEL_EXPORTER_OTLP_HEADERS="hunter2")
    assert found.notices == (
        "OTEL_EXPORTER_OTLP_HEADERS has an entry that is no name=value; ignored (values are not shown)",
    )


def test_good_headers(options: Resolve) -> None:
    assert options(OTEL_EXPORTER_OTLP_HEADERS="authorization=Basic%20abc,a=b").notices == ()


def test_sdk_disabled(options: Resolve) -> None:
    assert options("--otel", OTEL_SDK_DISABLED="true").notices == (
        "OTEL_SDK_DISABLED is set; recorded all the same, because the command line asks for it",
    )
