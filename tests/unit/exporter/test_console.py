from __future__ import annotations

import io
import sys
from contextlib import suppress

import pytest

from pytest_otlp import semconv
from pytest_otlp.exporter.console import ConsoleTransport
from pytest_otlp.exporter.records import Attributes, Record, Signal, Span
from pytest_otlp.exporter.transport import Answer, Encoded, Verdict
from pytest_otlp.exporter.tree import render
from support.samples import COUNTER, EVENT, TRACE_ID


def timed(
    number: int, parent: int, name: str, start: float, end: float, attributes: Attributes, error: str | None = None
) -> Span:
    """`start` and `end` in ms."""
    above = bytes([parent]) * 8 if parent else b""
    return Span(TRACE_ID, bytes([number]) * 8, above, name, int(start * 1e6), int(end * 1e6), attributes, error)


def case(outcome: str, **more: str) -> Attributes:
    return {semconv.CASE_NAME: "t", semconv.OUTCOME: outcome, **more}


PASSED = {semconv.PHASE: "call", semconv.OUTCOME: "passed"}
FAILED = {semconv.PHASE: "call", semconv.OUTCOME: "failed"}
ERROR = "AssertionError: assert 1 == 2\n +  where 1 = f()"
TEST_OK = [
    timed(10, 1, "tests/test_cart.py::test_total[eur]", 40, 1540, case("passed")),
    timed(11, 10, "setup", 40, 42, PASSED),
    timed(12, 11, "fixture db (module)", 40, 41.9, {semconv.FIXTURE_NAME: "db"}),
    timed(13, 10, "call", 42, 1540, PASSED),
]
TEST_BAD = [
    timed(20, 1, "tests/test_cart.py::test_bad", 1600, 1650, case("failed"), ERROR),
    timed(21, 20, "call", 1600, 1620, FAILED, ERROR),
    timed(22, 21, "SELECT", 1601, 1602, {}, "timeout"),
    timed(23, 20, "teardown", 1620, 1650, PASSED),
]
SKIPPED = timed(
    30, 1, "tests/test_cart.py::test_later", 1700, 1700.04, case("skipped", **{semconv.REASON: "not\ntoday"})
)
ROOT = timed(
    1,
    0,
    "pytest",
    0,
    75_000,
    {
        semconv.SUITE_RUN_STATUS: "failure",
        semconv.TESTS + "passed": 1,
        semconv.TESTS + "failed": 1,
        semconv.TESTS + "skipped": 1,
        semconv.TESTS + "xfailed": 0,
        semconv.TESTS_COLLECTED: 3,
        semconv.TESTS_DESELECTED: 2,
    },
    "1 failed",
)


def test_a_run_is_one_tree() -> None:
    spans = [*reversed(TEST_OK), SKIPPED, *TEST_BAD, ROOT, timed(2, 1, "collection", 1, 31, {})]
    assert render(spans) == [
        "✗ pytest  1 min 15 s  1 passed, 1 failed, 1 skipped, 2 deselected",
        "├ collection  30 ms",
        "├ ✓ tests/test_cart.py::test_total[eur]  1.50 s",
        "│ ├ setup  2.0 ms",
        "│ │ └ fixture db (module)  1.9 ms",
        "│ └ call  1.50 s",
        "├ ✗ tests/test_cart.py::test_bad  50 ms",
        "│ ├ ✗ call  20 ms",
        "│ │ │   AssertionError: assert 1 == 2",
        "│ │ └ ✗ SELECT  1.0 ms",
        "│ │       timeout",
        "│ └ teardown  30 ms",
        "└ - tests/test_cart.py::test_later  0.0 ms",
        "      not\\ntoday",
    ]


def test_a_test_alone_is_a_tree() -> None:
    assert render(TEST_OK[:1]) == ["✓ tests/test_cart.py::test_total[eur]  1.50 s"]


def test_nothing_is_no_line() -> None:
    assert render([]) == []


def test_an_error_stands_where_no_part_has_it() -> None:
    assert render(TEST_BAD[:1]) == ["✗ tests/test_cart.py::test_bad  50 ms", "    AssertionError: assert 1 == 2"]


def test_markers_say_that_something_goes_on() -> None:
    run = timed(1, 0, "pytest", 0, 0.001, {semconv.SUITE_RUN_STATUS: "in_progress", semconv.TESTS_COLLECTED: 3})
    test = timed(2, 9, "tests/test_cart.py::test_slow running", 1, 1.001, {semconv.CASE_NAME: "t"})
    assert render([run, test]) == ["… pytest", "… tests/test_cart.py::test_slow running"]


