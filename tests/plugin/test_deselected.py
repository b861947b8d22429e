"""How many tests were deselected, and by whom: pytest's hook for them does not say it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.runs import Run, Runner

SUITE = """
    import pytest

    @pytest.mark.slow
    @pytest.mark.parametrize("n", range(3))
    def test_slow(n): pass

    def test_bad(): assert 0
    def test_good(): pass
"""
INI = "markers = slow"
CONFTEST = """
    def pytest_collection_modifyitems(config, items):
        config.hook.pytest_deselected(items=items[:2])
        del items[:2]
"""


def deselected(run: Run) -> Mapping[str, object]:
    given = run.root.attributes
    by = {name.removeprefix("pytest.deselected."): number for name, number in given.items() if ".deselected." in name}
    assert sum(by.values()) == given["pytest.tests.deselected"]
    return by


@pytest.mark.parametrize(
    ("args", "by"),
    [
        (["-k", "not good"], {"keyword": 1}),
        (["-m", "not slow"], {"mark": 3}),
        (["--deselect=test_it.py::test_bad"], {"deselect": 1}),
        (["-k", "not good", "-m", "not slow"], {"keyword": 1, "mark": 3}),
        (["-n2", "-k", "not good", "-m", "not slow"], {"keyword": 1, "mark": 3}),
        ([], {}),
    ],
    ids=lambda value: " ".join(value) or "none",
)
def test_by_an_option(run_pytest: Runner, args: list[str], by: Mapping[str, int]) -> None:
    if "-n2" in args:
        pytest.importorskip("xdist")
    assert deselected(run_pytest(SUITE, *args, ini=INI)) == by


def test_by_a_conftest_file(run_pytest: Runner) -> None:
    run = run_pytest({"conftest.py": CONFTEST, "test_it.py": SUITE}, "-k", "not good", ini=INI)
    assert deselected(run) == {"conftest": 2, "keyword": 1}


def test_by_a_plugin(run_pytest: Runner) -> None:
    pytest.importorskip("pytest_split")
    run = run_pytest(SUITE, "-p", "pytest_split.plugin", "--splits=5", "--group=1", ini=INI)
    assert deselected(run) == {"pytest_split": 4}


IN_CLASS = """
    class TestShop:
        def test_good(self): pass
        def test_bad(self): assert 0
        def test_last(self): pass
"""


@pytest.mark.parametrize(
    ("suite", "option", "who"),
    [
        (SUITE, "--sw", {"stepwise": 3}),
        (IN_CLASS, "--lf", {"lastfailed": 2}),
        # Of a file's own tests pytest does not even collect those that passed.
        (SUITE, "--lf", {}),
    ],
)
def test_by_what_was_before(run_pytest: Runner, suite: str, option: str, who: Mapping[str, int]) -> None:
    assert deselected(run_pytest(suite, option, ini=INI)) == {}
    assert deselected(run_pytest(suite, option, ini=INI)) == who
