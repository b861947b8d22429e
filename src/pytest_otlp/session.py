"""One recorded run: its parts put together, its begin and its end."""

from __future__ import annotations

import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from pytest_otlp import CurrentRun, _entered, events, journal, startup, terminal
from pytest_otlp.clock import Anchor, Began, Clock
from pytest_otlp.debugger import DebuggerObserver
from pytest_otlp.events import SessionStarted
from pytest_otlp.launch import ExporterError, ExporterProcess, UnheardError, exporter_for
from pytest_otlp.recorder import Policy, Recorder
from pytest_otlp.resource import host, merge, service
from pytest_otlp.safe import text_of
from pytest_otlp.version import __version__
from pytest_otlp.worker import Settings, observe

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_otlp.resolve import Options

Attributes: TypeAlias = dict[str, str | int]
_JAEGER = "http://localhost:16686/trace/{trace_id}"
_NOTHING_TO_TELL = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
"""Of a run that tests nothing, for it did not fail."""

_REPORT = 120.0
"""s that the end of the run waits for the report, beyond the exit timeout."""


class Session:
    """The run of the process that owns it, and the two lines in the terminal."""

    def __init__(self, config: pytest.Config, options: Options, exporter: ExporterProcess | None, began: Began) -> None:
        """Writes the first line of the journal, and has the exporter follow it.

        `exporter`: None where the run is to test nothing. Then one is started only if it fails.

        Raises:
            OSError: no journal can be created anywhere.
        """
        self._config = config
        self._options = options
        self._pid = os.getpid()
        wall, monotonic, read_monotonic = began
        self.anchor = Anchor(wall, monotonic)
        self.now = Clock(self.anchor, read_monotonic)
        self._run_id = str(uuid.UUID(bytes=os.urandom(16), version=4))
        self._trace_id = options.parent.trace_id if options.parent else os.urandom(16).hex()
        resource, problems = _resource(config, options, self._run_id)
        self._workers = distributed_to(config)
        self._service = str(resource["service.name"])
        self._notices = (*options.notices, *problems, *(_shown_on_a_page(options) if options.view else ()))
        self._link = _link_of(options, self._trace_id, self._run_id)
        self._journal = journal.create(self._run_id, config.rootpath, _cache_folder(config))
        self._journal.append(events.encode(self._started(resource)))
        self._header_shown = False
        self._session: pytest.Session | None = None
        self._exporter = exporter
        if exporter is not None:
            exporter.follow(self._told_to_exporter)
        self.recorder = _recorder_of(bool(self._workers))(
            config, self._journal, self.now, Policy(options.redact, options.output)
        )

    @property
    def settings(self) -> Settings:
        """What the processes that run the tests must know."""
        parent = self._options.parent
        return Settings(
            detail=self._options.detail,
            redact=self._options.redact,
            context=self._options.context,
            trace_id=self._trace_id,
            run_id=self._run_id,
            link=self._link,
            trace_state=parent.trace_state if parent else "",
            baggage=os.environ.get("BAGGAGE", "") if parent else "",
            logs=self._options.logs,
            app_spans=self._options.app_spans,
            trace_per=self._options.trace_per,
            copies=self._workers if self._config.getoption("dist", "no") == "each" else 1,
        )

    def _started(self, resource: Attributes) -> SessionStarted:
        parent = self._options.parent
        return SessionStarted(
            version=events.VERSION,
            time=self.now(),
            trace_id=self._trace_id,
            parent_id=parent.span_id if parent else "",
            trace_state=parent.trace_state if parent else "",
            run_id=self._run_id,
            name=self._options.run_name,
            suite=self._service,
            resource=resource,
            detail=self._options.detail,
            workers=self._workers,
            setup=startup.attributes_of(self._config),
        )

    @property
    def _told_to_exporter(self) -> dict[str, object]:
        endpoint = self._options.endpoint
        return {
            "journal": str(self._journal.path),
            "descriptor": self._journal.descriptor,
            "root": str(self._config.rootpath),
            "endpoint": {"kind": endpoint.kind, "urls": dict(endpoint.urls), "path": endpoint.path},
            "traces": self._options.traces,
            "metrics": self._options.metrics,
            "logs": self._options.logs,
            "exceptions": self._options.exceptions,
            "timeout": self._options.timeout,
            "exit_timeout": self._options.exit_timeout,
            "html": self._options.html,
            "trace_url": self._options.trace_url,
        }

    def pytest_report_header(self) -> list[str]:
        if self._exporter is None:
            return []
        self._header_shown = True
        endpoint = self._options.endpoint
        line = terminal.header(
            target=self._options.endpoint.target,
            protocol=endpoint.kind,
            service=self._service,
            trace_id=self._trace_id,
            link=self._link,
        )
        return [line, *(terminal.notice(notice) for notice in self._notices)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        if self._exporter is not None:
            self._exporter.let_go()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Outermost, so that it sees the exit code that others may set."""
        try:
            result = yield
        except BaseException as error:
            exit_code = _exit_code_of(error, session)
            if exit_code or not isinstance(error, SystemExit):
                self.recorder.note_failure(pytest.ExceptionInfo.from_current())
            self._close(exit_code)
            raise
        self._close(int(session.exitstatus))
        return result

    def pytest_unconfigure(self) -> None:
        """Where the session never finished: an error before it had started."""
        started = self._session
        self._close(int(_exit_code_before_start() if started is None else started.exitstatus))

    def _close(self, exit_code: int) -> None:
        if os.getpid() != self._pid or self.recorder.exit_code is not None:
            return
        self.recorder.finish(exit_code)
        self._journal.flush()
        with suppress(OSError):  # see `_kept_journal`
            # Where a test has removed it, the exporter finds it only as long as we have it open.
            if self._journal.path.exists():
                self._journal.close()
        if self._exporter is None:
            if exit_code in _NOTHING_TO_TELL:
                journal.discard(self._journal.path)
                return
            self._exporter = exporter_for(self._options.endpoint)
            self._exporter.follow(self._told_to_exporter)
        self._exporter.conclude()
        if _may_end_here(self._config):
            self.wait_for_exporter()

    def wait_for_exporter(self) -> None:
        """Until all is delivered, or for the exit timeout; says what came of it, once.

        As late as can be: it delivers while pytest collects garbage, which after thousands of tests takes longer.
        """
        if os.getpid() != self._pid or self.recorder.exit_code is None:
            return
        exporter, self._exporter = self._exporter, None
        line = self._delivered(exporter) if exporter is not None else ""
        self._journal.close()
        if line:
            self._say(line)

    def _say(self, line: str) -> None:
        """After all that is pytest's. Without its terminal plugin (`-p no:terminal`), nobody wants to read anything."""
        plugins = self._config.pluginmanager
        reporter = plugins.getplugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(line)
        elif not plugins.is_blocked("terminal"):
            # Another one took its place: that of pytest-rich (0.3), which has no such methods.
            print(line)  # noqa: T201  see above

    def _delivered(self, exporter: ExporterProcess) -> str:
        """Waits for the exporter; the line to print, which very quiet runs get only where something went wrong."""
        try:
            result = exporter.finish(self._options.exit_timeout + (_REPORT if self._options.html else 0))
        except UnheardError as error:
            return terminal.unheard(str(error), self._kept_journal)
        except ExporterError as error:
            return terminal.no_exporter(str(error), self._kept_journal)
        result = result._replace(notices=(*result.notices, *self._own_notices()))
        if result.spans.produced == 0 and not result.problem and not result.notices:
            return ""
        clean = result.spans.delivered == result.spans.produced and not (result.problem or result.notices)
        if clean and self._config.get_verbosity() <= -2:
            return ""
        endpoint = self._options.endpoint
        target = "" if endpoint.kind == "html" else endpoint.target
        return terminal.summary(result, target=target, journal=self._kept_journal, link=self._link)

    @property
    def _kept_journal(self) -> str:
        """Empty where a test has removed it."""
        path = self._journal.path
        with suppress(OSError):  # where its folder may not be looked into it may be there all the same
            return _shown_path(path) if path.exists() else ""
        return _shown_path(path)

    def _own_notices(self) -> list[str]:
        found = [] if self._header_shown else list(self._notices)
        if self.recorder.defect:
            found.append(self.recorder.defect)
        if self._journal.dropped:
            found.append(f"{self._journal.dropped} facts could not be written to {self._journal.path}")
        return found


def _recorder_of(distributed: bool) -> type[Recorder]:
    if not distributed:
        return Recorder
    from pytest_otlp.controller import ControllerRecorder  # noqa: PLC0415  only where xdist is

    return ControllerRecorder


def _shown_on_a_page(options: Options) -> list[str]:
    from pytest_otlp.viewing import ensure  # noqa: PLC0415  on request only

    return [ensure(os.environ, Path.home(), trace_url=options.trace_url)]


def _link_of(options: Options, trace_id: str, run_id: str) -> str:
    """What leads to the run: as was asked for, or by what is known of the receiver on this machine; else empty."""
    if not options.traces:
        return ""
    template = options.trace_url
    if not template and options.endpoint.local:
        from pytest_otlp.presence import page_at  # noqa: PLC0415  needed where the endpoint is local

        page = page_at(os.environ, options.endpoint.port)
        if page:
            return f"{page}/#run={run_id}"
        template = "" if options.view else _JAEGER
    return template.format(trace_id=trace_id, run_id=run_id)


def _may_end_here(config: pytest.Config) -> bool:
    """Whether somebody beside pytest has a hook for its very end: there some leave by `os._exit`."""
    found = [implementation.function for implementation in config.hook.pytest_unconfigure.get_hookimpls()]
    return not all(text_of(getattr(hook, "__module__", "")).startswith(("_pytest.", "pytest_otlp.")) for hook in found)


def _exit_code_before_start() -> pytest.ExitCode:
    """pytest has told nobody of its session yet, and unconfigures while the error passes through (8.0 to 9.2)."""
    usage = isinstance(sys.exc_info()[1], pytest.UsageError)
    return pytest.ExitCode.USAGE_ERROR if usage else pytest.ExitCode.INTERNAL_ERROR


def _exit_code_of(error: BaseException, session: pytest.Session) -> int:
    """What an exception at the session's end leads to: Python's exit code, for pytest catches only `pytest.exit`."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if not isinstance(error, pytest.exit.Exception):
        return 1
    return int(session.exitstatus if error.returncode is None else error.returncode)


def _resource(config: pytest.Config, options: Options, run_id: str) -> tuple[Attributes, list[str]]:
    """What this process knows of itself; the exporter adds what costs time (version control)."""
    given, problems = service.resource_attributes(os.environ)
    name = service.service_name(options.service_name or None, os.environ, config.rootpath)
    own = {
        **host.process_attributes(pytest.__version__),
        "service.instance.id": run_id,
        "pytest.run.id": run_id,
        "telemetry.distro.name": "pytest-otlp",
        "telemetry.distro.version": __version__,
    }
    return merge({**own, "service.name": name}, given), problems


def _cache_folder(config: pytest.Config) -> Path | None:
    """Where pytest lets plugins keep files; None without its cache plugin, or where it cannot write."""
    cache = getattr(config, "cache", None)
    if cache is None:
        return None
    with suppress(OSError):
        return Path(cache.mkdir(journal.FOLDER))
    return None


def _shown_path(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def distributed_to(config: pytest.Config) -> int:
    """How many workers of xdist run the tests; 0 where this process runs them."""
    if config.getoption("dist", "no") == "no":
        return 0
    return sum(_multiplier(spec) for spec in config.getoption("tx", None) or ())


def _multiplier(spec: str) -> int:
    count, star, _ = spec.partition("*")
    return int(count) if star and count.isdigit() else 1


def start(config: pytest.Config, options: Options, exporter: ExporterProcess | None, began: Began) -> None:
    """Begins to record this run. `exporter`: None where it tests nothing (`--collect-only` and the like).

    Raises:
        OSError: no journal can be created anywhere.
    """
    session = Session(config, options, exporter, began)
    config.add_cleanup(_entered(CurrentRun(session.settings.trace_id, session.settings.run_id, session.settings.link)))
    register = config.pluginmanager.register
    register(session.recorder, "otlp-recorder")
    register(session, "otlp-session")
    config.add_cleanup(session.wait_for_exporter)
    if distributed_to(config):
        from pytest_otlp.xdist import ControllerHooks  # noqa: PLC0415  only where xdist is

        register(ControllerHooks(session.recorder, session.settings, session.anchor, session.now), "otlp-xdist")
    else:
        observer = observe(
            config,
            session.settings,
            session.now,
            tell=session.recorder.tell,
        )
        session.recorder.observe(observer)
        register(DebuggerObserver(config.pluginmanager, session.recorder, session.now), "otlp-debugger")
