"""What every test here stands on: pytester, and an environment that says nothing about where the tests run."""

from __future__ import annotations

import os

import pytest

from support import environment

pytest_plugins = ["pytester"]
pytest.register_assert_rewrite("support.runs")


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the machine's own environment, so that an inner run gives the same result everywhere."""
    for name in filter(environment.is_telltale, list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_ADDOPTS", environment.ADDOPTS)
