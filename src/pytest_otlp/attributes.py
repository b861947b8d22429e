"""What others tell of a test: the hook `pytest_otel_test_attributes`, asked only where somebody implements it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_otlp.redact import without_secrets
from pytest_otlp.safe import qualified_name, text_of

if TYPE_CHECKING:
    from pytest_otlp.worker import TestObserver

HOOK = "pytest_otel_test_attributes"
MOST = 128
"""Of one answer."""


class AttributesAsked:
    """Asks at each report, before anybody is told of it."""

    def __init__(self, observer: TestObserver, redact: tuple[str, ...]) -> None:
        self._observer = observer
        self._redact = redact

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        watch = self._observer.watches[call.when]
        try:
            attributes, defect = self._asked(item, report), ""
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:  # noqa: BLE001  the hook is a user's
            attributes, defect = (), f"{HOOK} failed for {item.nodeid} ({qualified_name(type(error))})"
        if attributes or defect:
            watch.add_attributes(attributes, defect)
        return report

    def _asked(self, item: pytest.Item, report: pytest.TestReport) -> tuple[tuple[str, Any], ...]:
        from pytest_otlp.context import plain  # noqa: PLC0415  imports OpenTelemetry

        found: dict[str, Any] = {}
        for answer in item.ihook.pytest_otel_test_attributes(item=item, report=report):
            if not isinstance(answer, Mapping):
                raise TypeError("no mapping")
            found |= {text_of(name): plain(value) for name, value in answer.items() if value is not None}
        return tuple(without_secrets(found, self._redact).items())[:MOST]


def ask_others(observer: TestObserver, redact: tuple[str, ...], session: pytest.Session) -> None:
    """All conftest files are loaded: asks from now on, if anybody has something to tell."""
    if getattr(session.config.hook, HOOK).get_hookimpls():
        session.config.pluginmanager.register(AttributesAsked(observer, redact), "otlp-attributes")
