"""The environment of inner runs: nothing in it says where the tests run, so that they go the same way everywhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import entry_points

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

_LOADED = (
    "otlp",
    "pytest_cov",
    "pytest_forked",
    "repeat",
    "rerunfailures",
    "socket",
    "timeout",
    "xdist",
    "xdist.looponfail",
)


def without_plugins(loaded: Collection[str]) -> str:
    """Options that keep out every installed plugin but these; the names are those of their entry points."""
    return " ".join(f"-p no:{name}" for name in installed_plugins() if name not in loaded)


@cache
def installed_plugins() -> Mapping[str, str]:
    """The entry points of pytest's plugins, and the versions of their packages."""
    found = {point.name: point.dist.version if point.dist else "" for point in entry_points(group="pytest11")}
    return dict(sorted(found.items()))


ADDOPTS = without_plugins(_LOADED)
"""An inner run gets other plugins only by naming them (`-p asyncio`): many are slow to import or change every run."""


def is_telltale(name: str) -> bool:
    """Whether the plugin, pytest or the detection of a CI system would read this variable."""
    return name not in _OURS and (name == "CI" or name.startswith(("CI_", *_TELLTALE)))
