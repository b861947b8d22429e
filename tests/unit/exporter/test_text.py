from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp.exporter.secrecy import secrets_of, without
from pytest_otlp.exporter.text import one_line, printable


@given(st.text(st.characters()))
def test_printable_text_is_one_line_of_valid_unicode(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


@given(st.text(st.characters()), st.integers(1, 50))
def test_one_line_is_never_longer(text: str, longest: int) -> None:
    assert len(one_line(text, longest)) <= longest + 1


def test_text_that_shows_well_stays_as_it_is() -> None:
    assert printable("tests/test_käse.py::test_[€-日本]") == "tests/test_käse.py::test_[€-日本]"
    assert one_line("  padded\n") == "padded"
    assert one_line("abcdef", 3) == "abc…"
    assert one_line("\t" * 5 + "x", 3) == ""


def test_secrets_are_whole_values_their_credentials_and_passwords() -> None:
    headers = {"authorization": "Basic dXNlcjpwYXNzd29yZA==", "x-key": "t0ken", "x-scope": "a", "x-bad": "Basic ä"}
    assert secrets_of(headers) == [
        "Basic dXNlcjpwYXNzd29yZA==",
        "dXNlcjpwYXNzd29yZA==",
        "user:password",
        "password",
        "Basic ä",
        "t0ken",
    ]
    assert without(secrets_of(headers), "a password for user:password, a t0ken") == "a *** for ***, a ***"
