from __future__ import annotations

import pytest
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from pytest_otlp.exporter.wire import chunk, fields, message_fields, tag, varint


@given(code=st.integers(0, 2**31 - 1), message=st.text(st.characters(exclude_categories=["Cs"])))
def test_reads_what_protobuf_writes(code: int, message: str) -> None:
    data = Status(code=code, message=message).SerializeToString()
    found = message_fields(data)
    assert (found.get(1, 0), found.get(2, b"")) == (code, message.encode())


def test_reads_fields_of_fixed_size_too() -> None:
    data = NumberDataPoint(time_unix_nano=258, as_int=1, flags=1).SerializeToString()
    assert dict(fields(data)) == {3: bytes([2, 1, 0, 0, 0, 0, 0, 0]), 6: b"\1" + bytes(7), 8: 1}
    assert list(fields(tag(16, 5) + b"abcd")) == [(16, b"abcd")]


@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_or_a_value_error(data: bytes) -> None:
    try:
        found = list(fields(data))
    except ValueError:
        return
    assert all(number > 0 for number, _ in found)


@pytest.mark.parametrize(
    "data",
    [b"\x0a", b"\x0a\x05ab", b"\x09abc", b"\x0b", b"\xff" * 12, b"\x00\x00", b"<html>"],
    ids=["no length", "cut off", "cut off number", "group", "endless number", "field 0", "text"],
)
def test_what_is_no_message_is_said(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(fields(data))


@given(st.integers(0, 2**64 - 1))
def test_numbers_come_back(number: int) -> None:
    assert list(fields(tag(1, 0) + varint(number))) == [(1, number)]


@pytest.mark.parametrize("size", [0, 127, 128, 1023, 1024, 20_000])
def test_lengths_come_back(size: int) -> None:
    assert list(fields(chunk(tag(3, 2), b"x" * size))) == [(3, b"x" * size)]
