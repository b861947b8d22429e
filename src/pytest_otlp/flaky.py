"""What the plugin flaky (3.8) adds: attempts whose reports nobody sees. Registered only where it is loaded.

It runs a test again by itself and does not report a call, or a setup, that is not its last word; the teardown that
follows is reported. What was withheld rides on that.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_otlp.events import Phase
from pytest_otlp.reports import PhaseExtra, phase_of

if TYPE_CHECKING:
    from pytest_otlp.worker import TestObserver


class WithheldReports:
    """Keeps each report until it is seen by others, or the teardown shows that it never will be."""

    def __init__(self, observer: TestObserver, redact: tuple[str, ...]) -> None:
        self._observer = observer
        self._redact = redact
        self._waiting: dict[str, Phase] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "setup":
            self._waiting.clear()
        if call.when != "teardown":
            self._waiting[call.when] = self._phase(report)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Before all others, who tell of the report. pytest-rerunfailures reports an attempt when all of it is over."""
        if report.when == "teardown" and self._waiting:
            watch = self._observer.watches["teardown"]
            watch.extra = (watch.extra or PhaseExtra())._replace(withheld=tuple(self._waiting.values()))
            setup = self._observer.watches["setup"]
            watch.case, setup.case = setup.case, ""
        self._waiting.pop(str(report.when), None)
        return (yield)

    def _phase(self, report: pytest.TestReport) -> Phase:
        """As it would be told, but counted by nobody."""
        watch = self._observer.watches[report.when]
        offset = self._observer.offset
        times = watch.start + offset, watch.end + offset
        phase = phase_of(report, "", times, watch.extra or PhaseExtra(), self._redact)
        return phase._replace(outcome="rerun") if report.failed else phase
