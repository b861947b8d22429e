from __future__ import annotations

import shlex
import sys
from typing import Any

import pytest
from hypothesis import given

from pytest_otlp import terminal
from pytest_otlp.launch import Counts, Result
from support.model import texts

LINK = "http://localhost:16686/trace/0a"
ALL = Counts(produced=49, delivered=49, rejected=0, kept=0)


def summary(counts: Counts, problem: str = "", *notices: str, **more: Any) -> str:
    given = {"target": "localhost:4318", "journal": ".pytest_cache/d/otlp/1.jsonl", "link": LINK, **more}
    return terminal.summary(Result(12, counts, problem, notices), **given)


def test_header() -> None:
    given = {"target": "localhost:4318", "protocol": "http", "service": "shop", "trace_id": "0a"}
    assert terminal.header(**given, link="") == "otlp: localhost:4318 (http), service shop, trace 0a"
    assert terminal.header(**given, link=LINK) == f"otlp: localhost:4318 (http), service shop, trace 0a, {LINK}"


def test_notice() -> None:
    assert terminal.notice("TRACEPARENT has the sampled flag off") == "otlp: TRACEPARENT has the sampled flag off"


def test_all_delivered() -> None:
    assert summary(ALL) == f"otlp: 12 tests, 49 spans delivered to localhost:4318 - {LINK}"
    assert summary(ALL, link="") == "otlp: 12 tests, 49 spans delivered to localhost:4318"


def test_one_of_each() -> None:
    line = terminal.summary(Result(1, Counts(1, 1, 0, 0), "", ()), target="h:1", journal="j", link="")
    assert line == "otlp: 1 test, 1 span delivered to h:1"


@pytest.mark.parametrize(
    ("counts", "problem", "line"),
    [
        (
            Counts(49, 0, 0, 49),
            "cannot connect: refused",
            (
                "otlp: 12 tests, 0 of 49 spans delivered to localhost:4318, 49 kept (cannot connect: refused); "
                "send them with: pytest-otlp replay .pytest_cache/d/otlp/1.jsonl"
            ),
        ),
        (
            Counts(49, 42, 7, 0),
            "too many attributes",
            f"otlp: 12 tests, 42 of 49 spans delivered to localhost:4318, 7 rejected (too many attributes) - {LINK}",
        ),
        (
            Counts(49, 0, 49, 0),
            "answered 400 Bad Request",
            "otlp: 12 tests, 0 of 49 spans delivered to localhost:4318, 49 rejected (answered 400 Bad Request)",
        ),
        (
            Counts(49, 40, 7, 2),
            "answered 503 Service Unavailable",
            (
                "otlp: 12 tests, 40 of 49 spans delivered to localhost:4318, 7 rejected, 2 kept "
                "(answered 503 Service Unavailable); send them with: pytest-otlp replay .pytest_cache/d/otlp/1.jsonl"
            ),
        ),
    ],
)
def test_what_became_of_the_rest(counts: Counts, problem: str, line: str) -> None:
    assert summary(counts, problem) == line


def test_notices_come_last() -> None:
    line = summary(ALL, "", "metrics not taken: answered 404 Not Found", "logs not taken: answered 404 Not Found")
    assert line == (
        f"otlp: 12 tests, 49 spans delivered to localhost:4318 - {LINK}; "
        "metrics not taken: answered 404 Not Found; logs not taken: answered 404 Not Found"
    )


def test_no_exporter() -> None:
    assert terminal.no_exporter("the exporter left no word", "1.jsonl") == (
        "otlp: the exporter left no word; the run is kept: send it with: pytest-otlp replay 1.jsonl"
    )


def test_a_journal_that_is_gone() -> None:
    assert terminal.no_exporter("the exporter left no word", "") == (
        "otlp: the exporter left no word; the journal is gone: it was removed while the run went on"
    )
    assert summary(Counts(49, 0, 0, 49), "no answer", journal="") == (
        "otlp: 12 tests, 0 of 49 spans delivered to localhost:4318, 49 kept (no answer); "
        "the journal is gone: it was removed while the run went on"
    )


def test_unheard() -> None:
    assert terminal.unheard("interrupted while the exporter delivered", "1.jsonl") == (
        "otlp: interrupted while the exporter delivered, which goes on alone; "
        "what it does not deliver can be sent with: pytest-otlp replay 1.jsonl"
    )
    assert terminal.unheard("a test closed the pipe to the exporter", "") == (
        "otlp: a test closed the pipe to the exporter, which is done: it has removed the journal"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="of POSIX shells")
def test_a_remedy_can_be_pasted() -> None:
    path = "/my proj/it's/1.jsonl"
    told = [terminal.no_exporter("x", path), terminal.unheard("x", path), summary(Counts(1, 0, 0, 1), journal=path)]
    assert [shlex.split(line.partition("with: ")[2]) for line in told] == [["pytest-otlp", "replay", path]] * 3


@given(texts)
def test_what_others_wrote_is_escaped(text: str) -> None:
    lines = [
        terminal.notice(text),
        terminal.no_exporter(text, text),
        terminal.header(target=text, protocol="http", service=text, trace_id="0a", link=text),
        summary(Counts(1, 0, 0, 1), text, text, target=text, journal=text, link=text),
    ]
    assert all(line.isprintable() for line in lines)
    assert terminal.escaped(text).isprintable()


def test_escaped() -> None:
    assert terminal.escaped("a\x1b[31mb\nc\x00\udcff é ✓") == r"a\x1b[31mb\nc\x00\udcff é ✓"
