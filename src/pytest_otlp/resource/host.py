"""Facts about the process that runs the tests, without a system call that could block or a heavy import."""

from __future__ import annotations

import os
import sys


def process_attributes(pytest_version: str) -> dict[str, str | int]:
    """`host.name`, `process.*` and `pytest.version` of the calling process.

    The runtime is named as the semantic conventions ask of Python (resource, process, Python runtimes).
    """
    attributes: dict[str, str | int] = {
        "host.name": _host_name(),
        "process.pid": os.getpid(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": _runtime_version(),
        "pytest.version": pytest_version,
    }
    return {name: value for name, value in attributes.items() if value}


def _host_name() -> str:
    # Not `platform.node()`: on Windows it asks WMI, which takes seconds on some machines.
    uname = getattr(os, "uname", None)
    return str(uname().nodename) if uname else os.environ.get("COMPUTERNAME", "")


def _runtime_version() -> str:
    version = sys.implementation.version
    final = version.releaselevel == "final" and not version.serial
    return ".".join(str(part) for part in (version[:3] if final else version))
