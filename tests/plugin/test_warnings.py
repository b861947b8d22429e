"""Warnings: each once, where it arose, and never more than pytest counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from support.received import ReceivedSpan
from support.runs import Run, Runner

SUITE = """
    import warnings
    import pytest

    warnings.warn("at import", FutureWarning)

    class OurWarning(UserWarning): pass

    @pytest.fixture
    def old():
        warnings.warn("in setup", DeprecationWarning)
        yield
        warnings.warn("in teardown", OurWarning)

    def test_warns(old):
        warnings.warn("in call")

    def test_plain(): pass

    def test_expects():
        with pytest.warns(UserWarning):
            warnings.warn("expected")

    def test_looks(recwarn):
        warnings.warn("looked at")

    def test_ignores():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.warn("ignored")

    @pytest.mark.filterwarnings("ignore:not this")
    def test_filters():
        warnings.warn("not this")
        warnings.warn("but this")

    def test_fails():
        warnings.warn("before")
        assert 0
"""
ON_TESTS = {
    "test_warns": ["DeprecationWarning: in setup", "UserWarning: in call", "test_it.OurWarning: in teardown"],
    "test_filters": ["UserWarning: but this"],
    "test_fails": ["UserWarning: before"],
}


def told(span: ReceivedSpan) -> list[str]:
    found = [event.attributes for event in span.events if event.name == "pytest.warning"]
    return [f"{one['pytest.warning.category']}: {one['pytest.warning.message']}" for one in found]


def by_name(spans: Iterable[ReceivedSpan]) -> dict[str, list[str]]:
    return {span.name.removeprefix("test_it.py::"): told(span) for span in spans if told(span)}


def counted(run: Run) -> dict[str, Any]:
    return {span.name: span.attributes["pytest.warnings"] for span in run.spans if "pytest.warnings" in span.attributes}


@pytest.mark.parametrize("args", [[], ["-n2"], ["--otel-detail=tests"]], ids=" ".join)
def test_warnings_stand_where_they_arose(run_pytest: Runner, args: list[str]) -> None:
    """`run_pytest` compares the root's count with the summary's."""
    if "-n2" in args:
        pytest.importorskip("xdist")
    run = run_pytest(SUITE, *args)
    assert by_name(run.tests) == ON_TESTS
    collections = [span for span in run.spans if span.name == "collection"]
    assert [told(span) for span in collections] == [["FutureWarning: at import"]] * len(collections)
    assert told(run.root) == []
    assert counted(run) == {
        "pytest": run.summary and run.summary["warning"],
        "collection": 1,
        **{f"test_it.py::{name}": len(texts) for name, texts in ON_TESTS.items()},
    }
    (event,) = (event for event in run.test("test_filters").events if event.name == "pytest.warning")
    assert event.attributes["code.file.path"] == "test_it.py"
    line = run.folder.joinpath("test_it.py").read_text().splitlines().index('    warnings.warn("but this")')
    assert event.attributes["code.line.number"] == line + 1


def test_warnings_of_the_configuration_stand_on_the_run(run_pytest: Runner) -> None:
    conftest = """
        import warnings
        warnings.warn("in conftest")
        def pytest_sessionfinish():
            warnings.warn("at the end")
    """
    run = run_pytest({"conftest.py": conftest, "test_it.py": "def test_a(): pass"})
    assert told(run.root) == ["UserWarning: in conftest", "UserWarning: at the end"]


def test_what_comes_after_a_test_stands_on_the_run_with_its_name(run_pytest: Runner) -> None:
    conftest = """
        import warnings
        def pytest_runtest_logfinish(nodeid):
            warnings.warn("late")
    """
    run = run_pytest({"conftest.py": conftest, "test_it.py": "import warnings\ndef test_a(): warnings.warn('in time')"})
    assert told(run.test("test_a")) == ["UserWarning: in time"]
    assert told(run.root) == ["UserWarning: late"]
    assert run.root.events[0].attributes["test.case.name"] == "test_it.py::test_a"


@pytest.mark.parametrize("reruns", [0, 1])
def test_each_attempt_has_its_own(run_pytest: Runner, reruns: int) -> None:
    pytest.importorskip("pytest_rerunfailures")
    suite = """
        import warnings
        def test_a():
            warnings.warn("again")
            assert 0
    """
    run = run_pytest(suite, "-p", "rerunfailures", f"--reruns={reruns}", ini="filterwarnings = always")
    assert [told(test) for test in run.tests] == [["UserWarning: again"]] * (1 + reruns)


def test_many_are_counted(run_pytest: Runner) -> None:
    suite = """
        import warnings
        def test_a():
            for n in range(300):
                warnings.warn(f"number {n}")
    """
    run = run_pytest(suite)
    assert run.test("test_a").attributes["pytest.warnings"] == 300
    assert len(told(run.test("test_a"))) == 128


def test_without_pytests_warnings_there_are_none(run_pytest: Runner) -> None:
    run = run_pytest(SUITE, "-p", "no:warnings")
    assert set(counted(run)) == {"pytest"}
    assert by_name(run.spans) == {}


def test_any_text_arrives(run_pytest: Runner) -> None:
    run = run_pytest("import warnings\ndef test_a(): warnings.warn('\\udc80' + 100_000 * 'x')")
    (text,) = told(run.test("test_a"))
    assert text.startswith("UserWarning: \\udc80xxx")
    assert "bytes left out" in text
