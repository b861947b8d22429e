from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_otlp import cases, events
from pytest_otlp.redact import REDACTED

SECRETS = ("password", "token")

SUITE = '''
import enum
import pytest

class Colour(enum.Enum):
    RED = 1

class Hostile:
    def __getattribute__(self, name):
        raise RuntimeError("no attribute")
    __repr__ = __str__ = lambda self: 1 / 0

def test_plain():
    """It works.

        As it should.
    """

class TestIt:
    """All about it."""

    @pytest.mark.slow
    @pytest.mark.xdist_group("db")
    @pytest.mark.slow
    def test_method(self): pass

class TestOther:
    pytestmark = pytest.mark.xdist_group(name="other")
    def test_no_doc(self): pass

@pytest.mark.xdist_group
def test_default_group(): pass

@pytest.mark.parametrize("text, number, none, data, colour, cls, thing", [
    ("a\\udcff\\n", 1.5, None, b"\\xff", Colour.RED, Hostile, Hostile()),
], ids=["row"])
def test_values(text, number, none, data, colour, cls, thing): pass

@pytest.mark.parametrize("password", ["hunter2"])
@pytest.mark.parametrize("API_TOKEN", ["t0ken"])
def test_secrets(password, API_TOKEN): pass

@pytest.mark.parametrize("thing", [[1, 2]], ids=["a list"])
def test_named(thing): pass

@pytest.mark.parametrize("long", ["x" * 1000])
def test_long(long): pass
'''


def expecting(items: list[pytest.Item]) -> cases.Cases:
    known = cases.Cases(SECRETS)
    known.expect(items, [item.nodeid for item in items])
    return known


@pytest.fixture
def described(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], events.Case]:
    """What is said of a test of `SUITE`, by its function's name."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nmarkers =\n  slow\n  xdist_group\n")
    items = pytester.getitems(SUITE)

    def find(name: str) -> events.Case:
        (item,) = [item for item in items if item.name.split("[")[0] == name]
        case = cases.describe(item, SECRETS)
        for known in (cases.Cases(SECRETS), expecting(items)):
            told = known.of(item)
            assert (told.nodeid, told.case) == (item.nodeid, events.encode_case(case))
        return case

    return find


def test_a_function(described: Callable[[str], events.Case], pytester: pytest.Pytester) -> None:
    case = described("test_plain")
    name = next(pytester.path.glob("*.py")).name
    assert case.path == name
    assert case.line == SUITE.strip().splitlines().index("def test_plain():") + 1
    assert case.function == f"{name.removesuffix('.py')}.test_plain"
    assert case.suite == name
    assert case.description == "It works.\n\nAs it should."
    assert (case.markers, case.parameters, case.group) == ((), (), "")


def test_a_method(described: Callable[[str], events.Case]) -> None:
    case = described("test_method")
    assert case.function.endswith(".TestIt.test_method")
    assert case.suite.endswith(".py::TestIt")
    assert case.description == "All about it."
    assert case.markers == ("slow", "xdist_group")
    assert case.group == "db"


def test_a_class_without_docstring(described: Callable[[str], events.Case]) -> None:
    case = described("test_no_doc")
    assert (case.description, case.group) == ("", "other")


def test_group_without_a_name(described: Callable[[str], events.Case]) -> None:
    assert described("test_default_group").group == "default"


def test_values_are_never_asked_for_their_repr(described: Callable[[str], events.Case]) -> None:
    assert dict(described("test_values").parameters) == {
        "text": "a\udcff\n",
        "number": "1.5",
        "none": "None",
        "data": "\\xff",
        "colour": "Colour.RED",
        "cls": "Hostile",
        "thing": "thing0",
    }


def test_secret_parameters(described: Callable[[str], events.Case]) -> None:
    assert dict(described("test_secrets").parameters) == {"password": REDACTED, "API_TOKEN": REDACTED}


def test_parameters_as_the_id_shows_them(described: Callable[[str], events.Case]) -> None:
    assert described("test_named").parameters == (("thing", "a list"),)
    assert described("test_long").parameters == (("long", "x" * 256),)


def test_a_marker_that_came_after_its_description(pytester: pytest.Pytester) -> None:
    first, second = pytester.getitems("def test_a(): pass\n\ndef test_b(): pass\n")
    known = expecting([first, second])
    known.of(first)
    second.add_marker("slow")
    assert known.of(second).case == events.encode_case(cases.describe(second, SECRETS))
    assert '"slow"' in known.of(second).case


def test_each_test_has_its_own_description(pytester: pytest.Pytester) -> None:
    """In any order, more of them than are described at once, the same one again, and one that was not expected."""
    body = "".join(f"def test_{number}(): pass\n" for number in range(3 * cases.AHEAD))
    items = pytester.getitems(body)
    known = expecting(items[:-1])
    for item in [*items, *items[:5], *reversed(items)]:
        assert known.of(item) == (
            item,
            item.nodeid,
            f'"{item.nodeid}"',
            events.encode_case(cases.describe(item, SECRETS)),
        )