@pytest.mark.parametrize(
    ("outcome", "sign"),
    [
        ("passed", "✓"),
        ("failed", "✗"),
        ("error", "✗"),
        ("crashed", "✗"),
        ("interrupted", "✗"),
        ("skipped", "-"),
        ("xfailed", "x"),
        ("xpassed", "!"),
        ("rerun", "↻"),
    ],
)
def test_each_outcome_has_a_sign(outcome: str, sign: str) -> None:
    assert render([timed(1, 0, "t", 0, 5, case(outcome))]) == [f"{sign} t  5.0 ms"]


def test_text_of_tests_cannot_command_the_terminal() -> None:
    hostile = "\x1b]0;title\x07\r\u202e\ud800"
    lines = render([timed(1, 0, hostile, 0, 5, case("failed", **{semconv.REASON: hostile}), hostile)])
    shown = "\\x1b]0;title\\x07\\r\\u202e\\ud800"
    assert lines == [f"✗ {shown}  5.0 ms", f"    {shown}", f"    {shown}"]


def test_long_text_is_cut() -> None:
    (title, error) = render([timed(1, 0, "n" * 1000, 0, 5, case("failed"), "e" * 1000)])
    assert title == "✗ " + "n" * 200 + "…  5.0 ms"
    assert error == "    " + "e" * 200 + "…"


def test_spans_that_are_their_own_parents_hold_up_nothing() -> None:
    assert render([timed(1, 1, "loop", 0, 5, {}), timed(2, 0, "top", 0, 5, {})]) == ["top  5.0 ms"]


def send(transport: ConsoleTransport, *records: Record, signal: Signal = Signal.TRACES) -> Answer:
    (payload,) = transport.encode(signal, {}, records).payloads
    assert (payload.size, payload.consumed) == (len(records), len(records))
    return transport.send(signal, payload, 1.0)


def test_each_batch_is_written_as_it_comes() -> None:
    stream = io.StringIO()
    transport = ConsoleTransport(stream)
    assert transport.target == "console"
    assert send(transport, *TEST_OK[:1]) == Answer(Verdict.ACCEPTED)
    assert stream.getvalue() == "\n✓ tests/test_cart.py::test_total[eur]  1.50 s\n"
    assert send(transport, SKIPPED) == Answer(Verdict.ACCEPTED)
    transport.close()
    assert len(stream.getvalue().splitlines()) == 5


def test_other_signals_are_taken_and_not_shown() -> None:
    stream = io.StringIO()
    transport = ConsoleTransport(stream)
    assert send(transport, EVENT, signal=Signal.LOGS) == Answer(Verdict.ACCEPTED)
    assert send(transport, COUNTER, signal=Signal.METRICS) == Answer(Verdict.ACCEPTED)
    assert transport.encode(Signal.LOGS, {}, []) == Encoded([], 0, 0)
    assert stream.getvalue() == ""


def test_a_terminal_with_few_characters_gets_what_it_knows() -> None:
    raw = io.BytesIO()
    transport = ConsoleTransport(io.TextIOWrapper(raw, encoding="ascii"))
    assert send(transport, *TEST_OK[:1]) == Answer(Verdict.ACCEPTED)
    assert raw.getvalue() == b"\n? tests/test_cart.py::test_total[eur]  1.50 s\n"


def test_a_stream_that_is_gone_is_refused() -> None:
    stream = io.StringIO()
    stream.close()
    assert send(ConsoleTransport(stream), SKIPPED) == Answer(Verdict.REFUSED, "cannot be written: closed")


@pytest.mark.skipif(sys.platform != "linux", reason="has no /dev/full")
def test_a_stream_that_is_full_is_refused() -> None:
    stream = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115 - closing it fails too
    answer = send(ConsoleTransport(stream), SKIPPED)
    with suppress(OSError):
        stream.close()
    assert answer == Answer(Verdict.REFUSED, "cannot be written: No space left on device")


def test_a_span_that_cannot_be_shown_is_rejected() -> None:
    bad = SKIPPED._replace(name=None)  # type: ignore[arg-type]
    assert send(ConsoleTransport(io.StringIO()), bad) == Answer(Verdict.REJECTED, "cannot be shown (TypeError)")
