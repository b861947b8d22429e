from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp.safe import cut_middle, cut_top, exception_message, qualified_name, text_of
from support.model import texts


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Endless:
    def __str__(self) -> str:
        return str(self)


class Forbidden:
    def __str__(self) -> str:
        raise pytest.fail.Exception("not to be called")


class Leaving:
    def __str__(self) -> str:
        raise SystemExit(3)


class Interrupted:
    def __str__(self) -> str:
        raise KeyboardInterrupt


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no text")


class HostileError(Exception):
    __str__ = Hostile.__str__


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (17, "17"),
        (None, "None"),
        (Hostile(), "<unprintable Hostile object>"),
        (Endless(), "<unprintable Endless object>"),
        (Forbidden(), "<unprintable Forbidden object>"),
        (Leaving(), "<unprintable Leaving object>"),
        (Text("x"), "<unprintable Text object>"),
    ],
)
def test_text_of(value: object, text: str) -> None:
    assert text_of(value) == text
    assert type(text_of(value)) is str


def test_nobody_holds_up_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt):
        text_of(Interrupted())


@pytest.mark.skipif(not hasattr(sys, "set_int_max_str_digits"), reason="writes any number of digits")
def test_number_of_too_many_digits() -> None:
    assert text_of(10**5000) == "<unprintable int object>"


def test_exception_message() -> None:
    assert exception_message(ValueError("no", 1)) == "('no', 1)"
    assert exception_message(ValueError()) == ""
    assert exception_message(HostileError()) == "<unprintable HostileError object>"


class Outer:
    class Inner(Exception):  # noqa: N818 - a name is all it has
        pass


def test_qualified_name() -> None:
    assert qualified_name(ValueError) == "ValueError"
    assert qualified_name(Outer.Inner) == f"{__name__}.Outer.Inner"
    assert qualified_name(type("Bare", (Exception,), {"__module__": ""})) == "Bare"
    assert qualified_name(type("Odd", (Exception,), {"__module__": Hostile()})) == "<unprintable Hostile object>.Odd"


@given(texts | st.text(max_size=300), st.integers(0, 100))
def test_cut(text: str, limit: int) -> None:
    size = len(text.encode("utf-8", "backslashreplace"))
    top, middle = cut_top(text, limit), cut_middle(text, limit)
    if size <= limit:
        assert top == middle == text
    else:
        assert max(len(top.encode()), len(middle.encode())) <= limit + 60
        assert str(size) in top
        assert str(size) in middle


def test_cut_says_what_is_missing() -> None:
    assert cut_middle("abcdefghij", 4) == "ab\n[... 6 of 10 bytes left out ...]\nij"
    assert cut_top("abcdefghij", 4) == "[... 6 of 10 bytes left out ...]\nghij"
    assert cut_top("abcdefghij", 0) == "[... 10 of 10 bytes left out ...]\n"
    assert cut_middle("abcdefghij", 0) == "[... 10 of 10 bytes left out ...]\n"
