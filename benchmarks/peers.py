"""What is compared: each peer's distributions, and how it is switched on against a local server."""

from __future__ import annotations

from dataclasses import dataclass

BASE = ("pytest", "pytest-xdist")
CHECKOUT = "."  # stands for this project's own tree in a peer's requirements


@dataclass(frozen=True)
class Peer:
    """One row of the tables.

    `args` and `env` may hold `{endpoint}`, the server's `http://host:port`, and `{scratch}`, a directory of the run.
    A test has arrived whole when `spans` spans of it are there, and `fixture_spans` for each of its fixtures.
    """

    name: str
    requires: tuple[str, ...] = BASE
    unchecked: tuple[str, ...] = ()
    """Installed with `--no-deps`: distributions whose own pins exclude the common ones. `note` says which."""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    spans: int = 0
    fixture_spans: int = 0
    venv: str = ""
    """Name of the environment, where it is shared with another peer."""
    installed: bool = True
    """Whether the suites that measure an unused plugin have a meaning for this peer."""
    note: str = ""

    @property
    def environment(self) -> str:
        """Name of the virtual environment."""
        return self.venv or self.name


ALONE = Peer("pytest alone", venv="pytest")
OURS = Peer("pytest-otlp", requires=(*BASE, CHECKOUT), args=("--otel-endpoint={endpoint}",), spans=4)

_OTLP_ENV = (("OTEL_EXPORTER_OTLP_ENDPOINT", "{endpoint}"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"))
_LOGFIRE = Peer(
    "logfire",
    requires=(
        *BASE,
        "certifi",
        "executing",
        "opentelemetry-exporter-otlp-proto-http",
        "opentelemetry-instrumentation",
        "protobuf",
        "requests",
        "rich",
        "tomli",
        "typing-extensions",
    ),
    unchecked=("logfire", "logfire-sdk"),
    args=("--logfire",),
    env=(*_OTLP_ENV, ("LOGFIRE_SEND_TO_LOGFIRE", "false")),
    spans=1,
    note="declares a newer certifi than could be installed when the versions were pinned; no TLS is used here",
)

PEERS = (
    ALONE,
    Peer("junitxml", venv="pytest", args=("--junitxml={scratch}/junit.xml",), installed=False),
    OURS,
    Peer(
        "pytest-otel",
        requires=(*BASE, "opentelemetry-exporter-otlp"),
        unchecked=("pytest-otel",),
        args=("--otel-endpoint={endpoint}", "--otel-exporter-protocol=http/protobuf"),
        spans=1,
        note="declares pytest==9.1.1; run with the pytest that all use",
    ),
    Peer(
        "pytest-opentelemetry",
        requires=(*BASE, "pytest-opentelemetry", "opentelemetry-exporter-otlp"),
        args=("--export-traces",),
        # It takes gRPC unless the exporter is named; the server speaks HTTP, as it does with all others.
        env=(*_OTLP_ENV, ("OTEL_TRACES_EXPORTER", "otlp_proto_http")),
        spans=4,
        fixture_spans=2,
    ),
    Peer(
        "ddtrace",
        requires=(*BASE, "ddtrace"),
        args=("--ddtrace",),
        # The agent's own telemetry is no test data, and with an agent's address nothing leaves the machine.
        env=(
            ("DD_TRACE_AGENT_URL", "{endpoint}"),
            ("DD_CIVISIBILITY_AGENTLESS_ENABLED", "false"),
            ("DD_INSTRUMENTATION_TELEMETRY_ENABLED", "false"),
        ),
        spans=1,
    ),
    _LOGFIRE,
)

EXTRA = (
    Peer(
        "pytest-otlp blocked",
        requires=OURS.requires,
        args=("-p", "no:otlp"),
        venv=OURS.name,
    ),
    Peer(
        "logfire with phases",
        requires=_LOGFIRE.requires,
        unchecked=_LOGFIRE.unchecked,
        args=("--logfire", "--logfire-trace-phases"),
        env=_LOGFIRE.env,
        spans=4,
        venv=_LOGFIRE.name,
        installed=False,
    ),
)
"""Peers that run only where they are asked for by name."""


def named(names: list[str]) -> tuple[Peer, ...]:
    """The peers of these names, in the tables' order; raises LookupError for a name that is none."""
    known = {peer.name: peer for peer in PEERS + EXTRA}
    if unknown := sorted(set(names) - set(known)):
        raise LookupError(f"no peer {', '.join(unknown)}; there are: {', '.join(known)}")
    return tuple(peer for name, peer in known.items() if name in names)
