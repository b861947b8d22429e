"""Warnings as facts. pytest tells of a test's only after all its reports, when its span may be on the way already."""

from __future__ import annotations

import warnings
from typing import cast

from pytest_otlp.events import WarningFact
from pytest_otlp.paths import relative
from pytest_otlp.safe import MESSAGE_LIMIT, cut_middle, qualified_name, text_of


def fact_of(warning: warnings.WarningMessage, root: str) -> WarningFact:
    """`root`: see `root_of`."""
    message = cut_middle(text_of(warning.message), MESSAGE_LIMIT)
    return WarningFact(qualified_name(warning.category), message, relative(warning.filename, root), int(warning.lineno))


def _caught() -> list[object]:
    """What `warnings.catch_warnings(record=True)` has caught so far: pytest's own, unless a test has one in force.

    There is no public way to it. Where it is not found, warnings stand on the run.
    """
    show = getattr(warnings, "_showwarnmsg_impl", None)
    return cast("list[object]", getattr(show, "__self__", ()))


class TestWarnings:
    """The warnings of the test that runs, as far as they are not taken."""

    __test__ = False

    def __init__(self, root: str) -> None:
        self._root = root
        self._list: list[object] = []
        self._taken = 0

    @property
    def pending(self) -> bool:
        """Every test asks at its end."""
        caught = _caught()
        return bool(caught) and (caught is not self._list or len(caught) > self._taken)

    def take(self) -> tuple[WarningFact, ...]:
        caught = _caught()
        if caught is not self._list:
            self._list, self._taken = caught, 0
        found = [warning for warning in caught[self._taken :] if isinstance(warning, warnings.WarningMessage)]
        self._taken = len(caught)
        return tuple(fact_of(warning, self._root) for warning in found)
