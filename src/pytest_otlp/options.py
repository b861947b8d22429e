"""The options: their names, and where their values may stand. Nothing else of the plugin is imported when it is off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

_INI_TYPE: Any = str | bool | int | float if pytest.version_tuple >= (9, 2) else None
"""What TOML may have in `[tool.pytest]`, where pytest takes values as they are."""
_ON = ("1", "true", "yes", "on")
_OFF = ("0", "false", "no", "off", "")


class Option(NamedTuple):
    """One thing that the user decides."""

    name: str
    help: str
    metavar: str = ""
    """Empty where there is no command-line option that takes a value."""
    env: tuple[str, ...] = ()
    """Environment variables, the strongest first."""
    ini: bool = True
    words: bool = False
    """In the ini file several words, and in `[tool.pytest]` of pytest 9 a list."""
    turns_on: bool = False
    """On the command line; in the ini file it is how, and not whether."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def flag_help(self) -> str:
        return f"{self.help}; turns it on" if self.turns_on else self.help


class Source(NamedTuple):
    """A raw value and where it stood."""

    text: str
    place: str
    fatal: bool
    """A bad value there is a usage error; in an `OTEL_*` variable it may be meant for the tested application."""


OTEL = Option("otel", "send this run as OpenTelemetry data", env=("PYTEST_OTEL",))
ENDPOINT = Option(
    "otel_endpoint",
    "where to send it: http(s)://HOST:PORT, file:PATH or console: (default: http://localhost:4318)",
    "URL",
    turns_on=True,
)
PROTOCOL = Option(
    "otel_protocol",
    "grpc or http/protobuf (default: by port, 4317 is gRPC)",
    "PROTOCOL",
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
)
SERVICE = Option("otel_service_name", "service.name (default: OTEL_SERVICE_NAME, else the project's name)", "NAME")
RUN_NAME = Option("otel_run_name", "name of the run's root span (default: pytest)", "NAME")
TRACEPARENT = Option(
    "otel_traceparent",
    "parent of the run: a W3C traceparent, or github for the workflow's (default: TRACEPARENT, else a new trace)",
    "PARENT",
    ini=False,
)
TRACE_URL = Option(
    "otel_trace_url",
    "link to print, a template with {trace_id} or {run_id} (default where the endpoint is local: `pytest-otlp view`'s"
    " page, or Jaeger's)",
    "TEMPLATE",
    ("PYTEST_OTEL_TRACE_URL",),
)
TRACE_PER = Option(
    "otel_trace_per",
    "traces of a run: one for the run, for each file or each test; auto: by file above 2,000 tests (default: auto)",
    "UNIT",
)
DETAIL = Option(
    "otel_detail",
    "spans below a test: tests (none), phases (and fixtures of 1 ms or more), fixtures (all) (default: phases)",
    "DETAIL",
)
OUTPUT = Option(
    "otel_output",
    "whose captured output is sent: failed (all that did not pass), all or none (default: failed)",
    "TESTS",
)
METRICS = Option("otel_metrics", "send metrics: on or off (default: on)", "SWITCH")
LOGS = Option("otel_logs", "send the run's events and what its tests log: on or off (default: off)", "SWITCH")
APP_SPANS = Option(
    "otel_app_spans",
    "send the spans of an application without a tracer provider of its own: on or off (default: off)",
)
CONTEXT = Option("otel_context", "make the test's span current while it runs: on or off (default: on)")
REDACT = Option(
    "otel_redact", "more words, with * and ?, that mark the name of a parameter or property as secret", words=True
)
VIEW = Option(
    "otel_view", "show this run on the page of `pytest-otlp view`, started if need be", ini=False, turns_on=True
)
HTML = Option("otel_html", "write the run as one HTML file", "PATH", turns_on=True)
EXIT_TIMEOUT = Option(
    "otel_exit_timeout",
    "seconds that the end of the run may wait for the delivery (default: 5)",
    env=("PYTEST_OTEL_EXIT_TIMEOUT",),
)
OPTIONS = (
    OTEL,
    ENDPOINT,
    PROTOCOL,
    SERVICE,
    RUN_NAME,
    TRACEPARENT,
    TRACE_URL,
    TRACE_PER,
    DETAIL,
    OUTPUT,
    METRICS,
    LOGS,
    APP_SPANS,
    CONTEXT,
    REDACT,
    VIEW,
    HTML,
    EXIT_TIMEOUT,
)


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("otel", "OpenTelemetry (pytest-otlp)")
    for switch in (OTEL, VIEW):
        group.addoption(switch.flag, action="store_const", const="on", default=None, help=switch.flag_help)
    for option in OPTIONS:
        if option.metavar:
            group.addoption(option.flag, metavar=option.metavar, default=None, help=option.flag_help)
        if option.ini:
            kind: Any = "linelist" if option.words else _INI_TYPE
            parser.addini(option.name, option.help, type=kind, default=None)


