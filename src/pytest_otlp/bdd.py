"""What pytest-bdd (7 to 9) adds: what a scenario says of itself, and its steps. Imported only where it is loaded."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_otlp.events import Case, Failure, Step
from pytest_otlp.paths import relative, root_of
from pytest_otlp.redact import REDACTED, is_secret
from pytest_otlp.reports import TEXT_LIMIT, VALUE_LIMIT, PhaseExtra, failure_within
from pytest_otlp.safe import cut_middle, text_of

if TYPE_CHECKING:
    from pytest_otlp.worker import TestObserver

_EXAMPLE = "_pytest_bdd_example"
"""The parameter under which a scenario outline gets one of its examples."""


def of_scenario(case: Case, item: pytest.Item, redact: Sequence[str]) -> Case:
    """What its feature file says of a test: its function is pytest-bdd's own. Other tests stay as they are."""
    template = _template_of(getattr(item, "obj", None))
    if template is None:
        return case
    feature = template.feature
    said = inspect.cleandoc(text_of(feature.description or ""))
    return case._replace(
        path=_path_of(feature, item.config),
        line=template.line_number,
        function=text_of(getattr(item, "originalname", item.name)),
        description=cut_middle(said, TEXT_LIMIT) or f"{feature.name}: {template.name}",
        parameters=tuple(_parameters(case, item, redact)),
    )


def _template_of(function: Any) -> Any:
    """The scenario as it stands in the file: up to version 7 an attribute of the function, since then in a registry."""
    known = getattr(function, "__scenario__", None)
    registry = getattr(sys.modules.get("pytest_bdd.scenario"), "scenario_wrapper_template_registry", {})
    try:
        return known or registry.get(function)
    except TypeError:  # what cannot be referred to weakly is none of its functions
        return None


def _path_of(feature: Any, config: pytest.Config) -> str:
    return relative(feature.filename, root_of(config))


def _parameters(case: Case, item: pytest.Item, redact: Sequence[str]) -> list[tuple[str, str]]:
    """With the example's own names instead of its whole."""
    callspec = getattr(item, "callspec", None)
    example: Mapping[str, object] = callspec.params.get(_EXAMPLE, {}) if callspec is not None else {}
    shown = [
        (name, REDACTED if is_secret(name, redact) else text_of(value)[:VALUE_LIMIT]) for name, value in example.items()
    ]
    return [pair for pair in case.parameters if pair[0] != _EXAMPLE] + shown


class ScenarioObserver:
    """Times the steps. They are told with the report of the phase in which they ran."""

    def __init__(self, observer: TestObserver, config: pytest.Config, now: Callable[[], int]) -> None:
        self._observer = observer
        self._config = config
        self._now = now
        self._steps: list[Step] = []
        self._began = 0
        self._under_way: tuple[Any, int] | None = None

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_bdd_before_scenario(self) -> None:
        self._began, self._steps, self._under_way = self._now(), [], None

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_bdd_before_step(self, step: Any) -> None:
        self._under_way = step, self._now()

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_bdd_after_step(self, feature: Any) -> None:
        self._step_over(feature, None)

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_bdd_step_error(self, feature: Any, exception: BaseException) -> None:
        self._step_over(feature, failure_within(exception))

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_bdd_step_func_lookup_error(self, feature: Any, step: Any, exception: BaseException) -> None:
        self._under_way = step, self._now()
        self._step_over(feature, failure_within(exception))

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_bdd_after_scenario(self, feature: Any, scenario: Any) -> None:
        self._step_over(feature, None)  # one that skipped the test says no more
        path, end = _path_of(feature, self._config), self._now()
        failure = next((step.failure for step in self._steps if step.failure is not None), None)
        whole = Step("feature", text_of(feature.name), path, feature.line_number, self._began, end)
        own = Step("scenario", text_of(scenario.name), path, scenario.line_number, self._began, end, failure)
        self._steps = [whole, own, *self._steps]

    def _step_over(self, feature: Any, failure: Failure | None) -> None:
        if self._under_way is None:
            return
        (step, start), self._under_way = self._under_way, None
        keyword = text_of(getattr(step, "keyword", "") or step.type.title()).strip()
        name, path = f"{keyword} {step.name}", _path_of(feature, self._config)
        self._steps.append(Step("step", name, path, step.line_number, start, self._now(), failure))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if self._steps:
            watch = self._observer.watches[call.when]
            watch.extra = (watch.extra or PhaseExtra())._replace(steps=tuple(self._steps))
            self._steps = []
        return report
