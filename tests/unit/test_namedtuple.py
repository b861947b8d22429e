"""The named tuples that are cheap to define do what the original does."""

from __future__ import annotations

import copy
import pickle
import sys
import typing
from collections.abc import Callable
from typing import Any

import pytest

from pytest_otlp import namedtuple


def defined(kind: str, base: Any) -> Any:
    """A class of this module, as `pickle` wants it."""

    class Defined(base):  # type: ignore[misc]
        name: str
        number: int = 2
        rest: tuple[str, ...] = ()

        @property
        def twice(self) -> Any:
            return 2 * self.number

    Defined.__name__ = Defined.__qualname__ = kind
    return Defined


Original = defined("Original", typing.NamedTuple)
Own = defined("Own", namedtuple.NamedTuple)


@pytest.fixture(params=[Original, Own])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_values_by_place_by_name_and_by_default(kind: Any) -> None:
    made = kind("a", rest=("b",))
    assert made == ("a", 2, ("b",)) == kind(name="a", rest=("b",)) == kind("a", 2, ("b",))
    assert (made.name, made.number, made.rest, made.twice) == ("a", 2, ("b",), 4)
    assert made[1:] == (2, ("b",))
    assert hash(made) == hash(tuple(made))
    assert (kind._fields, kind._field_defaults) == (("name", "number", "rest"), {"number": 2, "rest": ()})
    assert repr(made) == f"{kind.__name__}(name='a', number=2, rest=('b',))"


@pytest.mark.parametrize(
    "make",
    [
        lambda kind: kind(),
        lambda kind: kind(number=1),
        lambda kind: kind("a", 1, (), 4),
        lambda kind: kind("a", name="b"),
        lambda kind: kind("a", wrong=1),
        lambda kind: kind("a", 1, (), number=2),
        lambda kind: kind("a")._replace(wrong=1),
        lambda kind: kind._make(("a", 1)),
        lambda kind: kind._make(("a", 1, (), 4)),
    ],
)
def test_values_that_do_not_fit(kind: Any, make: Callable[[Any], object]) -> None:
    with pytest.raises((TypeError, ValueError)):  # `_replace`: a ValueError until Python 3.13
        make(kind)


def test_no_value_can_be_changed(kind: Any) -> None:
    made = kind("a")
    with pytest.raises(AttributeError):
        made.name = "b"
    with pytest.raises(AttributeError):
        made.other = "b"
    assert sys.getsizeof(made) <= sys.getsizeof(Original("a"))


def test_copies(kind: Any) -> None:
    made = kind._make(("a", 1, ("b",)))
    for same in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        assert same == made
        assert type(same) is kind
    changed = made._replace(number=3)
    assert type(changed) is kind
    assert changed._asdict() == {"name": "a", "number": 3, "rest": ("b",)}


def test_matching(kind: Any) -> None:
    match kind("a"):
        case kind(name, number):
            assert (name, number) == ("a", 2)
        case _:
            pytest.fail("no match")
