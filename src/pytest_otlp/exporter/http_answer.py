"""What an HTTP answer means for a payload; https://opentelemetry.io/docs/specs/otlp/#otlphttp-response."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from pytest_otlp.exporter.http1 import Response
from pytest_otlp.exporter.mismatch import USE_HTTPS
from pytest_otlp.exporter.otlp_answer import (
    accepted,
    json_message,
    read_json_answer,
    read_protobuf_answer,
    status_message,
)
from pytest_otlp.exporter.probe import WANTS_TLS
from pytest_otlp.exporter.text import one_line
from pytest_otlp.exporter.transport import Answer, Verdict

_BAD_REQUEST = 400
_VERDICTS = {
    **dict.fromkeys((408, 429, 502, 503, 504), Verdict.RETRY),
    **dict.fromkeys((401, 403, 404, 405, 407, 501), Verdict.REFUSED),
}


def judge(response: Response, count: int, *, encrypted: bool) -> Answer:
    """The answer to a payload of `count` records."""
    if 200 <= response.status < 300:
        return _success(response, count)
    if 300 <= response.status < 400:
        return Answer(Verdict.REFUSED, f"answered {_named(response.status)}, a redirect{_redirect_target(response)}")
    said = _said(response)
    if not encrypted and response.status == _BAD_REQUEST and WANTS_TLS.search(said):
        return Answer(Verdict.REFUSED, USE_HTTPS)
    reason = f"answered {_named(response.status)}" + (f": {one_line(said)}" if said else "")
    verdict = _VERDICTS.get(response.status, Verdict.REJECTED)
    wait = _retry_after(response) if verdict is Verdict.RETRY else None
    return Answer(verdict, reason, retry_after=wait)


def _success(response: Response, count: int) -> Answer:
    if not response.body:
        return Answer(Verdict.ACCEPTED)
    kind = response.content_type
    try:
        if kind == "text/html" or not response.whole:
            raise ValueError("a page, or endless")  # noqa: TRY301
        read = read_json_answer if response.body.lstrip()[:1] == b"{" else read_protobuf_answer
        return accepted(read(response.body), count)
    except ValueError:
        named = one_line(kind) or "no content type"
        return Answer(Verdict.REFUSED, f"answered {response.status} with {named}, which is no OTLP answer")


def _named(status: int) -> str:
    from http import HTTPStatus  # noqa: PLC0415  takes 3 ms, and is of use only where there is trouble

    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _redirect_target(response: Response) -> str:
    """Where to; only the host, as a path or query may hold a token."""
    try:
        host = urlsplit(response.headers.get("location", "")).hostname
    except ValueError:
        host = None
    return f" to {one_line(host)}" if host else ""


def _said(response: Response) -> str:
    """The message in an error's body, where it is one for people or a `google.rpc.Status`."""
    kind = response.content_type
    if kind == "text/plain":
        return response.body.decode("utf-8", "replace").strip()
    if kind == "application/json":
        return json_message(response.body)
    if kind == "application/x-protobuf":
        return status_message(response.body)
    return ""


def _retry_after(response: Response) -> float | None:
    """Seconds, of a header with seconds or a date (RFC 9110, 10.2.3); None where it is neither."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  takes 15 ms

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
