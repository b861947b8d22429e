"""What an endpoint says in an answer's body, over HTTP and gRPC: `partial_success`, a status message, a retry delay."""

from __future__ import annotations

from typing import Any, NamedTuple

from pytest_otlp.exporter.text import one_line
from pytest_otlp.exporter.transport import Answer, Verdict
from pytest_otlp.exporter.wire import fields, message_fields


class PartialSuccess(NamedTuple):
    rejected: int
    message: str


def accepted(partial: PartialSuccess, sent: int) -> Answer:
    """The answer that took the payload. A warning without a rejected record is nobody's business."""
    rejected = max(0, min(partial.rejected, sent))
    if not rejected:
        return Answer(Verdict.ACCEPTED)
    return Answer(Verdict.ACCEPTED, one_line(partial.message) or "no reason given", rejected)


def read_protobuf_answer(data: bytes) -> PartialSuccess:
    """Reads an `Export*ServiceResponse`; all three are alike. Raises ValueError where it is none."""
    partial = message_fields(data).get(1, b"")
    if isinstance(partial, int):
        raise ValueError("no export response")  # noqa: TRY004 - the data is at fault
    inner = message_fields(partial)
    return PartialSuccess(_integer(inner.get(1)), _text(inner.get(2)))


def read_json_answer(data: bytes) -> PartialSuccess:
    """The same in OTLP/JSON, where 64-bit integers are texts, of a JSON object. Raises ValueError where it is none."""
    import json  # noqa: PLC0415 - few endpoints answer so

    answer: dict[str, Any] = json.loads(data)
    partial = answer.get("partialSuccess") or {}
    if not isinstance(partial, dict):
        raise ValueError("no export response")  # noqa: TRY004 - the data is at fault
    rejected = next((partial[key] for key in _REJECTED if key in partial), 0)
    message = partial.get("errorMessage")
    return PartialSuccess(_json_integer(rejected), message if isinstance(message, str) else "")


_REJECTED = ("rejectedSpans", "rejectedDataPoints", "rejectedLogRecords")


def status_message(data: bytes) -> str:
    """The message of a `google.rpc.Status`, or nothing where it is none."""
    try:
        return _text(message_fields(data).get(2))
    except ValueError:
        return ""


def json_message(data: bytes) -> str:
    """The same of one in JSON."""
    import json  # noqa: PLC0415 - few endpoints answer so

    try:
        status = json.loads(data)
    except ValueError:
        return ""
    message = status.get("message") if isinstance(status, dict) else ""
    return message if isinstance(message, str) else ""


def retry_delay(status: bytes) -> float | None:
    """Seconds of the `RetryInfo` in a `google.rpc.Status`, or None."""
    try:
        return _retry_delay(status)
    except ValueError:
        return None


def _retry_delay(status: bytes) -> float | None:
    for number, detail in fields(status):
        if number != 3 or isinstance(detail, int):
            continue
        any_fields = message_fields(detail)
        if _text(any_fields.get(1)).endswith("google.rpc.RetryInfo"):
            delay = message_fields(_bytes(message_fields(_bytes(any_fields.get(2))).get(1)))
            return _integer(delay.get(1)) + _integer(delay.get(2)) / 1e9
    return None


def _integer(value: int | bytes | None) -> int:
    """A signed 64-bit integer; 0 where it is missing."""
    if not isinstance(value, int):
        return 0
    return value - (1 << 64) if value >> 63 else value


def _bytes(value: int | bytes | None) -> bytes:
    return value if isinstance(value, bytes) else b""


def _text(value: int | bytes | None) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _json_integer(value: Any) -> int:
    return int(value) if isinstance(value, (int, str)) else 0
