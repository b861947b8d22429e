"""The entry point: options, and the decision which part this process plays."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pytest_otlp import options

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from pytest_otlp.clock import Began

_BEGAN: pytest.StashKey[Began] = pytest.StashKey()
"""The clocks, and what reads the second, before a conftest file can stop or replace them. freezegun replaces functions
of `time` wherever a module has a name for them; in a tuple it does not look."""
_OFF = pytest.StashKey[str]()
"""Why nothing is recorded although it was asked for."""
_OTHER_OWNER = ("otel", "pytest_otel")
"""Names of pytest-otel: of its entry point, and of its module."""
_NO_RUN = ("cacheshow", "help", "looponfail", "markers", "version")
"""Options with which pytest has no session of its own; of `looponfail` each round is one, in another process."""
_TESTS_NOTHING = ("collectonly", "setuponly", "setupplan", "show_fixtures_per_test", "showfixtures")


class Hooks:
    """What others may implement."""

    def pytest_otel_test_attributes(self, item: pytest.Item, report: pytest.TestReport) -> Mapping[str, object]:  # type: ignore[empty-body]
        """Further attributes for the span of a test: names with texts, numbers, truth values or lists of them.

        Called where the test runs, with the report of each of its phases; a later phase may replace what an earlier
        one gave. A name that the plugin sends itself keeps the plugin's value. An exception is told in one line after
        the summary.
        """


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Without a run to record, too: a hook of an unknown name is an error of pytest's."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    _refuse_other_owner(pluginmanager)
    options.add_options(parser)
    config: pytest.Config = pluginmanager.getplugin("pytestconfig")
    config.stash[_BEGAN] = time.time_ns(), time.perf_counter_ns(), time.perf_counter_ns


def _refuse_other_owner(pluginmanager: pytest.PytestPluginManager) -> None:
    """pytest-otel has an option of the same name; pytest would die of that with a traceback.

    Raises:
        pytest.UsageError: both are loaded, or will be.
    """
    if any(pluginmanager.is_blocked(name) for name in _OTHER_OWNER):
        return
    found = _loads_what_is_installed(pluginmanager) and importlib.util.find_spec("pytest_otel")
    named = _named(pluginmanager)
    if found or any(pluginmanager.hasplugin(name) or name in named for name in _OTHER_OWNER):
        raise pytest.UsageError(
            "pytest-otlp and pytest-otel both own the option --otel-endpoint: "
            "uninstall one of them, or switch one off with -p no:otlp or -p no:otel"
        )


def _loads_what_is_installed(pluginmanager: pytest.PytestPluginManager) -> bool:
    """Unless a variable says otherwise, or from pytest 8.4 on an option, which is read before any plugin's."""
    given = getattr(pluginmanager.getplugin("pytestconfig"), "known_args_namespace", None)
    by_variable = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    return not (by_variable or getattr(given, "disable_plugin_autoload", False))


def _named(pluginmanager: pytest.PytestPluginManager) -> list[str]:
    """Plugins that somebody named. What `addopts` names is known from pytest 8.4 on."""
    config: pytest.Config = pluginmanager.getplugin("pytestconfig")
    given = getattr(config, "known_args_namespace", None)
    args = [str(arg) for arg in config.invocation_params.args]
    apart = [name for flag, name in pairwise(args) if flag == "-p"]
    together = [arg.removeprefix("-p") for arg in args if arg.startswith("-p")]
    return [*getattr(given, "plugins", ()), *apart, *together, *os.environ.get("PYTEST_PLUGINS", "").split(",")]


def pytest_configure(config: pytest.Config) -> None:
    """Before collection, so that the exporter starts up meanwhile; after `config.cache` is there."""
    config.addinivalue_line(
        "markers", "otel(context=True): with context=False the test has an empty OpenTelemetry context"
    )
    worker_input = getattr(config, "workerinput", None)
    if worker_input is not None:
        given = worker_input.get("otlp")
        if given is not None:
            _observe_for_controller(config, given, str(worker_input["workerid"]))
    elif not _given(config, _NO_RUN):
        source = options.requested(config, os.environ)
        if source is not None and not _overruled(config, source):
            _record(config)


def _given(config: pytest.Config, options: tuple[str, ...]) -> bool:
    return any(config.getoption(name, None) for name in options)


def _overruled(config: pytest.Config, source: options.Source) -> bool:
    if options.sdk_disabled(os.environ) and not source.place.startswith("-"):
        config.stash[_OFF] = "otlp: off, because OTEL_SDK_DISABLED=true; --otel on the command line overrides it"
        return True
    return False


# Nothing that these two import is imported when the plugin is off.


def _observe_for_controller(config: pytest.Config, given: object, worker: str) -> None:
    """A worker of xdist does what its controller told it, whatever its own command line says."""
    from pytest_otlp.finder import unrewritten  # noqa: PLC0415

    with unrewritten():
        from pytest_otlp.xdist import observe_for_controller  # noqa: PLC0415

        observe_for_controller(config, given, worker, config.stash[_BEGAN])


def _record(config: pytest.Config) -> None:
    from pytest_otlp.finder import unrewritten  # noqa: PLC0415

    with unrewritten():
        from pytest_otlp import resolve  # noqa: PLC0415
        from pytest_otlp.launch import exporter_for  # noqa: PLC0415

        wanted = resolve.resolve(config, os.environ)
        # The exporter gets ready while the rest is imported; without tests there may be nothing to export.
        exporter = None if _given(config, _TESTS_NOTHING) else exporter_for(wanted.endpoint)

        from pytest_otlp import session  # noqa: PLC0415

        try:
            session.start(config, wanted, exporter, config.stash[_BEGAN])
        except BaseException as error:
            if exporter is not None:
                exporter.abandon()
            if not isinstance(error, OSError):
                raise
            config.stash[_OFF] = f"otlp: off, because no journal can be written ({error})"


def pytest_report_header(config: pytest.Config) -> str | None:
    return config.stash.get(_OFF, None)


@pytest.fixture
def otel_span() -> Span:
    """The span of this test: what is set on it (attributes, events, status) is sent with the test.

    Without `--otel` it is a span that ignores everything, so that tests may use it always.
    """
    from opentelemetry import trace  # noqa: PLC0415  imported only where it is used

    return trace.get_current_span()
