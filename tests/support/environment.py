"""The environment of inner runs: nothing in it says where the tests run, so that they go the same way everywhere."""

from __future__ import annotations

from collections.abc import Mapping
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

_LOADED = ("otlp", "xdist", "xdist.looponfail")


def plugins(*more: str) -> str:
    """Options by which an inner run loads us, xdist and these, by their entry points, and no other plugin.

    The others take as long to import as pytest itself, or change every run.
    """
    return " ".join(f"-p no:{name}" for name in installed_plugins() if name not in (*_LOADED, *more))


@cache
def installed_plugins() -> Mapping[str, str]:
    """The entry points of pytest's plugins, and the versions of their packages."""
    found = {point.name: point.dist.version if point.dist else "" for point in entry_points(group="pytest11")}
    return dict(sorted(found.items()))


ADDOPTS = plugins()
"""A run that needs another plugin names it (`-p asyncio`)."""


def is_telltale(name: str) -> bool:
    """Whether the plugin, pytest or the detection of a CI system would read this variable."""
    return name not in _OURS and (name == "CI" or name.startswith(("CI_", *_TELLTALE)))
