"""How long somebody sat in the debugger: `--pdb`, `--trace`, `breakpoint()`. Nothing of it runs where nobody did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_otlp import events
from pytest_otlp.events import Debugged
from pytest_otlp.safe import qualified_name

if TYPE_CHECKING:
    from pytest_otlp.clock import Clock
    from pytest_otlp.recorder import Recorder


class DebuggerObserver:
    """Of the process that owns the run: the workers of xdist have no terminal."""

    def __init__(self, manager: pytest.PytestPluginManager, recorder: Recorder, now: Clock) -> None:
        self._manager = manager
        self._recorder = recorder
        self._now = now
        self._end = _LeftWithoutAWord(self)
        self._entered = 0
        """ns since the epoch; 0 outside of the debugger."""
        self._debugger = ""

    @pytest.hookimpl(trylast=True)
    def pytest_enter_pdb(self, pdb: object) -> None:
        self.leave()
        # pytest wraps whatever class `--pdbcls` names.
        self._debugger = qualified_name(type(pdb).__mro__[1])
        self._entered = self._now()
        self._manager.register(self._end, "otlp-debugger-end")

    @pytest.hookimpl(tryfirst=True)
    def pytest_leave_pdb(self) -> None:
        self.leave()

    def leave(self) -> None:
        """Told of `continue` only, and of that within the debugger's own `debug` too; so this may be one too many."""
        if self._entered:
            debugged = Debugged(self._recorder.current_key, self._entered, self._now(), self._debugger)
            self._entered = 0
            self._manager.unregister(self._end)
            self._recorder.tell(events.encode(debugged))


class _LeftWithoutAWord:
    """Registered while somebody is in the debugger: where pytest (8.0 to 9.2) does not say that it was left.

    So it is with `quit`, and with steps beyond the end of a test: what comes next shows it.
    """

    def __init__(self, observer: DebuggerObserver) -> None:
        self._observer = observer

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self) -> None:
        self._observer.leave()

    pytest_runtest_teardown = pytest_keyboard_interrupt = pytest_sessionfinish = pytest_runtest_makereport
