"""What pytest-twisted (1.14) adds: tests run in the greenlet of its reactor, which has a context of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_otlp.worker import TestObserver


class ReactorContext:
    """Makes our span the current one in the reactor's greenlet too. Registered only where pytest-twisted is."""

    def __init__(self, observer: TestObserver) -> None:
        self._observer = observer

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Before each test: what one attached and left behind does not reach the next. The reactor calls it there."""
        reactor: Any = getattr(sys.modules.get("twisted.internet"), "reactor", None)
        if reactor is not None and self._observer.attachment is not None:
            reactor.callFromThread(self._observer.attachment.restore)
