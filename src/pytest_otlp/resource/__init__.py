"""Who and where: the resource that every span, metric and log record of a run carries.

`service` and `host` are read in the process that runs the tests; `ci` and `vcs`, which may start git, in the exporter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_otlp.paths import working_tree

GIT_TIMEOUT = 2.0
"""Seconds that all git processes of one detection may take together."""

_FROM_GIT = ("vcs.repository.url.full", "vcs.ref.head.name", "vcs.ref.head.revision")


def detect(*, root: Path, env: Mapping[str, str]) -> dict[str, str]:
    """`cicd.*` and `vcs.*` of a run in `root`: the CI system's variables, and git for what they leave open.

    Never raises for a missing git or repository, and takes at most `GIT_TIMEOUT` seconds.
    """
    # Importing `resource.service` in the test process imports this module as well.
    from pytest_otlp.resource.ci import detect_ci  # noqa: PLC0415  keeps it out of the test process

    attributes = detect_ci(env)
    if all(name in attributes for name in _FROM_GIT) or working_tree(root) is None:
        return attributes
    from pytest_otlp.resource.vcs import detect_git  # noqa: PLC0415  takes 10 ms

    return {**detect_git(root, GIT_TIMEOUT), **attributes}


def merge(detected: Mapping[str, str | int], env_attributes: Mapping[str, str]) -> dict[str, str | int]:
    """`OTEL_RESOURCE_ATTRIBUTES` over what was detected.

    Only a `service.name` that is already there stays, because `service.service_name` has weighed that variable
    against the stronger `OTEL_SERVICE_NAME` (OpenTelemetry specification, SDK environment variables).
    """
    merged = {**detected, **env_attributes}
    if "service.name" in detected:
        merged["service.name"] = detected["service.name"]
    return merged
