"""docs/telemetry.md names what the source names, no more and no less."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import pytest

from pytest_otlp import options, resolve, semconv
from pytest_otlp.exporter import endpoint
from pytest_otlp.resource import ci, host, service
from support.page import ROOT, TELEMETRY_TABLES, Page, names_in

PAGE = Page("docs/telemetry.md")
CAPTURED = ROOT / "tests/unit/resource/captured"
"""Environments of real CI jobs."""
SIGNALS = ("TRACES", "METRICS", "LOGS")
NO_NAMES = {"IN_PROGRESS"}
"""Text constants of `semconv` that are values."""
PREFIXES = {
    semconv.PARAMETERS: ["<name>"],
    semconv.PROPERTY: ["<name>"],
    semconv.DESELECTED: ["<who>"],
    semconv.OUTPUT: ["stdout", "stderr", "log"],
    semconv.TESTS: list(semconv.SUMMARY_CATEGORIES),
}
FROM_SESSION = {"service.instance.id"}
"""Names that stand where they are used: of the session's resource ..."""
FROM_APPLICATION = {"otel.scope.name", "otel.scope.version"}
"""... of an application's spans ..."""
FROM_LOGS = {"event.name"}
"""... and of log records."""


def names_of_semconv(prefix: str = "") -> Iterator[str]:
    for constant, value in vars(semconv).items():
        if constant.isupper() and isinstance(value, str) and constant not in NO_NAMES and constant.startswith(prefix):
            yield from [value + end for end in PREFIXES[value]] if value.endswith(".") else [value]


def names_of_resource() -> set[str]:
    captured = [json.loads(path.read_text("utf-8")) for path in CAPTURED.glob("*.json")]
    found = {name for job in captured for name in ci.detect_ci(job["environment"])}
    return found | host.process_attributes("8").keys() | FROM_SESSION


def documented() -> set[str]:
    attributes = {name for heading in (*TELEMETRY_TABLES, "Application") for name in PAGE.names(heading)}
    metrics = PAGE.names("Metrics") | PAGE.names("Metrics", 2)
    logs = PAGE.names("Logs") | PAGE.names("Logs", 1) | FROM_LOGS
    return attributes | metrics | logs | {semconv.EXCEPTION_EVENT, semconv.WARNING_EVENT}


def test_every_name_is_on_the_page_and_every_name_on_the_page_is_one() -> None:
    assert documented() == {*names_of_semconv(), *names_of_resource(), *FROM_LOGS, *FROM_APPLICATION}


def test_metrics_and_events_have_their_rows() -> None:
    assert PAGE.names("Metrics") == set(names_of_semconv("METRIC_"))
    assert PAGE.names("Logs") == set(names_of_semconv("EVENT_"))


def test_outcomes() -> None:
    rows = PAGE.rows("Outcomes")
    assert {names_in(row[0])[0]: names_in(row[1])[0] for row in rows} == semconv.RESULT_STATUS
    assert [names_in(row[0])[0] for row in rows] == list(semconv.OUTCOMES)


def test_options_as_pytest_lists_them(pytester: pytest.Pytester) -> None:
    help_text = pytester.runpytest_subprocess("--help").stdout.str()
    flags = re.findall(r"^  (--otel[a-z-]*)", help_text, re.MULTILINE)
    ini = re.findall(r"^  (otel[a-z_]*) \(", help_text, re.MULTILINE)
    assert PAGE.names("Configuration") >= set(flags)
    assert {name for name in PAGE.names("Configuration") if name.startswith("-")} == set(flags)
    assert {name for name in PAGE.names("Configuration", 1) if name.startswith("otel_")} | {"otel"} == set(ini)


@pytest.mark.parametrize(
    ("option", "documented"),
    [
        (options.ENDPOINT, "http://localhost:4318"),
        (options.RUN_NAME, "pytest"),
        (options.TRACE_PER, "auto"),
        (options.DETAIL, "phases"),
        (options.OUTPUT, "failed"),
        (options.METRICS, "on"),
        (options.LOGS, "off"),
    ],
)
def test_defaults_as_pytest_tells_them(option: options.Option, documented: str) -> None:
    (row,) = (row for row in PAGE.rows("Configuration") if f"`{option.flag}`" in row[0])
    assert names_in(row[3])[-1] == documented
    assert option.help.endswith(f"(default: {documented})")


def test_defaults_of_the_ini_file(pytester: pytest.Pytester) -> None:
    resolved = resolve.resolve(pytester.parseconfig(), {})
    rows = {names_in(row[1])[0]: row[3] for row in PAGE.rows("Configuration") if len(row) == 4 and "`otel" in row[1]}
    assert tuple(names_in(rows["otel_redact"])) == resolved.redact
    assert float(rows["otel_exit_timeout"]) == resolved.exit_timeout
    assert rows["otel_context"] == "`on`"
    assert resolved.context is True
    assert rows["otel_app_spans"] == "`off`"
    assert resolved.app_spans is False


class Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(given)
        self.names: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.names.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)


def test_environment_variables_as_the_source_asks_for_them(pytester: pytest.Pytester) -> None:
    given = {"TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-01", "PYTEST_OTEL": "1"}
    asked = Asked(given)
    config = pytester.parseconfig()
    options.requested(config, asked)
    resolve.resolve(config, asked)
    endpoint.settings_from("http", {}, "", asked)
    service.service_name(None, asked, ROOT)
    # Read in place, from the process' own environment.
    assert 'os.environ.get("BAGGAGE"' in (ROOT / "src/pytest_otlp/session.py").read_text("utf-8")
    ours = {name for name in asked.names if name.startswith(("OTEL_", "PYTEST_OTEL", "TRACE"))} | {"BAGGAGE"}
    assert environment_on_the_page() == ours


def environment_on_the_page() -> set[str]:
    rows = PAGE.rows("Configuration")
    columns = [row[2] if len(row) == 4 else row[0] for row in rows]
    names = {name for cell in columns for name in names_in(cell)}
    return {name.replace("<SIGNAL>", signal) for name in names for signal in SIGNALS}


def test_nothing_else_reads_a_variable_of_opentelemetry() -> None:
    """Or the test above would not know of it."""
    literal = re.compile(r"""["']OTEL_[A-Z_]+""")
    files = {path.name for path in (ROOT / "src").rglob("*.py") if literal.search(path.read_text("utf-8"))}
    assert files == {"cli.py", "options.py", "resolve.py", "endpoints.py", "headers.py", "service.py"}