def find(option: Option, config: pytest.Config, env: Mapping[str, str]) -> Source | None:
    """The strongest place where a value stands: command line, ini file, environment."""
    value = config.getoption(option.name, default=None)
    if value is not None:
        return Source(str(value), option.flag, fatal=True)
    ini = _ini_text(option, config) if option.ini else ""
    if ini:
        return Source(ini, f"ini option {option.name}", fatal=True)
    for name in option.env:
        if env.get(name, "").strip():
            return Source(env[name], name, fatal=not name.startswith("OTEL_"))
    return None


def _ini_text(option: Option, config: pytest.Config) -> str:
    """Empty where there is none.

    Raises:
        pytest.UsageError: a value of TOML of a type that this pytest does not let pass.
    """
    try:
        value = config.getini(option.name)
    except TypeError as error:  # pytest 9.0 and 9.1
        remedy = "a list of texts" if option.words else "a text, in quotes"
        raise pytest.UsageError(f"pytest-otlp: {error}; write it as {remedy}") from None
    return "" if value is None else " ".join(value) if option.words else str(value).strip()


def parse_switch(text: str) -> bool:
    """Raises:
    ValueError: it is neither on nor off.
    """
    word = text.strip().lower()
    if word not in _ON + _OFF:
        raise ValueError("use on or off")
    return word in _ON


def sdk_disabled(env: Mapping[str, str]) -> bool:
    """`OTEL_SDK_DISABLED`: only `true` counts (OpenTelemetry specification, SDK environment variables)."""
    return env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def requested(config: pytest.Config, env: Mapping[str, str]) -> Source | None:
    """Where the user turned the plugin on; None where nobody did.

    Raises:
        pytest.UsageError: the switch has a bad value.
    """
    sends = asked_to_send(config, env)
    if config.getoption(HTML.name, default=None) is not None:
        return Source("on", HTML.flag, fatal=True)
    return sends


def asked_to_send(config: pytest.Config, env: Mapping[str, str]) -> Source | None:
    """Where the user asked for more than a file; None where nobody did.

    The environment alone does nothing in a pytest that a test started, so that suites which run pytest within
    pytest stay one run.

    Raises:
        pytest.UsageError: the switch has a bad value.
    """
    switched = _switched_on(config, env)
    for option in (ENDPOINT, VIEW):
        if config.getoption(option.name, default=None) is not None:
            return Source("on", option.flag, fatal=True)
    return switched


def _switched_on(config: pytest.Config, env: Mapping[str, str]) -> Source | None:
    source = find(OTEL, config, env)
    if source is None or (source.place in OTEL.env and "PYTEST_CURRENT_TEST" in env):
        return None
    try:
        return source if parse_switch(source.text) else None
    except ValueError as error:
        raise pytest.UsageError(f"pytest-otlp: {source.place}={source.text!r}: {error}") from None
