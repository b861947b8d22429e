"""What the user asked for: command line over ini file over environment over default, as one frozen `Options`.

A bad value on the command line, in the ini file or in a `PYTEST_OTEL*` variable is a usage error that names the
option, the value and the remedy. A bad `OTEL_*` variable may be meant for the tested application: it is one warning,
and the default holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

import pytest

T = TypeVar("T")

DEFAULT_ENDPOINT = "http://localhost:4318"
DEFAULT_REDACTED = ("password", "secret", "token", "key", "auth", "cookie", "session")
SIGNALS = ("traces", "metrics", "logs")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off", "")


class Parent(NamedTuple):
    """The span that started this run, as W3C Trace Context tells it."""

    trace_id: str
    span_id: str
    sampled: bool
    trace_state: str = ""


class Endpoint(NamedTuple):
    """Where the data goes."""

    kind: str
    """http, grpc, file or console."""
    urls: Mapping[str, str]
    """By signal, for http and grpc; a signal without one is not sent."""
    path: str = ""
    """Of a file."""


class Options(NamedTuple):
    """Everything that the command line, the ini file and the environment decide."""

    endpoint: Endpoint
    service_name: str
    """Empty where it is to be found out."""
    run_name: str
    parent: Parent | None
    trace_url: str
    detail: str
    output: str
    metrics: bool
    logs: bool
    context: bool
    redact: tuple[str, ...]
    exit_timeout: float
    """s"""
    timeout: float
    """s, of one request"""
    notices: tuple[str, ...]
    """One line each, for the header."""

    @property
    def target(self) -> str:
        """Where the data goes, for people: without user info and path."""
        if self.endpoint.kind in ("file", "console"):
            return self.endpoint.path or "console"
        url = urlsplit(self.endpoint.urls["traces"])
        port = url.port or (443 if url.scheme == "https" else 80)
        return f"[{url.hostname}]:{port}" if ":" in (url.hostname or "") else f"{url.hostname}:{port}"


class Setting(NamedTuple, Generic[T]):
    """One thing to decide, and where its value may come from."""

    name: str
    parse: Callable[[str], T]
    """Raises ValueError with the remedy as its text."""
    default: T
    help: str
    metavar: str = ""
    """Empty where there is no command-line option."""
    env: tuple[str, ...] = ()
    ini: bool = True

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


class Source(NamedTuple):
    """A raw value and where it stood."""

    text: str
    place: str
    fatal: bool


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"use one of {', '.join(words)}")
        return text

    return parse


def parse_switch(text: str) -> bool:
    """Raises:
    ValueError: it is neither on nor off.
    """
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise ValueError("use on or off")
    return word in _TRUE


def parse_seconds(text: str) -> float:
    """Raises:
    ValueError: it is no number from 0 to 3600.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 3600:  # noqa: PLR2004
        raise ValueError("give seconds from 0 to 3600, like 5 or 0.5")
    return seconds


def parse_milliseconds(text: str) -> float:
    """The specification's unit of `OTEL_EXPORTER_OTLP_TIMEOUT`; returns seconds.

    Raises:
        ValueError: it is no positive number.
    """
    if not text.strip().isdigit() or not int(text):
        raise ValueError("give milliseconds, like 10000")
    return int(text) / 1000


