"""OTLP as it is read: attributes as plain values, and JSON as the protobuf messages that it stands for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

M = TypeVar("M", bound=Message)

_EXACT = 2**53
"""Integers from here on are no numbers in a page's JSON."""
_IDS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_DEEPEST = 64


class BrokenError(ValueError):
    """The bytes are no such message."""


def parsed(kind: type[M], data: bytes) -> M:
    """Raises:
    BrokenError: it is no such message.
    """
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise BrokenError("not the OTLP message that it is sent as") from error


def parsed_json(kind: type[M], data: bytes | str) -> M:
    """OTLP/JSON: ids are hexadecimal, where protobuf's own JSON has base64 (OTLP, "JSON Protobuf Encoding").

    Raises:
        BrokenError: it is no such message.
    """
    try:
        found = _with_base64_ids(json.loads(data), 0)
        return json_format.ParseDict(found, kind(), ignore_unknown_fields=True, max_recursion_depth=_DEEPEST * 2)
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.ParseError) as error:
        raise BrokenError("not the OTLP/JSON message that it is sent as") from error


def _with_base64_ids(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise BrokenError("nested too deeply")
    if isinstance(value, list):
        return [_with_base64_ids(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode()
            if key in _IDS and isinstance(item, str)
            else _with_base64_ids(item, depth + 1)
            for key, item in value.items()
        }
    return value


def attributes_of(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    # Most are texts, for which this is the shortest way.
    return {pair.key: pair.value.string_value or plain(pair.value) for pair in pairs}


def plain(value: AnyValue) -> Any:
    """As JSON has it; what JSON has not is told as text."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    convert = _PLAIN.get(kind)
    return convert(found) if convert else found


_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "int_value": lambda number: number if abs(number) < _EXACT else str(number),
    "double_value": lambda number: number if isfinite(number) else str(number),
    "array_value": lambda array: [plain(item) for item in array.values],
    "kvlist_value": lambda pairs: attributes_of(pairs.values),
    "bytes_value": lambda data: {"bytes": base64.b64encode(data).decode()},
}
