"""What every test here stands on: pytester, and an environment that says nothing about where the tests run."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]

TELLTALE = (
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

OURS = frozenset({"PYTEST_OTLP_BACKENDS", "PYTEST_OTLP_REQUIRE_BACKENDS", "PYTEST_OTLP_SOAK"})
"""Settings of this test suite."""

NOT_LOADED = ("anyio", "asyncio", "flaky", "hypothesispytest", "randomly")
"""Plugins that an inner run gets only by naming them (`-p asyncio`): they are slow to import or change every run."""


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the machine's own environment, so that an inner run gives the same result everywhere."""
    for name in list(os.environ):
        if name not in OURS and (name == "CI" or name.startswith(("CI_", *TELLTALE))):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in NOT_LOADED))
