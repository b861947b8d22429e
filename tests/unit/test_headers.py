from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp import headers


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", {}),
        (" , ,", {}),
        ("api-key=abc", {"api-key": "abc"}),
        (" Api-Key = abc , B = c%20d%3D,", {"api-key": "abc", "b": "c d="}),
        ("authorization=Basic dXNlcjpwYXNz==", {"authorization": "Basic dXNlcjpwYXNz=="}),
        ("a=,b=%C3%A9", {"a": "", "b": "é"}),
        ("a=1,a=2", {"a": "2"}),
        ("a=b;c=d", {"a": "b;c=d"}),
    ],
)
def test_headers_are_read(text: str, read: dict[str, str]) -> None:
    assert headers.parse(text) == read
    assert headers.problems({"OTEL_EXPORTER_OTLP_HEADERS": text}) == []


@pytest.mark.parametrize("value", ["s%0At", "s%0d%0at", "s\nt", "s%00t", "s%7Ft", "s%1Bt", "st%0A", "st\n"])
def test_a_control_character_in_a_value_is_said_without_the_value(value: str) -> None:
    said = "has a line break or other control character in the value of x-key; ignored (values are not shown)"
    for name in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS"):
        assert headers.problems({name: f"good=1,X-Key={value}"}) == [f"{name} {said}"]


@pytest.mark.parametrize("text", ["s3cret", "Bearer s3cret=", "=s3cret", "a b=s3cret", "é=s3cret"])
def test_an_entry_without_a_name_is_said_without_the_entry(text: str) -> None:
    name = "OTEL_EXPORTER_OTLP_HEADERS"
    said = f"{name} has an entry that is no name=value; ignored (values are not shown)"
    assert headers.problems({name: text}) == [said]


@given(st.text())
def test_whatever_the_variable_holds_no_line_break_gets_through(text: str) -> None:
    try:
        read = headers.parse(text)
    except ValueError:
        return
    assert not any(character in name + value for name, value in read.items() for character in "\r\n\0")


def test_a_signals_own_variable_wins_where_it_is_not_empty() -> None:
    own, general = "OTEL_EXPORTER_OTLP_LOGS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"
    assert headers.variable({own: "a=1", general: "b=2"}, "logs", "HEADERS") == (own, "a=1")
    assert headers.variable({own: "", general: "b=2"}, "logs", "HEADERS") == (general, "b=2")
    assert headers.variable({}, "logs", "HEADERS") == (general, "")
