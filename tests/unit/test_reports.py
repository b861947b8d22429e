from __future__ import annotations

import enum
import sys
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp import events, reports
from pytest_otlp.events import Failure, Phase, SpanFacts
from pytest_otlp.nodeids import suite_of
from pytest_otlp.redact import REDACTED
from pytest_otlp.reports import Facts, PhaseExtra
from support import model

SECRETS = ("password", "token")
NOTHING: tuple[str, ...] = ()


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError("no attribute")


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def a_report(outcome: str = "passed", longrepr: Any = None, when: str = "call", **more: Any) -> pytest.TestReport:
    report = pytest.TestReport(
        nodeid="a.py::t",
        location=("a.py", 0, "t"),
        keywords={},
        outcome=outcome,  # type: ignore[arg-type]
        longrepr=longrepr,
        when=when,  # type: ignore[arg-type]
        duration=0.25,
    )
    for name, value in more.items():
        setattr(report, name, value)
    return report


def a_call(error: BaseException) -> pytest.CallInfo[None]:
    def fail() -> None:
        raise error

    return pytest.CallInfo.from_call(fail, "call", reraise=())


# Facts on their way


@given(
    st.tuples(model.times, model.times, st.integers(0, 9)),
    st.builds(
        PhaseExtra,
        st.none() | st.tuples(model.texts, model.texts),
        model.tuples_of(model.fixtures),
        st.none() | model.span_facts,
        model.tuples_of(model.events.map(events.encode)),
        model.tuples_of(model.warnings),
        model.tuples_of(model.logs),
        st.integers(0, 9),
        model.tuples_of(st.tuples(model.texts, model.scalars)),
        model.texts,
        model.tuples_of(model.phases),
        model.tuples_of(model.steps),
    ),
    model.tuples_of(st.tuples(model.times, model.times)),
)
def test_facts_travel(plain: tuple[int, int, int], extra: PhaseExtra, earlier: tuple[tuple[int, int], ...]) -> None:
    """As xdist, pytest-forked and reportlog let only plain values through."""
    facts = Facts(*plain, "[case]", extra, earlier)
    packed = reports.pack(facts)
    assert [type(value) for value in packed] == [str, str, str]
    assert packed[2].isascii()
    assert reports.unpack(packed) == facts


def test_most_facts_are_short() -> None:
    assert reports.pack(Facts(1, 2, 3)) == ("1 2 3", "", "")
    assert reports.unpack(("1 2 3", "", "")) == Facts(1, 2, 3)


@pytest.mark.parametrize(
    ("nodeid", "suite"),
    [
        ("a.py::test", "a.py"),
        ("a.py::TestA::TestB::test", "a.py::TestA::TestB"),
        ("a.py::test[a::b]", "a.py"),
        ("README.md", "README.md"),
        ("", ""),
    ],
)
def test_suite(nodeid: str, suite: str) -> None:
    assert suite_of(nodeid) == suite


# What became of it


def test_a_phase() -> None:
    extra = PhaseExtra(span=SpanFacts({"cart.items": 3, "Password": "hunter2"}))
    phase = reports.phase_of(a_report(), "passed", (5, 9), extra, SECRETS)
    said = SpanFacts({"cart.items": 3, "Password": REDACTED})
    assert phase == Phase("call", "passed", "passed", 5, 9, 0.25, span=said)


def test_a_failure() -> None:
    extra = PhaseExtra(exception=("app.Died", "of hunger"))
    phase = reports.phase_of(a_report("failed", "the traceback"), "failed", (5, 9), extra, NOTHING)
    assert phase.failure == Failure("app.Died", "of hunger", "the traceback")


