"""The marker `otel`: tests that do not want the test's span in their context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_otlp.worker import Place

MARKER = "otel"


class MarkedTests:
    """Gives marked tests an empty context. Registered only in runs that have some."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Before the observer's, which puts the chosen context into force."""
        marker = item.get_closest_marker(MARKER)
        self._place.visible = marker is None or marker.kwargs.get("context", True) is not False


def find_marked(place: Place, session: pytest.Session) -> None:
    """Looks for the marker once, so that tests of runs without it pay nothing."""
    if _is_used(session.items):
        session.config.pluginmanager.register(MarkedTests(place), "otlp-marked")


def _is_used(items: Iterable[pytest.Item]) -> bool:
    known: set[pytest.Item | pytest.Collector] = set()
    for item in items:
        node: pytest.Item | pytest.Collector | None = item
        while node is not None and node not in known:
            if node.own_markers and any(marker.name == MARKER for marker in node.own_markers):
                return True
            if node is not item:
                known.add(node)
            node = node.parent
    return False
