"""Fixtures where they are set up and torn down: how long each took, and which one failed."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sized
from functools import partial
from types import CodeType, TracebackType
from typing import Any

import pytest

from pytest_otlp.clock import Clock
from pytest_otlp.events import Failure, Fixture
from pytest_otlp.paths import relative, root_of
from pytest_otlp.reports import failure_within
from pytest_otlp.safe import text_of

_MADE_BY_PYTEST = re.compile(r"_(?:unittest|xunit)_(\w+?)_fixture_")
"""What pytest names the fixtures that it makes of `setUpClass`, `setup_module` and the like (8.0 to 9.2)."""
_FINISH: CodeType = pytest.FixtureDef.finish.__code__


class FixtureObserver:
    """Times the setup and the teardown of fixtures."""

    def __init__(self, config: pytest.Config, found: list[Fixture], now: Clock, shortest: int) -> None:
        """`shortest`, ns: what takes less and does not fail is not told."""
        self._root = root_of(config)
        self._found = found
        self._monotonic = now.monotonic
        self._offset = now.offset
        """From its times, which are those in here, to ns since the epoch."""
        self._shortest = shortest
        self._begun: dict[pytest.FixtureDef[Any], int] = {}
        """Teardowns under way."""
        self._over: dict[pytest.FixtureDef[Any], tuple[int, int]] = {}
        """The last teardown of each: start and end."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        # Those that stand there after a fixture's setup and did not before are its teardown. Nothing public tells.
        finalizers: Sized = getattr(fixturedef, "_finalizers", ())
        inherent = len(finalizers)
        start = self._monotonic()
        try:
            result = yield
        except BaseException as error:
            __tracebackhide__ = True  # where another plugin's hook raised it, pytest shows the frames from here on
            self._found.append(self._fixture(fixturedef, start, self._monotonic(), _param_of(request), _failure(error)))
            raise
        if (end := self._monotonic()) - start >= self._shortest:
            self._found.append(self._fixture(fixturedef, start, end, _param_of(request)))
        if len(finalizers) > inherent:
            # Finalizers run last in, first out: this one right before the fixture's own, after those of its users.
            fixturedef.addfinalizer(partial(self._teardown_starts, fixturedef))
        return result

    def _teardown_starts(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        self._begun[fixturedef] = self._monotonic()

    @pytest.hookimpl(trylast=True)
    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        start = self._begun.pop(fixturedef, None)
        if start is None:
            return
        end = self._monotonic()
        self._over[fixturedef] = start, end
        if end - start >= self._shortest:
            self._found.append(self._fixture(fixturedef, start, end, _param_of(request), teardown=True))

    def teardown_failed(self, error: BaseException) -> None:
        """Marks the fixtures whose teardown raised this: pytest tells of it after the last hook of a fixture."""
        for finish, cause in _culprits(error):
            fixturedef, request = finish["self"], finish["request"]
            if fixturedef not in self._over:
                continue
            plain = self._fixture(fixturedef, *self._over[fixturedef], _param_of(request), teardown=True)
            if plain in self._found:
                self._found.remove(plain)
            self._found.append(plain._replace(failure=_failure(cause)))

    def _fixture(
        self,
        fixturedef: pytest.FixtureDef[Any],
        start: int,
        end: int,
        param: str,
        failure: Failure | None = None,
        *,
        teardown: bool = False,
    ) -> Fixture:
        made = _MADE_BY_PYTEST.match(fixturedef.argname)
        code = None if made else getattr(fixturedef.func, "__code__", None)
        return Fixture(
            name=made[1] if made else fixturedef.argname,
            scope=text_of(fixturedef.scope),
            start=start + self._offset,
            end=end + self._offset,
            teardown=teardown,
            param=param,
            path=relative(code.co_filename, self._root) if code else "",
            line=code.co_firstlineno if code else 0,
            failure=failure,
        )


def _failure(error: BaseException) -> Failure | None:
    """A skip is no failure, nor is one that was expected."""
    if isinstance(error, pytest.skip.Exception | pytest.xfail.Exception):
        return None
    return failure_within(error)


def _param_of(request: pytest.FixtureRequest) -> str:
    """A fixture's parameter as its index: its value may be secret, long, or raise on `repr`."""
    return text_of(getattr(request, "param_index", "")) if hasattr(request, "param") else ""


def _culprits(error: BaseException) -> Iterator[tuple[dict[str, Any], BaseException]]:
    """The teardowns in which an exception arose, as the variables of `FixtureDef.finish`, with what each raised.

    Pytest groups what several raise.
    """
    for part in getattr(error, "exceptions", ()):
        if isinstance(part, BaseException):
            yield from _culprits(part)
    finished = [frame for frame in _frames(error.__traceback__) if frame.tb_frame.f_code is _FINISH]
    if finished and not hasattr(error, "exceptions"):
        yield finished[-1].tb_frame.f_locals, error


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next