def test_a_failure_that_is_a_text() -> None:
    """A strict XPASS has no exception; what a plugin made up may have none either."""
    assert reports.failure_of(a_report("failed", "[XPASS(strict)] why"), None) == Failure(
        "XPASS(strict)", "[XPASS(strict)] why", "[XPASS(strict)] why"
    )
    trace = "def t():\n>   f()\nE   ValueError: no\nE   more\nlast"
    assert reports.failure_of(a_report("failed", trace), None) == Failure("", "ValueError: no", trace)
    assert reports.failure_of(a_report("failed", "one\ntwo\n"), None) == Failure("", "two", "one\ntwo")
    assert reports.failure_of(a_report("failed", " \n"), None) == Failure("", "", "")
    assert reports.failure_of(a_report("failed", None), None) == Failure("", "", "")


def test_long_texts_are_cut() -> None:
    failure = reports.failure_of(a_report("failed", "x" * 10**6 + "\nthe end"), None)
    assert len(failure.stacktrace) < reports.STACKTRACE_LIMIT + 100
    assert failure.stacktrace.endswith("the end")
    (output,) = reports.output_of(a_report(sections=[("Captured stdout call", "a" * 10**6 + "z")]))
    assert len(output[1]) < reports.OUTPUT_LIMIT + 100
    assert (output[1][0], output[1][-1]) == ("a", "z")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no"), ("ValueError", "no")),
        (KeyError("x"), ("KeyError", "'x'")),
        (HostileError(), (f"{__name__}.HostileError", "<unprintable HostileError object>")),
        (ValueError("\udcff\0"), ("ValueError", "\udcff\0")),
        (KeyboardInterrupt(), ("KeyboardInterrupt", "")),
    ],
)
def test_exception_of_a_call(error: BaseException, told: tuple[str, str]) -> None:
    assert reports.exception_of(a_call(error)) == told


class Asking:
    """Asks for the exceptions of a run where the plugin does."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def _note(self, exception: tuple[str, str] | None) -> None:
        if exception is not None:
            self.found.append(exception)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        self._note(reports.exception_of_collection(report))
        return report

    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        self._note(reports.exception_of(call))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import no_such_module", [("ModuleNotFoundError", "No module named 'no_such_module'")]),
        ("raise ValueError('no')", [("ValueError", "no")]),
        ("import pytest\nclass TestIt:\n  @pytest.fixture\n  def f(self): pass\n  f()", "Failed"),
        ("import pytest\npytest.skip('not here', allow_module_level=True)", []),
        ("def test(db): pass", [("_pytest.fixtures.FixtureLookupError", "fixture 'db' not found")]),
        ("def test(request): request.getfixturevalue('request.x')", "FixtureLookupError"),
        ("def test(): pass", []),
    ],
)
def test_exceptions_of_a_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str, told: list[tuple[str, str]] | str
) -> None:
    """What an import raised, and no traceback in place of a message."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    asking = Asking()
    pytester.makepyfile(source)
    pytester.inline_run(plugins=[asking])
    if isinstance(told, list):
        assert asking.found == told
    else:
        ((kind, message),) = asking.found
        assert kind.endswith(told)
        assert message


def test_a_call_without_an_exception() -> None:
    call = pytest.CallInfo.from_call(lambda: None, "call")
    assert reports.exception_of(call) is None


def test_an_exception_with_its_traceback() -> None:
    excinfo = a_call(ValueError("no")).excinfo
    assert excinfo is not None
    failure = reports.failure_of_exception(excinfo)
    assert (failure.type, failure.message) == ("ValueError", "no")
    assert "raise error" in failure.stacktrace


def test_an_exception_that_cannot_be_shown() -> None:
    excinfo = a_call(HostileError()).excinfo
    assert excinfo is not None
    failure = reports.failure_of_exception(excinfo)
    assert failure.type == f"{__name__}.HostileError"
    assert failure.message == "<unprintable HostileError object>"


