"""The environment of inner runs: nothing in it says where the tests run, so that they go the same way everywhere."""

from __future__ import annotations

_TELLTALE = (
    "BAGGAGE",
    "BITBUCKET_",
    "BUILDKITE",
    "BUILD_",
    "CIRCLE",
    "GITHUB_",
    "GITLAB_",
    "JENKINS_",
    "OTEL_",
    "PYTEST_",
    "SYSTEM_",
    "TF_BUILD",
    "TRACEPARENT",
    "TRACESTATE",
    "TRAVIS",
)
"""Beginnings of variables that the plugin, pytest or the detection of a CI system would read."""

_OURS = frozenset({"PYTEST_OTLP_BACKENDS", "PYTEST_OTLP_REQUIRE_BACKENDS", "PYTEST_OTLP_SOAK"})
"""Settings of this test suite."""

ADDOPTS = "-p no:anyio -p no:asyncio -p no:flaky -p no:hypothesispytest -p no:randomly"
"""Plugins that an inner run gets only by naming them (`-p asyncio`): they are slow to import or change every run."""


def is_telltale(name: str) -> bool:
    """Whether the plugin, pytest or the detection of a CI system would read this variable."""
    return name not in _OURS and (name == "CI" or name.startswith(("CI_", *_TELLTALE)))
