from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_otlp import events
from pytest_otlp.events import Event, Phase, PhasesFinished, SessionStarted
from support import model


@given(model.events)
def test_round_trip(event: Event) -> None:
    line = events.encode(event)
    assert events.decode(line) == event
    assert events.decode(line.encode("ascii")) == event
    assert line.isascii()
    assert line.endswith("\n")
    assert "\n" not in line[:-1]


@given(model.times, model.times, model.durations)
def test_plain_phase_is_a_phase(start: int, end: int, duration: float) -> None:
    plain = events.encode_plain_phase("call", "passed", "passed", start, end, duration)
    encoded = events.encode_phase(Phase("call", "passed", "passed", start, end, duration))
    assert json.loads(encoded)[:6] == json.loads(plain)
    read = events.decode(events.encode_phases(1, 1, "", [plain], last=True))
    assert read == events.decode(events.encode_phases(1, 1, "", [encoded], last=True))


@given(model.numbers, model.numbers, model.texts, st.booleans(), model.tuples_of(model.phases), model.cases | st.none())
def test_phases_encoded_one_by_one(
    key: int, attempt: int, worker: str, last: bool, phases: tuple[Phase, ...], case: events.Case | None
) -> None:
    whole = PhasesFinished(key, attempt, worker, last, phases, case)
    rows = [events.encode_phase(phase) for phase in phases]
    text = events.encode_case(case) if case else "null"
    line = events.encode_phases(key, attempt, worker, rows, last=last, case=text)
    assert events.decode(line) == events.decode(events.encode(whole)) == whole


@given(model.numbers, model.texts, model.times, model.cases)
def test_start_of_a_test(key: int, nodeid: str, time: int, case: events.Case) -> None:
    text = events.encode_case(case)
    started, line = events.TestStarted(key, nodeid, time, case), events.encode_started(key, nodeid, time, text)
    assert line == events.encode(started).replace(',""]\n', "]\n")
    assert events.decode(line) == started


@given(
    model.numbers,
    model.numbers,
    st.sampled_from(["", "gw0"]),
    st.lists(model.times, min_size=6, max_size=6),
    model.cases,
)
def test_a_pass(key: int, attempt: int, worker: str, times: list[int], case: events.Case) -> None:
    a, b, c, d, e, f = times
    durations = (0.25, 1e-6, 0.0000014)
    line = events.encode_passed(key, attempt, worker, events.pack_times(0, times, durations))
    passed = events.TestPassed(key, attempt, worker, (a, b, c, d, e, f), (250_000, 1, 1))
    assert events.decode(line) == events.decode(events.encode(passed)) == passed
    packed = events.pack_times(7, [time - 7 for time in times], durations)
    assert events.decode(events.encode_passed(key, attempt, worker, packed)) == passed
    told = events.encode_passed(key, attempt, worker, packed, events.encode_case(case))
    assert events.decode(told) == passed._replace(case=case)


@given(model.texts.filter(bool), st.none() | model.cases)
def test_a_pass_of_a_test_whose_start_was_not_told(nodeid: str, case: events.Case | None) -> None:
    packed = events.pack_times(9, [1, 2, 3, 4, 5, 6], [0.5, 0.25, 2.0])
    line = events.encode_passed(3, 1, "gw0", packed, events.encode_case(case) if case else "", nodeid)
    passed = events.TestPassed(3, 1, "gw0", (10, 11, 12, 13, 14, 15), (500_000, 250_000, 2_000_000), case, nodeid)
    assert events.decode(line) == events.decode(events.encode(passed)) == passed


@given(st.lists(model.events.map(events.encode) | st.sampled_from(["torn", '["later",1]\n', "[]", "1],[2", "7"])))
def test_many_lines_are_read_like_each_of_them(lines: list[str]) -> None:
    def one(line: str) -> Event | None:
        try:
            return events.decode(line)
        except ValueError:
            return None

    assert events.decode_all([line.encode() for line in lines]) == [one(line) for line in lines]


def only_value_errors(line: str | bytes) -> None:
    with contextlib.suppress(ValueError):
        events.decode(line)