class OddError(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name == "__cause__":
            raise RuntimeError("no cause")
        return super().__getattribute__(name)


def test_an_exception_of_which_pytest_cannot_make_a_traceback() -> None:
    excinfo = a_call(OddError("odd")).excinfo
    assert excinfo is not None
    assert reports.failure_of_exception(excinfo) == Failure(f"{__name__}.OddError", "odd", "")


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (a_report("skipped", ("a.py", 3, "Skipped: no database")), "no database"),
        (a_report("skipped", ("a.py", 3, Hostile())), "<unprintable Hostile object>"),
        (a_report("skipped", "a text"), ""),
        (a_report("skipped", "trace", wasxfail="reason: known bug"), "known bug"),
        (a_report("passed", wasxfail=""), ""),
        (a_report("passed"), ""),
    ],
)
def test_reason(report: pytest.TestReport, reason: str) -> None:
    assert reports.reason_of(report) == reason


class Number(int):
    pass


class Colour(enum.IntEnum):
    RED = 1


def test_properties() -> None:
    given = [
        ("text", "a"),
        ("number", 7),
        ("ratio", 0.5),
        ("truth", True),
        ("list", [1, 2]),
        ("hostile", Hostile()),
        ("enum", Colour.RED),
        (Hostile(), "x"),
        ("password", "hunter2"),
        ("x-Token", 5),
    ]
    report = a_report(user_properties=given)
    found = dict(reports.properties_of(report, SECRETS))
    assert found == {
        "text": "a",
        "number": 7,
        "ratio": 0.5,
        "truth": True,
        "list": "[1, 2]",
        "hostile": "<unprintable Hostile object>",
        "enum": str(Colour.RED),
        "<unprintable Hostile object>": "x",
        "password": REDACTED,
        "x-Token": REDACTED,
    }
    assert {type(value) for value in found.values()} <= {str, int, float, bool}


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**5000], ids=["2**63", "-2**63-1", "10**5000"])
def test_a_number_that_is_too_large_is_a_text(number: int) -> None:
    """The line of the journal must not fail on it: Python writes no more than 4,300 digits."""
    ((_, value),) = reports.properties_of(a_report(user_properties=[("n", number)]), NOTHING)
    assert isinstance(value, str)
    if abs(number) < 2**64:
        assert value == str(number)
    elif hasattr(sys, "set_int_max_str_digits"):
        assert value == "<unprintable int object>"


def test_output_of_all_phases_by_stream() -> None:
    sections = [
        ("Captured stdout setup", "1"),
        ("Captured log call", "INFO x"),
        ("Captured stdout call", "2"),
        ("Captured stderr call", "\x1b[31m"),
        ("Captured", "?"),
        ("Captured nothing call", "?"),
        ("Of a plugin stdout", "?"),
        ("", "?"),
    ]
    found = reports.output_of(a_report(sections=sections))
    assert found == (("stdout", "12"), ("log", "INFO x"), ("stderr", "\x1b[31m"))
    assert reports.output_of(a_report()) == ()


class Context:
    """As of pytest 9's `SubtestContext`."""

    def __init__(self) -> None:
        self.msg = None
        self.kwargs = {"i": 3, "password": "hunter2", "thing": Hostile(), "long": "x" * 1000}


def test_a_subtest() -> None:
    report = a_report("failed", "trace", context=Context())
    facts = Facts(1_000_000_000, 2_000_000_000, 1, "", PhaseExtra(exception=("ValueError", "no")))
    subtest = reports.subtest_of(report, "failed", facts, SECRETS)
    assert subtest.message == ""
    assert subtest.parameters == (
        ("i", "3"),
        ("password", REDACTED),
        ("thing", "<unprintable Hostile object>"),
        ("long", "x" * 256),
    )
    assert (subtest.start, subtest.end) == (1_750_000_000, 2_000_000_000)
    assert (subtest.outcome, subtest.category) == ("failed", "failed")
    assert subtest.failure == Failure("ValueError", "no", "trace")


def test_a_subtest_does_not_begin_before_its_phase() -> None:
    """Its duration is of a clock that a test may move."""
    facts = Facts(1_900_000_000, 2_000_000_000, 1)
    subtest = reports.subtest_of(a_report(context=Context()), "passed", facts, NOTHING)
    assert (subtest.start, subtest.end, subtest.failure) == (1_900_000_000, 2_000_000_000, None)
