"""What every test here stands on: pytester, and an environment that says nothing about where the tests run."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from support import environment

pytest_plugins = ["pytester"]
pytest.register_assert_rewrite("support.runs")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # What a shell runs in the background ignores Ctrl-C, and so would all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the machine's own environment, so that an inner run gives the same result everywhere."""
    for name in filter(environment.is_telltale, list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_ADDOPTS", environment.ADDOPTS)
