"""The exception event: where it stands and what it says."""

from __future__ import annotations

import sys

import pytest

from support.runs import Run, Runner

SUITE = """
    import pytest

    class ShopError(Exception):
        pass

    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError("not to be printed")
        __repr__ = __str__

    def test_chained():
        try:
            {}["eur"]
        except KeyError as error:
            raise ShopError("closed") from error

    def test_asserts():
        assert {"a": 1} == {"a": 2}, "prices differ"

    def test_inner_class():
        class Local(Exception):
            pass
        raise Local("here")

    def test_unprintable():
        raise Unprintable

    def test_long():
        raise ValueError("begin " + "x" * 100_000 + " end")

    def test_lines():
        raise ValueError("first\\nsecond")

    @pytest.mark.xfail(strict=True, reason="must fail")
    def test_strict():
        pass

    @pytest.mark.xfail(reason="known")
    def test_expected():
        raise ValueError("as known")

    def test_compares():
        assert 1j == 2j
"""
CONFTEST = """
    def pytest_assertrepr_compare(op, left, right):
        if isinstance(left, complex):
            return ["prices differ:", f"{left} is not {right}"]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Runner(tmp_path_factory.mktemp("failing"))({"conftest.py": CONFTEST, "test_it.py": SUITE})


@pytest.mark.parametrize(
    ("test", "kind", "message"),
    [
        ("test_chained", "test_it.ShopError", "closed"),
        ("test_asserts", "AssertionError", "prices differ\nassert {'a': 1} == {'a': 2}\n"),
        ("test_inner_class", "test_it.test_inner_class.<locals>.Local", "here"),
        ("test_unprintable", "test_it.Unprintable", "<unprintable Unprintable object>"),
        ("test_lines", "ValueError", "first\nsecond"),
        ("test_compares", "AssertionError", "assert prices differ:\n  1j is not 2j"),
        ("test_strict", "XPASS(strict)", "[XPASS(strict)] must fail"),
    ],
)
def test_type_and_message(run: Run, test: str, kind: str, message: str) -> None:
    span, phase = run.test(test), run.phase(test, "call")
    (event,) = phase.events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == kind
    assert event.attributes["exception.message"].startswith(message)
    assert span.attributes["error.type"] == phase.attributes["error.type"] == kind
    assert span.message == phase.message == event.attributes["exception.message"]
    assert span.attributes["pytest.failed_phase"] == "call"
    assert span.events == []


@pytest.mark.parametrize(
    "test", ["test_chained", "test_asserts", "test_compares", "test_inner_class", "test_lines", "test_strict"]
)
def test_the_stack_trace_is_what_pytest_prints(run: Run, test: str) -> None:
    (event,) = run.phase(test, "call").events
    assert event.attributes["exception.stacktrace"] in run.stdout


def test_a_chain_is_in_the_stack_trace(run: Run) -> None:
    (event,) = run.phase("test_chained", "call").events
    words = ["KeyError", "The above exception was the direct cause of the following exception", "ShopError: closed"]
    places = [event.attributes["exception.stacktrace"].index(word) for word in words]
    assert places == sorted(places)


def test_what_is_too_long_is_cut_and_says_so(run: Run) -> None:
    (event,) = run.phase("test_long", "call").events
    text = event.attributes["exception.stacktrace"]
    assert len(text) < 33 * 1024
    assert "bytes left out" in text.splitlines()[0]
    assert text.endswith("test_it.py:30: ValueError")
    message = run.test("test_long").message
    assert len(message) < 9 * 1024
    assert message.startswith("begin xxx")
    assert "bytes left out" in message
    assert message.endswith("xxx end")


def test_an_expected_failure_is_no_error(run: Run) -> None:
    assert run.test("test_expected").status == 0
    assert run.phase("test_expected", "call").events == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no exception groups")
def test_groups_and_notes(run_pytest: Runner) -> None:
    run = run_pytest("""
        def test_group():
            error = ValueError("of the group")
            error.add_note("said later")
            raise ExceptionGroup("two", [error, TypeError("another")])
    """)
    (event,) = run.phase("test_group", "call").events
    assert event.attributes["exception.type"] == "ExceptionGroup"
    assert event.attributes["exception.message"] == "two (2 sub-exceptions)"
    for word in ("of the group", "said later", "another"):
        assert word in event.attributes["exception.stacktrace"]


@pytest.mark.parametrize("style", ["long", "short", "native"])
def test_every_style_of_traceback(run_pytest: Runner, style: str) -> None:
    run = run_pytest("def test_a():\n    raise ValueError('no shop')", f"--tb={style}")
    (event,) = run.phase("test_a", "call").events
    assert event.attributes["exception.message"] == "no shop"
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes.get("exception.stacktrace", "") in run.stdout


def test_a_fixture_that_does_not_exist(run_pytest: Runner) -> None:
    run = run_pytest("def test_a(shop): pass")
    assert run.test("test_a").message == "fixture 'shop' not found"
    (event,) = run.phase("test_a", "setup").events
    assert "available fixtures:" in event.attributes["exception.stacktrace"]


def test_doctests(run_pytest: Runner) -> None:
    """The error itself says only the docstring's name."""
    text = """
        >>> 1 + 1
        3
        >>> print()
        >>> [].pop()
        1
    """
    run = run_pytest({"a.txt": text, "b.txt": "\n>>> [].pop()\n1\n"}, "--doctest-glob=*.txt")
    assert [(span.attributes["error.type"], span.message) for span in run.tests] == [
        ("doctest.DocTestFailure", "1 + 1: expected 3, got 2"),
        ("IndexError", "pop from empty list"),
    ]
    run = run_pytest({"a.txt": text}, "a.txt", "--doctest-continue-on-failure")
    assert [(span.attributes["error.type"], span.message) for span in run.tests] == [
        ("doctest.DocTestFailure", "1 + 1: expected 3, got 2"),
    ]


@pytest.mark.parametrize("args", [[], ["-l"], ["-n1", "-l"]], ids=" ".join)
def test_values_of_variables_are_shown_and_not_sent(run_pytest: Runner, args: list[str]) -> None:
    if "-n1" in args:
        pytest.importorskip("xdist")
    suite = """
        def connect(dsn, password):
            secret = password * 2
            try:
                raise KeyError("first")
            except KeyError as error:
                raise RuntimeError("no connection") from error

        def test_a():
            connect("postgres", "tr0ub4dor")
    """
    run = run_pytest(suite, *args)
    assert "password = 'tr0ub4dor'" in run.stdout
    ((_, event),) = run.exceptions
    text = event.attributes["exception.stacktrace"]
    assert "tr0ub4dortr0ub4dor" not in text
    assert "password = " not in text
    assert "test_it.py:7: RuntimeError" in text
    assert "The above exception was the direct cause" in text
