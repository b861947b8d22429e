from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_otlp import values
from pytest_otlp.values import Parent
from support.model import texts

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def hexadecimal(digits: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=digits, max_size=digits).filter(lambda text: int(text, 16) > 0)


flags = st.text("0123456789abcdef", min_size=2, max_size=2)
versions = flags.filter(lambda text: text not in ("00", "ff"))


def is_refused(parse: Callable[[str], object], text: str) -> str:
    """The remedy."""
    with pytest.raises(ValueError) as raised:
        parse(text)
    return str(raised.value)


# traceparent


@given(hexadecimal(32), hexadecimal(16), flags)
def test_traceparent(trace_id: str, span_id: str, bits: str) -> None:
    parent = values.parse_traceparent(f"00-{trace_id}-{span_id}-{bits}")
    assert parent == Parent(trace_id, span_id, sampled=int(bits, 16) % 2 == 1)


@given(versions, hexadecimal(32), hexadecimal(16), flags, st.sampled_from(["", "-", "-what the future brings"]))
def test_traceparent_of_a_later_version(version: str, trace_id: str, span_id: str, bits: str, more: str) -> None:
    parent = values.parse_traceparent(f" {version}-{trace_id}-{span_id}-{bits}{more}\n")
    assert (parent.trace_id, parent.span_id) == (trace_id, span_id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"01-{TRACE}-{SPAN}-01more",
        f"00-{TRACE}-{SPAN}-01\n00",
        f"00-{TRACE[:-1]}\uff10-{SPAN}-01",
    ],
)
def test_no_traceparent(text: str) -> None:
    assert "00-<32 digits>-<16 digits>-01" in is_refused(values.parse_traceparent, text)


@pytest.mark.parametrize("text", [f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01"])
def test_traceparent_of_zeros(text: str) -> None:
    assert is_refused(values.parse_traceparent, text).startswith("an id of zeros is invalid")


@given(texts)
@example("00-" + "-" * 60)
def test_anything_is_a_traceparent_or_refused(text: str) -> None:
    is_refused(values.parse_traceparent, text)


# URLs


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:4318",
        "https://otlp.example.com",
        "http://[::1]:4317",
        "http://127.0.0.1:4318/some/path/",
        "HTTP://EXAMPLE.COM:1",
        "http://me:secret@host:65535/v1/traces",
        "http://my_host.example:4318",
        "http://b\u00fccher.example:4318",
        "http://[fe80::1%25eth0]:4318",
    ],
)
def test_url(url: str) -> None:
    assert values.parse_url(f" {url}\n") == url
    assert values.parse_endpoint(url) == url


