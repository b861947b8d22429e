from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp.redact import REDACTED, is_secret, without_secrets, without_user_info
from support import model

WORDS = ("password", "key", "pin*")


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "KEY",
        "api_key",
        "apiKey",
        "API-KEY",
        "x.key",
        "key2",
        "keys",
        "HTTPKey",
        "db password",
        "pins",
        "pinCode",
        "pin_code",
    ],
)
def test_secrets(name: str) -> None:
    assert is_secret(name, WORDS)


@pytest.mark.parametrize("name", ["keyboard", "monkey", "pass", "spin", "", "_", "user", "KEYBOARD"])
def test_no_secrets(name: str) -> None:
    assert not is_secret(name, WORDS)


@given(model.texts, st.sampled_from(["password", "key"]), model.texts)
def test_a_word_is_found_among_any_others(before: str, word: str, after: str) -> None:
    assert is_secret(f"{before}_{word.upper()}_{after}", WORDS)


def test_words_of_other_scripts() -> None:
    assert is_secret("mein_schlüssel", ("schlüssel",))
    assert not is_secret("schlüsselbund", ("schlüssel",))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://me:secret@host:5432/db", "postgres://host:5432/db"),
        ("https://token@host", "https://host"),
        ("at amqp://a:b@one/x and redis+tls://:p@ss@two", "at amqp://one/x and redis+tls://two"),
        ("https://host/path?mail=a@b.c", "https://host/path?mail=a@b.c"),
        ("a@b.c", "a@b.c"),
        ("://me@host", "://me@host"),
    ],
)
def test_user_info(text: str, shown: str) -> None:
    assert without_user_info(text) == shown


def test_values() -> None:
    given = {"key": 1, "url": "x://a:b@c", "list": ["x://a@b", 2], "number": 3}
    assert without_secrets(given, WORDS) == {"key": REDACTED, "url": "x://c", "list": ["x://b", 2], "number": 3}