def parse_traceparent(text: str) -> Parent:
    """Reads a `traceparent` (W3C Trace Context, section 3.2): version 00, and later versions by their first fields.

    Raises:
        ValueError: it is malformed, or an id is all zero.
    """
    form = "give version-traceid-spanid-flags in lower-case hex, like 00-<32 digits>-<16 digits>-01, or github"
    match = re.fullmatch(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", text.strip())
    if not match or match[1] == "ff" or (match[1] == "00" and match[5]):
        raise ValueError(form)
    if not int(match[2], 16) or not int(match[3], 16):
        raise ValueError(f"an id of zeros is invalid; {form}")
    return Parent(match[2], match[3], sampled=bool(int(match[4], 16) & 1))


def parse_run_name(text: str) -> str:
    if not text.strip():
        raise ValueError("give a name")
    return text


def parse_trace_url(text: str) -> str:
    """Raises:
    ValueError: the template has other placeholders than `{trace_id}` and `{run_id}`, or none of them.
    """
    remedy = "give a URL with {trace_id} or {run_id}, like http://localhost:16686/trace/{trace_id}"
    try:
        filled = text.format(trace_id="t", run_id="r")
    except (KeyError, IndexError, ValueError):
        raise ValueError(remedy) from None
    if filled == text or not text.startswith(("http://", "https://")):
        raise ValueError(remedy)
    return text


def parse_url(text: str) -> SplitResult:
    """Raises:
    ValueError: the scheme is none of ours, the host is missing, or the port is out of range.
    """
    url = urlsplit(text.strip())
    if url.scheme not in ("http", "https"):
        raise ValueError("unknown scheme; use http://HOST:PORT, https://HOST:PORT, file:PATH or console:")
    if not url.hostname:
        raise ValueError("no host; use http://HOST:PORT")
    try:
        _ = url.port
    except ValueError:
        raise ValueError("port out of range; use 1 to 65535, usually 4318 (HTTP) or 4317 (gRPC)") from None
    if url.port == 0:
        raise ValueError("port out of range; use 1 to 65535, usually 4318 (HTTP) or 4317 (gRPC)")
    if url.query or url.fragment:
        raise ValueError("a query or fragment is not sent; put credentials into OTEL_EXPORTER_OTLP_HEADERS")
    return url


def parse_endpoint(text: str) -> str:
    """Checks an endpoint and returns it.

    Raises:
        ValueError: it is no URL of ours, or its file cannot be written.
    """
    if text == "console:":
        return text
    if text.startswith("file:"):
        _check_writable(text.removeprefix("file:"))
        return text
    parse_url(text)
    return text.strip()


def _check_writable(path: str) -> None:
    if not path:
        raise ValueError("no path; use file:PATH, like file:run.jsonl")
    try:
        with open(path, "ab"):
            pass
    except OSError as error:
        raise ValueError(f"cannot be written ({error.strerror}); name a file in a folder that exists") from None


def parse_protocol(text: str) -> str:
    return _one_of("grpc", "http/protobuf")(text)


OTEL = Setting("otel", parse_switch, default=False, help="send this run as OpenTelemetry data", env=("PYTEST_OTEL",))
ENDPOINT = Setting(
    "otel_endpoint",
    parse_endpoint,
    default="",
    help=f"where to send it, and turns it on: http(s)://HOST:PORT, file:PATH or console: (default {DEFAULT_ENDPOINT})",
    metavar="URL",
)
PROTOCOL = Setting(
    "otel_protocol",
    parse_protocol,
    default="",
    help="grpc or http/protobuf (default: by port, 4317 is gRPC)",
    metavar="PROTOCOL",
    env=("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
)
SERVICE = Setting(
    "otel_service_name",
    parse_run_name,
    default="",
    help="service.name (default: OTEL_SERVICE_NAME, else the project's name)",
    metavar="NAME",
)
RUN_NAME = Setting(
    "otel_run_name", parse_run_name, default="pytest", help="name of the run's root span (default: pytest)", metavar="NAME"
)
TRACEPARENT = Setting(
    "otel_traceparent",
    str,
    default="",
    help="parent of the run: a W3C traceparent, or github for the workflow's (default: TRACEPARENT, else a new trace)",
    metavar="PARENT",
    ini=False,
)
TRACE_URL = Setting(
    "otel_trace_url",
    parse_trace_url,
    default="",
    help="link to print, a template with {trace_id} or {run_id} (default: Jaeger's where the endpoint is local)",
    metavar="TEMPLATE",
    env=("PYTEST_OTEL_TRACE_URL",),
)
DETAIL = Setting(
    "otel_detail",
    _one_of("tests", "phases", "fixtures"),
    default="phases",
    help="spans below a test: tests (none), phases (and fixtures of 1 ms or more), fixtures (all); default phases",
    metavar="DETAIL",
)
OUTPUT = Setting(
    "otel_output",
    _one_of("failed", "all", "none"),
    default="failed",
    help="captured output on the spans of failed (not passed), all or none of the tests; default failed",
    metavar="TESTS",
)
METRICS = Setting("otel_metrics", parse_switch, default=True, help="send metrics: on or off; default on", metavar="on|off")
LOGS = Setting(
    "otel_logs", parse_switch, default=False, help="send the run's events as logs: on or off; default off", metavar="on|off"
)
CONTEXT = Setting("otel_context", parse_switch, default=True, help="make the test's span current in the test: on or off")
REDACT = Setting(
    "otel_redact", str, default="", help="more words that mark a parameter or property as secret, one a line"
)
EXIT_TIMEOUT = Setting(
    "otel_exit_timeout",
    parse_seconds,
    default=5.0,
    help="seconds that the end of the run may wait for the delivery; default 5",
    env=("PYTEST_OTEL_EXIT_TIMEOUT",),
)
TIMEOUT = Setting(
    "otel_timeout",
    parse_milliseconds,
    default=10.0,
    help="",
    env=("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
    ini=False,
)
"""Of the environment only."""
SETTINGS: tuple[Setting[Any], ...] = (
    OTEL,
    ENDPOINT,
    PROTOCOL,
    SERVICE,
    RUN_NAME,
    TRACEPARENT,
    TRACE_URL,
    DETAIL,
    OUTPUT,
    METRICS,
    LOGS,
    CONTEXT,
    REDACT,
    EXIT_TIMEOUT,
)


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("otel", "OpenTelemetry (pytest-otlp)")
    group.addoption(OTEL.flag, action="store_const", const="on", default=None, help=OTEL.help)
    for setting in SETTINGS:
        if setting.metavar:
            group.addoption(setting.flag, metavar=setting.metavar, default=None, help=setting.help)
        if setting.ini:
            parser.addini(setting.name, setting.help, type=None, default=None)


class Sources:
    """Looks a setting up in the places where it may stand, the strongest first."""

    def __init__(self, config: pytest.Config, env: Mapping[str, str]) -> None:
        self._config = config
        self._env = env
        self.notices: list[str] = []

    def find(self, setting: Setting[Any]) -> Source | None:
        value = self._config.getoption(setting.name, default=None)
        if value is not None:
            return Source(str(value), setting.flag, fatal=True)
        ini = self._config.getini(setting.name) if setting.ini else None
        if ini:
            return Source(str(ini).strip(), f"ini option {setting.name}", fatal=True)
        for name in setting.env:
            if self._env.get(name):
                return Source(self._env[name], name, fatal=not name.startswith("OTEL_"))
        return None

    def get(self, setting: Setting[T]) -> T:
        """Raises:
        pytest.UsageError: a value that is ours alone is bad.
        """
        source = self.find(setting)
        return setting.default if source is None else self.read(source, setting.parse, setting.default)

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
    return repr(re.sub(r"//[^/@]*@", "//…@", text)[:200])


def requested(config: pytest.Config) -> bool:
    """Whether the user turned the plugin on.

    The environment alone does nothing in a pytest that a test started, so that suites which run pytest within
    pytest stay one run.

    Raises:
        pytest.UsageError: the switch has a bad value.
    """
    if config.getoption("otel_endpoint", default=None) is not None:
        return True
    source = Sources(config, os.environ).find(OTEL)
    if source is None or (source.place in OTEL.env and "PYTEST_CURRENT_TEST" in os.environ):
        return False
    return Sources(config, os.environ).read(source, parse_switch, default=False)


def resolve(config: pytest.Config, env: Mapping[str, str]) -> Options:
    """Decides everything, once.

    Raises:
        pytest.UsageError: a value of the command line, the ini file or a `PYTEST_OTEL*` variable is bad.
    """
    sources = Sources(config, env)
    endpoint = _endpoint(sources, env)
    _check_headers(env, sources.notices)
    return Options(
        endpoint=endpoint,
        service_name=sources.get(SERVICE),
        run_name=sources.get(RUN_NAME),
        parent=_parent(sources, env),
        trace_url=sources.get(TRACE_URL) or _local_jaeger(endpoint),
        detail=sources.get(DETAIL),
        output=sources.get(OUTPUT),
        metrics=_signal(sources, METRICS, env.get("OTEL_METRICS_EXPORTER")),
        logs=_signal(sources, LOGS, env.get("OTEL_LOGS_EXPORTER")),
        context=sources.get(CONTEXT),
        redact=DEFAULT_REDACTED + tuple(sources.get(REDACT).lower().split()),
        exit_timeout=sources.get(EXIT_TIMEOUT),
        timeout=sources.get(TIMEOUT),
        notices=tuple(sources.notices),
    )


def _signal(sources: Sources, setting: Setting[bool], exporter: str | None) -> bool:
    """`OTEL_METRICS_EXPORTER` and `OTEL_LOGS_EXPORTER` name exporters; only `none` and `otlp` concern us."""
    if sources.find(setting) is None and exporter in ("none", "otlp"):
        return exporter == "otlp"
    return sources.get(setting)


def _endpoint(sources: Sources, env: Mapping[str, str]) -> Endpoint:
    given = sources.get(ENDPOINT)
    if given == "console:":
        return Endpoint("console", {})
    if given.startswith("file:"):
        return Endpoint("file", {}, os.path.abspath(given.removeprefix("file:")))
    protocol = sources.get(PROTOCOL)
    if given:
        return _from_base(given, protocol)
    return _from_environment(sources, protocol, env)


def _from_base(base: str, protocol: str) -> Endpoint:
    kind = _kind(base, protocol)
    return Endpoint(kind, {signal: _appended(base, signal) if kind == "http" else base for signal in SIGNALS})


def _from_environment(sources: Sources, protocol: str, env: Mapping[str, str]) -> Endpoint:
    """The rules of the OTLP exporter's specification, "Endpoint URLs for OTLP/HTTP"."""
    general = "OTEL_EXPORTER_OTLP_ENDPOINT"
    base = sources.read(Source(env.get(general) or DEFAULT_ENDPOINT, general, fatal=False), _checked_url, DEFAULT_ENDPOINT)
    own = {}
    for signal in SIGNALS:
        name = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
        if env.get(name):
            own[signal] = sources.read(Source(env[name], name, fatal=False), _checked_url, "")
    own = {signal: url for signal, url in own.items() if url}
    only_own = "traces" in own and not env.get(general)
    common = _from_base(base, protocol)
    kind = _kind(own.get("traces", base), protocol)
    urls = own if only_own else {**common.urls, **own}
    return Endpoint(kind, urls)


def _checked_url(text: str) -> str:
    parse_url(text)
    return text.strip()


def _kind(url: str, protocol: str) -> str:
    if protocol:
        return "grpc" if protocol == "grpc" else "http"
    return "grpc" if urlsplit(url).port == 4317 else "http"  # noqa: PLR2004


def _appended(base: str, signal: str) -> str:
    """The base with the signal's path; a base that is pasted with the path of the traces counts without it."""
    return f"{base.rstrip('/').removesuffix('/v1/traces')}/v1/{signal}"


def _local_jaeger(endpoint: Endpoint) -> str:
    url = endpoint.urls.get("traces", "")
    return "http://localhost:16686/trace/{trace_id}" if urlsplit(url).hostname in _LOOPBACK else ""


def _parent(sources: Sources, env: Mapping[str, str]) -> Parent | None:
    source = sources.find(TRACEPARENT)
    if source is None:
        inner = "PYTEST_CURRENT_TEST" in env
        text = "" if inner else env.get("TRACEPARENT", "")
        source = Source(text, "TRACEPARENT", fatal=False)
    if not source.text:
        return None
    parent = sources.read(source, lambda text: _parse_parent(text, env), None)
    if parent is not None and not parent.sampled:
        sources.notices.append(f"{source.place} has the sampled flag off; recorded all the same")
    if parent is not None and source.text == env.get("TRACEPARENT"):
        return parent._replace(trace_state=env.get("TRACESTATE", "").strip()[:512])
    return parent


def _parse_parent(text: str, env: Mapping[str, str]) -> Parent:
    if text.strip() != "github":
        return parse_traceparent(text)
    from pytest_otlp.resource.ci import github_parent  # noqa: PLC0415  needed on request only

    ids = github_parent(env)
    if ids is None:
        raise ValueError("github needs GITHUB_RUN_ID and GITHUB_RUN_ATTEMPT, which GitHub Actions sets")
    return Parent(*ids, sampled=True)


def _check_headers(env: Mapping[str, str], notices: list[str]) -> None:
    """A header that breaks the line would never be accepted; its value is a secret and not shown."""
    for name in ("OTEL_EXPORTER_OTLP_HEADERS", *(f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS" for signal in SIGNALS)):
        if re.search(r"[\r\n\0]|%0[AaDd0]", env.get(name, "")):
            notices.append(f"{name} has a line break in a value; ignored (the value is not shown)")