FOR_ALL = " or https://HOST:PORT"
"""Where a file or the terminal cannot be named."""


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("localhost:4318", "unknown scheme; use http://HOST:PORT, https://HOST:PORT, file:PATH or console:"),
        ("", "unknown scheme; use http://HOST:PORT, https://HOST:PORT, file:PATH or console:"),
        ("ftp://host", "unknown scheme; use http://HOST:PORT, https://HOST:PORT, file:PATH or console:"),
        ("console", "unknown scheme; use http://HOST:PORT, https://HOST:PORT, file:PATH or console:"),
        ("http://", "no host; use http://HOST:PORT"),
        ("http://:4318", "no host; use http://HOST:PORT"),
        ("http:///v1/traces", "no host; use http://HOST:PORT"),
        ("http://host:0", "port out of range; use 1 to 65535, usually 4318 (HTTP) or 4317 (gRPC)"),
        ("http://host:65536", "port out of range; use 1 to 65535, usually 4318 (HTTP) or 4317 (gRPC)"),
        ("http://host:port", "port out of range; use 1 to 65535, usually 4318 (HTTP) or 4317 (gRPC)"),
        ("http://a b:1", "blanks and quotes cannot be in a URL; use http://HOST:PORT"),
        ("http://a:1/b c", "blanks and quotes cannot be in a URL; use http://HOST:PORT"),
        ("http://a\n:1", "blanks and quotes cannot be in a URL; use http://HOST:PORT"),
        ('http://"a":1', "blanks and quotes cannot be in a URL; use http://HOST:PORT"),
        ("http://a\\b:1", "blanks and quotes cannot be in a URL; use http://HOST:PORT"),
        ("http://host?a=b", "a query or fragment is not sent; put credentials into OTEL_EXPORTER_OTLP_HEADERS"),
        ("http://host#a", "a query or fragment is not sent; put credentials into OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_no_url(text: str, remedy: str) -> None:
    assert is_refused(values.parse_url, text) == remedy.replace(", https://HOST:PORT, file:PATH or console:", FOR_ALL)
    assert is_refused(values.parse_endpoint, text) == remedy


def test_a_broken_address() -> None:
    assert is_refused(values.parse_url, "http://[::1").endswith("; use http://HOST:PORT")


@given(texts | st.tuples(texts, texts, texts).map(lambda parts: "http://{}:{}/{}".format(*parts)))
def test_anything_is_a_url_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert values.parse_url(text) == text.strip()


def test_console_and_file(tmp_path: Path) -> None:
    assert values.parse_endpoint("console:") == "console:"
    endpoint = f"file:{tmp_path / 'run.jsonl'}"
    assert values.parse_endpoint(endpoint) == endpoint


def test_a_file_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("before")
    values.parse_endpoint(f"file:{path}")
    assert path.read_text() == "before"


@pytest.mark.parametrize("path", ["{0}", "{0}/missing/run.jsonl", "{0}/run\0.jsonl"])
def test_a_file_that_cannot_be_written(tmp_path: Path, path: str) -> None:
    remedy = is_refused(values.parse_endpoint, f"file:{path.format(tmp_path)}")
    assert remedy.startswith("cannot be written (")
    assert remedy.endswith("; name a file in a folder that exists")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with a path")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    remedy = "is a pipe, which cannot be opened until somebody reads it; name a file"
    assert is_refused(values.parse_endpoint, f"file:{pipe}") == remedy


def test_no_file() -> None:
    assert is_refused(values.parse_endpoint, "file:") == "no path; use file:PATH, like file:run.jsonl"


# The link


@pytest.mark.parametrize(
    "template",
    [
        "http://localhost:16686/trace/{trace_id}",
        "https://grafana.example.com/explore?run={run_id}&trace={trace_id}",
        "https://example.com/{trace_id}/{{{run_id}}}",
    ],
)
def test_trace_url(template: str) -> None:
    assert values.parse_trace_url(template) == template
    assert "{trace_id}" not in template.format(trace_id="0a", run_id="1")


@pytest.mark.parametrize(
    "template",
    [
        "",
        "http://localhost/trace",
        "localhost/{trace_id}",
        "file:///{trace_id}",
        "http://localhost/{span_id}",
        "http://localhost/{trace_id}/{}",
        "http://localhost/{trace_id",
        "http://localhost/trace_id}",
        "http://localhost/{{trace_id}}",
        "http://localhost/{trace_id.upper}",
        "http://localhost/{trace_id[0]}",
        "http://localhost/{trace_id[x]}",
        "http://localhost/{trace_id!r}",
        "http://localhost/{trace_id:>9999999999}",
        "http://localhost/{trace_id:{run_id}}",
    ],
)
def test_no_trace_url(template: str) -> None:
    remedy = "give a URL with {trace_id} or {run_id}, like http://localhost:16686/trace/{trace_id}"
    assert is_refused(values.parse_trace_url, template) == remedy


@given(texts)
def test_a_link_can_be_made_of_every_template(text: str) -> None:
    try:
        template = values.parse_trace_url(f"http://{text}/{{trace_id}}")
    except ValueError:
        return
    assert template.format(trace_id=TRACE, run_id="1").endswith(f"/{TRACE}")


# A report


def test_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert values.parse_file("r.html") == str(tmp_path / "r.html")
    assert values.parse_file("new/folder/r.html") == str(tmp_path / "new" / "folder" / "r.html")
    (tmp_path / "r.html").touch()
    assert values.parse_file("r.html") == str(tmp_path / "r.html")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


@pytest.mark.parametrize("text", ["", " ", ".", os.devnull])
def test_no_report(text: str) -> None:
    assert is_refused(values.parse_file, text) == "name a file, as report.html"


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    expected = f"cannot be written ({taken} is no folder); name a file in another folder"
    assert is_refused(values.parse_file, str(taken / "r.html")) == expected


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_report_in_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    expected = f"cannot be written ({tmp_path} cannot be written to); name a file in another folder"
    assert is_refused(values.parse_file, str(tmp_path / "new" / "r.html")) == expected


# The rest


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (values.parse_seconds, "0", 0.0),
        (values.parse_seconds, " 0.5 ", 0.5),
        (values.parse_seconds, "3600", 3600.0),
        (values.parse_milliseconds, "10000", 10.0),
        (values.parse_milliseconds, " 1 ", 0.001),
        (values.parse_milliseconds, "0", 3600.0),
        (values.parse_name, "nightly run", "nightly run"),
        (values.parse_words, "Pin, SSN\niban", ("pin", "ssn", "iban")),
        (values.parse_words, " , ", ()),
        (values.parse_protocol, "grpc", "grpc"),
        (values.parse_protocol, "http/protobuf", "http/protobuf"),
        (values.parse_detail, "tests", "tests"),
        (values.parse_output, "none", "none"),
    ],
)
def test_value(parse: Callable[[str], Any], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "remedy"),
    [
        *(
            (values.parse_seconds, text, "give seconds from 0 to 3600, like 5 or 0.5")
            for text in ("-1", "3601", "soon")
        ),
        *((values.parse_seconds, text, "give seconds from 0 to 3600, like 5 or 0.5") for text in ("nan", "inf", "")),
        *((values.parse_milliseconds, text, "give milliseconds, like 10000") for text in ("-1", "1.5", "\u00b2")),
        *((values.parse_milliseconds, text, "give milliseconds, like 10000") for text in ("9" * 10, "9" * 5000, "")),
        (values.parse_name, " ", "give a name"),
        (values.parse_protocol, "http/json", "use one of grpc, http/protobuf"),
        (values.parse_detail, "Tests", "use one of tests, phases, fixtures"),
        (values.parse_output, "", "use one of failed, all, none"),
    ],
)
def test_no_value(parse: Callable[[str], Any], text: str, remedy: str) -> None:
    assert is_refused(parse, text) == remedy