@given(st.binary())
@example(b"\xff\xfe[\x00")
@example(b"null")
def test_any_bytes(line: bytes) -> None:
    only_value_errors(line)


@pytest.mark.parametrize("line", ["[" * 100_000, '["tests",' + "9" * 10_000 + ",1]"], ids=["nesting", "digits"])
def test_beyond_what_the_parser_takes(line: str) -> None:
    only_value_errors(line)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    st.sampled_from(["run", "file", "bad", "tests", "coll", "start", "done", "ok", "crash", "end"]),
    st.lists(json_values),
)
@example("done", [1, 1, "", True, [{}]])
@example("done", [1, 1, "", True, [7]])
@example("bad", ["a", "", 1, 2, {"message": 1}])
def test_any_fields(tag: str, fields: list[object]) -> None:
    only_value_errors(json.dumps([tag, *fields]))


@given(model.events, st.data())
def test_torn_line(event: Event, data: st.DataObject) -> None:
    line = events.encode(event)
    torn = line[: data.draw(st.integers(0, len(line) - 2))]
    with pytest.raises(ValueError):
        events.decode(torn)


def test_tag_of_a_later_version() -> None:
    assert events.decode('["later",1,2]') is None


@given(model.events, st.lists(model.scalars, min_size=1, max_size=3))
def test_surplus_fields_of_a_later_version(event: Event, surplus: list[object]) -> None:
    fields = json.loads(events.encode(event))
    if not (isinstance(event, events.TestStarted | events.TestPassed) and event.case is None):
        assert events.decode(json.dumps([*fields, *surplus])) == event


def test_missing_trailing_fields() -> None:
    assert events.decode('["start",1,"a.py::t",5]') == events.TestStarted(1, "a.py::t", 5, None)
    phase = Phase("call", "passed", "passed", 1, 2, 0.5)
    assert events.decode('["done",1,2,"gw0",true,[["call","passed","passed",1,2,0.5]]]') == PhasesFinished(
        1, 2, "gw0", last=True, phases=(phase,)
    )


def test_lines_as_they_are_released() -> None:
    """Journals outlive the version that wrote them: this form may only grow at its end."""
    session = SessionStarted(1, 5, "0a", "", "", "run", "pytest", "suite", {"process.pid": 7}, "phases", 0)
    assert events.encode(session) == '["run",1,5,"0a","","","run","pytest","suite",{"process.pid":7},"phases",0,{}]\n'
    before_setup = '["run",1,5,"0a","","","run","pytest","suite",{"process.pid":7},"phases",0]'
    assert events.decode(before_setup) == session
    plain = events.encode_plain_phase("call", "passed", "passed", 1, 2, 0.001)
    line = events.encode_phases(3, 1, "gw0", [plain], last=True)
    assert line == '["done",3,1,"gw0",true,[["call","passed","passed",1,2,0.001]],null]\n'
    packed = events.pack_times(9, [1, 2, 3, 4, 5, 6], [0.5, 0.25, 2.0])
    assert packed == (
        "09000000000000000100000000000000020000000000000003000000000000000400000000000000"
        "05000000000000000600000000000000000000000000e03f000000000000d03f0000000000000040"
    )
    line = f'["ok",3,1,"gw0","{packed}"]\n'
    assert events.encode_passed(3, 1, "gw0", packed) == line
    passed = events.TestPassed(3, 1, "gw0", (10, 11, 12, 13, 14, 15), (500_000, 250_000, 2_000_000))
    assert events.decode(line) == passed


@pytest.mark.parametrize(
    "line",
    ['["done",3,1,"gw0",true,[["body","passed","passed",1,2,0.001]],null]', '["phase",3,1,"body",5,[]]'],
)
def test_a_phase_that_is_none_of_pytests(line: str) -> None:
    with pytest.raises(ValueError, match="no phase 'body'"):
        events.decode(line)


def test_values_that_json_does_not_know_become_text() -> None:
    class Strange:
        def __str__(self) -> str:
            return "strange"

    facts = events.SpanFacts({"a": Strange()})
    phase = Phase("call", "passed", "passed", 1, 2, 0.1, span=facts)
    assert '"a":"strange"' in events.encode_phase(phase)
