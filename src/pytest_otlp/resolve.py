"""The user's wishes as one frozen `Options`.

A bad value on the command line, in the ini file or in a `PYTEST_OTEL*` variable is a usage error that names the
option, the value and the remedy. A bad `OTEL_*` variable may be meant for the tested application: it is one warning,
and the default holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import pytest

from pytest_otlp import endpoints, headers, options, values
from pytest_otlp.endpoints import Endpoint
from pytest_otlp.namedtuple import NamedTuple
from pytest_otlp.options import Option, Source
from pytest_otlp.values import Parent

T = TypeVar("T")

DEFAULT_REDACTED = (
    "password",
    "passwd",
    "secret",
    "token",
    "key",
    "apikey",
    "auth",
    "authorization",
    "credential",
    "cookie",
    "session",
)
DEFAULT_EXIT_TIMEOUT = 5.0
DEFAULT_TIMEOUT = 10.0
_LONGEST_TRACE_STATE = 512
_TIMEOUT = Option("", "", env=("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"), ini=False)


class Options(NamedTuple):
    """Everything that the command line, the ini file and the environment decide."""

    endpoint: Endpoint
    traces: bool
    view: bool
    """Whether a receiver with a page is to be there."""
    html: str
    """Absolute path of the report to write; empty for none."""
    service_name: str
    """Empty where it is to be found out."""
    run_name: str
    parent: Parent | None
    trace_url: str
    """Empty where none was given."""
    trace_per: str
    detail: str
    output: str
    metrics: bool
    logs: bool
    exceptions: str
    """Where they stand: `events` (of spans), `logs` or `logs/dup` (both)."""
    app_spans: bool
    context: bool
    redact: tuple[str, ...]
    exit_timeout: float
    """s"""
    timeout: float
    """s, of one request"""
    notices: tuple[str, ...]
    """One line each, for the header."""


class Reader:
    """Reads options from where they stand, and collects what deserves a notice."""

    def __init__(self, config: pytest.Config, env: Mapping[str, str]) -> None:
        self._config = config
        self.env = env
        self.notices: list[str] = []

    def find(self, option: Option) -> Source | None:
        return options.find(option, self._config, self.env)

    def get(self, option: Option, parse: Callable[[str], T], default: T) -> T:
        """Raises:
        pytest.UsageError: a value that is ours alone is bad.
        """
        source = self.find(option)
        return default if source is None else self.read(source, parse, default)

    def read(self, source: Source, parse: Callable[[str], T], default: T) -> T:
        try:
            return parse(source.text)
        except ValueError as error:
            problem = f"{source.place}={_shown(source.text)}: {error}"
        if source.fatal:
            raise pytest.UsageError(f"pytest-otlp: {problem}")
        self.notices.append(f"{problem}; ignored")
        return default


def _shown(text: str) -> str:
    """A value as an error may show it: escaped, short, without user info."""
    return repr(re.sub(r"^(\w+://)?.*@", r"\1...@", text, flags=re.DOTALL)[:200])


def resolve(config: pytest.Config, env: Mapping[str, str]) -> Options:
    """Decides everything, once.

    Raises:
        pytest.UsageError: a value of the command line, the ini file or a `PYTEST_OTEL*` variable is bad.
    """
    reader = Reader(config, env)
    _check_protocol(reader)
    view = reader.find(options.VIEW) is not None
    html = reader.get(options.HTML, values.parse_file, "")
    sends = not html or options.asked_to_send(config, env) is not None
    endpoint = _endpoint(reader, view=view) if sends else Endpoint("html", {}, html)
    traces = not sends or _sends_traces(reader, view=view)
    no_words: tuple[str, ...] = ()
    # The exporter leaves them out; people look here.
    reader.notices += headers.problems(env)
    _check_compression(reader)
    if options.sdk_disabled(env):
        reader.notices.append("OTEL_SDK_DISABLED is set; recorded all the same, because the command line asks for it")
    return Options(
        endpoint=endpoint,
        traces=traces,
        view=view,
        html=html,
        service_name=reader.get(options.SERVICE, values.parse_name, ""),
        run_name=reader.get(options.RUN_NAME, values.parse_name, "pytest"),
        parent=_parent(reader),
        trace_url=reader.get(options.TRACE_URL, values.parse_trace_url, ""),
        trace_per=reader.get(options.TRACE_PER, values.parse_trace_per, "auto"),
        detail=reader.get(options.DETAIL, values.parse_detail, "phases"),
        output=reader.get(options.OUTPUT, values.parse_output, "failed"),
        metrics=_signal(reader, options.METRICS, "metrics", endpoint, default=True),
        logs=_signal(reader, options.LOGS, "logs", endpoint, default=view),
        exceptions=_exceptions(env),
        app_spans=reader.get(options.APP_SPANS, options.parse_switch, default=False),
        # Nothing may have a parent that is never sent.
        context=reader.get(options.CONTEXT, options.parse_switch, default=True) and traces,
        redact=DEFAULT_REDACTED + reader.get(options.REDACT, values.parse_words, no_words),
        exit_timeout=reader.get(options.EXIT_TIMEOUT, values.parse_seconds, DEFAULT_EXIT_TIMEOUT),
        timeout=reader.get(_TIMEOUT, values.parse_milliseconds, DEFAULT_TIMEOUT),
        notices=tuple(reader.notices),
    )


def _exporters(reader: Reader, signal: str) -> list[str]:
    """What is listed there (OpenTelemetry specification, SDK environment variables, "Exporter Selection")."""
    return reader.env.get(f"OTEL_{signal.upper()}_EXPORTER", "").lower().replace(",", " ").split()


def _sends_traces(reader: Reader, *, view: bool) -> bool:
    """`OTEL_TRACES_EXPORTER` may be meant for the tested application: a receiver on the command line is stronger."""
    if _exporters(reader, "traces") != ["none"]:
        return True
    flag = options.VIEW.flag if view else options.ENDPOINT.flag
    overridden = view or _named_in_command(reader)
    reader.notices.append(
        f"OTEL_TRACES_EXPORTER=none is set; traces are sent all the same, because of {flag}"
        if overridden
        else f"no traces are sent, because OTEL_TRACES_EXPORTER=none; {flag} overrides it"
    )
    return overridden


def _named_in_command(reader: Reader) -> bool:
    source = reader.find(options.ENDPOINT)
    return source is not None and source.place == options.ENDPOINT.flag


def _signal(reader: Reader, option: Option, signal: str, endpoint: Endpoint, *, default: bool) -> bool:
    """Of `OTEL_METRICS_EXPORTER` and `OTEL_LOGS_EXPORTER` only `none` and `otlp` concern us."""
    exporters = _exporters(reader, signal)
    if "otlp" in exporters or exporters == ["none"]:
        default = "otlp" in exporters
    wanted = reader.get(option, options.parse_switch, default)
    return wanted and (signal in endpoint.urls or endpoint.kind == "file")


def _exceptions(env: Mapping[str, str]) -> str:
    """`OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN` (semantic conventions for exceptions); other words are for others."""
    words = env.get("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "").replace(",", " ").split()
    return next((word for word in ("logs/dup", "logs") if word in words), "events")


def _endpoint(reader: Reader, *, view: bool) -> Endpoint:
    if view:
        return _of_the_page(reader)
    given = reader.get(options.ENDPOINT, _parse_endpoint, "")
    if given == "console:":
        return Endpoint("console", {})
    if not given and _on_the_console(reader):
        return Endpoint("console", {})
    if given.startswith("file:"):
        return Endpoint("file", {}, os.path.abspath(given.removeprefix("file:")))
    protocol = reader.get(options.PROTOCOL, values.parse_protocol, "")
    if given:
        return endpoints.from_base(given, protocol)
    return endpoints.from_environment(lambda name: _url_from(reader, name), protocol)


_OF_ONE_PROCESS = ("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/")


def _parse_endpoint(text: str) -> str:
    """As `values.parse_endpoint`, but for files that are another thing to the exporter than to the user."""
    if text.removeprefix("file:").startswith(_OF_ONE_PROCESS):
        raise ValueError("is another one in the process that writes it; name a file, or use console:")
    return values.parse_endpoint(text)


def _on_the_console(reader: Reader) -> bool:
    """Whether `OTEL_TRACES_EXPORTER` asks for that; a run goes to one place."""
    exporters = _exporters(reader, "traces")
    if "console" in exporters and "otlp" in exporters:
        reader.notices.append("OTEL_TRACES_EXPORTER names otlp and console; console is left out")
    return "console" in exporters and "otlp" not in exporters


def _of_the_page(reader: Reader) -> Endpoint:
    if _named_in_command(reader):
        raise pytest.UsageError(
            f"pytest-otlp: {options.VIEW.flag} and {options.ENDPOINT.flag} name two receivers; leave one out"
        )
    return endpoints.from_base(endpoints.DEFAULT_ENDPOINT, "http/protobuf")


def _check_protocol(reader: Reader) -> None:
    """Also where it is of no use: of a file, of the terminal, of a page."""
    source = reader.find(options.PROTOCOL)
    if source is not None and source.fatal:
        reader.read(source, values.parse_protocol, "")


def _check_compression(reader: Reader) -> None:
    """The exporter takes what it does not know for the default; people look here."""
    for signal in ("", *(f"{signal.upper()}_" for signal in endpoints.SIGNALS)):
        name = f"OTEL_EXPORTER_OTLP_{signal}COMPRESSION"
        if text := reader.env.get(name, "").strip():
            reader.read(Source(text.lower(), name, fatal=False), values.parse_compression, "gzip")


def _url_from(reader: Reader, name: str) -> str:
    text = reader.env.get(name, "").strip()
    return reader.read(Source(text, name, fatal=False), values.parse_url, "") if text else ""


def _parent(reader: Reader) -> Parent | None:
    source = reader.find(options.TRACEPARENT) or _from_traceparent_variable(reader.env)
    if source is None:
        return None
    parent = reader.read(source, lambda text: _parse_parent(text, reader.env), None)
    if parent is not None and not parent.sampled:
        reader.notices.append(f"{source.place} has the sampled flag off; recorded all the same")
    if parent is not None and source.text == reader.env.get("TRACEPARENT"):
        return parent._replace(trace_state=_whole_members(reader.env.get("TRACESTATE", "").strip()))
    return parent


def _whole_members(trace_state: str) -> str:
    """As many members of a `tracestate` as have to be passed on (W3C Trace Context, section 3.3.1.5)."""
    while len(trace_state) > _LONGEST_TRACE_STATE:
        trace_state = trace_state.rpartition(",")[0]
    return trace_state


def _from_traceparent_variable(env: Mapping[str, str]) -> Source | None:
    """Not in a pytest that a test started: its variables are meant for the outer one."""
    text = env.get("TRACEPARENT", "")
    return Source(text, "TRACEPARENT", fatal=False) if text and "PYTEST_CURRENT_TEST" not in env else None


def _parse_parent(text: str, env: Mapping[str, str]) -> Parent:
    if text.strip() != "github":
        return values.parse_traceparent(text)
    from pytest_otlp.resource.ci import github_parent  # noqa: PLC0415  needed on request only

    ids = github_parent(env)
    if ids is None:
        raise ValueError("github needs GITHUB_RUN_ID and GITHUB_RUN_ATTEMPT, which GitHub Actions sets")
    return Parent(*ids, sampled=True)
