"""How many fixtures a test was given that had been set up for an earlier one: with `--otel-detail=fixtures`."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_otlp import semconv

if TYPE_CHECKING:
    from pytest_otlp.worker import TestObserver

_ALWAYS_THERE = frozenset({"request"})
"""What pytest makes without a setup."""


class CachedFixtures:
    """pytest has no hook for a fixture that is handed out again: it is what a test asks for and is not set up in it."""

    def __init__(self, observer: TestObserver) -> None:
        self._observer = observer
        self._set_up: set[str] = set()
        """In the test that runs."""

    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        self._set_up.add(fixturedef.argname)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "setup" and call.excinfo is None:
            asked = frozenset(getattr(item, "fixturenames", ()))
            cached = len(asked - self._set_up - _ALWAYS_THERE)
            if cached:
                self._observer.watches["setup"].add_attributes([(semconv.FIXTURES_CACHED, cached)])
        elif call.when == "teardown":
            self._set_up.clear()
        return report
