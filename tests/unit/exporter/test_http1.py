from __future__ import annotations

import io
from http.client import HTTPResponse
from typing import NamedTuple, cast

import pytest

from pytest_otlp.exporter.http1 import MOST_ANSWER_BYTES, BrokenOffError, Headers, NoHttpError, read_response

OK = b"HTTP/1.1 200 OK\r\n"


class Sock(NamedTuple):
    """All that `http.client` asks of a socket."""

    data: bytes

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self.data)


ANSWERS = {
    "length": OK + b"Content-Length: 5\r\n\r\nhello and more",
    "no body": OK + b"Content-Length: 0\r\n\r\n",
    "until the end": OK + b"\r\nhello",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nTrailer: x\r\n\r\n",
    "chunks in capitals": OK + b"TRANSFER-ENCODING: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "close": OK + b"Connection: Close\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0 that goes on": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "no phrase": b"HTTP/1.1 503\r\nContent-Length: 2\r\n\r\nno",
    "line feeds": b"HTTP/1.1 404 Not Found\nContent-Length: 2\n\nno",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_understood_as_the_standard_library_does(answer: bytes) -> None:
    known = HTTPResponse(cast("io.IOBase", Sock(answer)), method="POST")  # type: ignore[arg-type]
    known.begin()
    response = read_response(io.BytesIO(answer))
    assert (response.status, response.body) == (known.status, known.read())
    assert dict(response.headers) == {name.lower(): value for name, value in known.headers.items()}
    assert response.lasting == (not known.will_close)
    assert response.whole


def test_what_comes_before_the_answer_is_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    response = read_response(io.BytesIO(early + early + OK + b"Content-Length: 2\r\n\r\nok"))
    assert (response.status, response.body) == (200, b"ok")


def test_what_follows_an_answer_is_left() -> None:
    stream = io.BytesIO(OK + b"Content-Length: 2\r\n\r\nokHTTP")
    read_response(stream)
    assert stream.read() == b"HTTP"
    stream = io.BytesIO(b"HTTP/1.1 200 Connection established\r\nContent-Length: 9\r\n\r\n\x16\x03")
    assert read_response(stream, tunnel=True).lasting
    assert stream.read() == b"\x16\x03"


def test_fields_of_the_same_name_and_lines_that_go_on() -> None:
    fields = b"Retry-After: 5\r\nx : a\r\nX: b\r\n\tc\r\nwithout a colon\r\nContent-Length: 2, 2\r\n\r\nok"
    response = read_response(io.BytesIO(OK + fields))
    assert response.body == b"ok"
    assert (response.headers["retry-after"], response.headers["x"]) == ("5", "a, b c")
    assert Headers(a="One, two ,, ").tokens("a") == ["one", "two"]


def test_a_proxy_that_refuses_a_tunnel_may_say_why() -> None:
    response = read_response(io.BytesIO(b"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno"), tunnel=True)
    assert (response.status, response.body) == (407, b"no")


@pytest.mark.parametrize(
    "answer",
    [
        OK[:-2],
        OK + b"Content-Length: 5\r\n",
        OK + b"Content-Length: 5\r\n\r\nhell",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhell",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n",
    ],
)
def test_an_answer_that_ends_early_was_broken_off(answer: bytes) -> None:
    with pytest.raises(BrokenOffError):
        read_response(io.BytesIO(answer))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTCPCP/1.0 418 I'm a teapot\r\n\r\n",
        b"H" * (1 << 17),
        OK + b"a: b\r\n" * 1000 + b"\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 1, 2\r\n\r\nab",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nlong\r\n",
    ],
)
def test_what_is_no_answer_is_told_as_that(answer: bytes) -> None:
    with pytest.raises(NoHttpError):
        read_response(io.BytesIO(answer))


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 9999999999999999999999999\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n"],
)
def test_no_more_is_read_than_is_of_use(head: bytes) -> None:
    stream = io.BytesIO(OK + head + bytes(4 * MOST_ANSWER_BYTES))
    response = read_response(stream)
    assert (response.whole, response.lasting) == (False, False)
    assert stream.tell() < 2 * MOST_ANSWER_BYTES
