from __future__ import annotations

import os
import platform
import socket

import pytest

from pytest_otlp.resource.host import process_attributes


def test_process() -> None:
    assert process_attributes("9.2.0") == {
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
        "process.runtime.name": platform.python_implementation().lower(),
        "process.runtime.version": platform.python_version(),
        "pytest.version": "9.2.0",
    }


def test_what_is_not_known_is_left_out() -> None:
    assert "pytest.version" not in process_attributes("")


def test_host_name_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "uname", raising=False)
    monkeypatch.setenv("COMPUTERNAME", "DESKTOP-1")
    assert process_attributes("9.2.0")["host.name"] == "DESKTOP-1"
    monkeypatch.delenv("COMPUTERNAME")
    assert "host.name" not in process_attributes("9.2.0")
