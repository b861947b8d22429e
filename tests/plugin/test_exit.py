"""What the interpreter does at its end because of us."""

from __future__ import annotations

import platform
import re

import pytest

from support.runs import Runner

SUITE = """
    import atexit, gc, pytest

    atexit.register(gc.set_debug, gc.DEBUG_STATS)

    @pytest.mark.parametrize("number", range(500))
    def test_many(number): pass
"""


def searches(stderr: str) -> int:
    """How often the garbage collector went through all that pytest has collected."""
    full = r"collecting generation 2\.\.\.\ngc: objects in each generation:([ \d]+)"
    passes = [sum(map(int, found.split())) for found in re.findall(full, stderr)]
    return sum(objects > max(passes) / 2 for objects in passes)


@pytest.mark.skipif(platform.python_implementation() != "CPython", reason="reads what CPython's collector says")
def test_nothing_keeps_the_run_beyond_its_end(run_pytest: Runner) -> None:
    without = searches(run_pytest.without(SUITE).stderr)
    assert without > 0
    assert searches(run_pytest(SUITE).stderr) <= without
