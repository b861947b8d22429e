"""Who deselected tests: pytest's hook has the tests only, so it is asked who called it. Once a call, not a test."""

from __future__ import annotations

import sys

_WORDS = {
    "_pytest.cacheprovider": "lastfailed",
    "_pytest.main": "deselect",
    "_pytest.mark.deselect_by_keyword": "keyword",
    "_pytest.mark.deselect_by_mark": "mark",
    "_pytest.stepwise": "stepwise",
}
"""pytest's own, by module and, where that does not tell enough, function (8.0 to 9.2)."""


def caller() -> str:
    """Of the hook that runs: a word for pytest's own options, else the package or the conftest file; else empty."""
    frame = sys._getframe(2)  # noqa: SLF001  the one way to the caller that costs nothing
    while (module := str(frame.f_globals.get("__name__", ""))).partition(".")[0] == "pluggy":
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    known = _WORDS.get(module) or _WORDS.get(f"{module}.{frame.f_code.co_name}")
    return known or ("conftest" if module.endswith("conftest") else module.partition(".")[0])
