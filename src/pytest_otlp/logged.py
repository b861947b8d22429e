"""What the tests' code logs: a handler at the root logger, beside pytest's own, only where logs are sent."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from pytest_otlp.events import Failure, LogFact
from pytest_otlp.paths import relative, root_of
from pytest_otlp.safe import MESSAGE_LIMIT, cut_middle, cut_top, exception_message, qualified_name, text_of

MOST = 1_000
"""Of one attempt of a test; the rest is counted."""
STACKTRACE_LIMIT = 8 * 1024
"""Bytes."""
_FATAL4 = 24


class TestLogs(logging.Handler):
    """The records of the test that runs, as far as they are not taken. Levels stay as the tests set them."""

    __test__ = False

    def __init__(self, now: Callable[[], int], root: str) -> None:
        """`root`: the folder that paths are relative to, with a slash at its end."""
        super().__init__()
        self._now = now
        self._root = root
        self._number = 0
        self._facts: list[LogFact] = []
        self._dropped = 0

    @property
    def pending(self) -> bool:
        return bool(self._facts or self._dropped)

    def emit(self, record: logging.LogRecord) -> None:
        """Called in any thread, under the handler's lock. What cannot be read is left to the handlers of others."""
        if self._number >= MOST:
            self._dropped += 1
            return
        try:
            fact = _fact_of(record, self._now(), self._root)
        except Exception:  # noqa: BLE001  arguments that do not fit, an object that raises when it is formatted
            return
        self._number += 1
        self._facts.append(fact)

    def take(self) -> tuple[tuple[LogFact, ...], int]:
        """The records since the last call, and how many were too many."""
        self.acquire()
        try:
            (facts, dropped), self._facts, self._dropped = (tuple(self._facts), self._dropped), [], 0
        finally:
            self.release()
        return facts, dropped

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """A test may have taken all handlers away (`logging.config.dictConfig`)."""
        self.take()
        self._number = 0
        root = logging.getLogger()
        if self not in root.handlers:
            root.addHandler(self)

    def pytest_unconfigure(self) -> None:
        logging.getLogger().removeHandler(self)


def _fact_of(record: logging.LogRecord, time: int, root: str) -> LogFact:
    return LogFact(
        time,
        severity_of(record.levelno),
        text_of(record.name),
        cut_middle(record.getMessage(), MESSAGE_LIMIT),
        relative(record.pathname, root),
        record.lineno,
        text_of(record.funcName or ""),
        _exception_of(record),
    )


def severity_of(level: int) -> int:
    """The SeverityNumber for a level of `logging` (logs data model, "Mapping of SeverityNumber"): 10 is 5, DEBUG."""
    steps, rest = divmod(max(level, 0), 10)
    return min(4 * steps + 1 + min(rest, 3), _FATAL4)


def _exception_of(record: logging.LogRecord) -> Failure | None:
    if not record.exc_info or record.exc_info[1] is None:
        return None
    error = record.exc_info[1]
    stacktrace = logging.Formatter().formatException(record.exc_info)
    return Failure(qualified_name(type(error)), exception_message(error), cut_top(stacktrace, STACKTRACE_LIMIT))


def observe_logs(config: pytest.Config, now: Callable[[], int]) -> TestLogs:
    logs = TestLogs(now, root_of(config))
    config.pluginmanager.register(logs, "otlp-logs")
    return logs
