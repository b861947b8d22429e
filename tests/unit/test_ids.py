from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp import ids
from support.model import texts

PHASES = ("", "setup", "call", "teardown")


@given(texts, texts, texts, st.integers(1, 9))
def test_phases_differ_from_their_test_in_the_lowest_bits(run_id: str, worker: str, nodeid: str, attempt: int) -> None:
    found = [ids.test_span_id(run_id, worker, nodeid, attempt, phase) for phase in PHASES]
    assert len(set(found)) == 4
    assert len({number >> 4 for number in found}) == 1
    assert found[0] == ids.test_span_id(run_id, worker, nodeid, attempt)
    assert all(0 < number < 2**64 for number in found)


@given(st.lists(st.tuples(st.sampled_from(["", "gw0", "gw1"]), texts, st.integers(1, 3)), unique=True))
def test_no_two_attempts_share_an_id(attempts: list[tuple[str, str, int]]) -> None:
    found = [ids.test_span_id("run", *attempt, phase) for attempt in attempts for phase in PHASES]
    assert len(set(found)) == len(found)


@given(st.lists(st.tuples(st.sampled_from(["test", "file", "collection"]), texts), unique=True))
def test_kinds_are_kept_apart(parts: list[tuple[str, str]]) -> None:
    found = [ids.span_id("run", *part) for part in parts]
    assert len(set(found)) == len(found)
    assert all(0 < number < 2**64 for number in found)


def test_parts_are_kept_apart() -> None:
    assert ids.span_id("run", "file", "a", "b") != ids.span_id("run", "file", "ab", "")
    assert ids.span_id("run", "session") != ids.span_id("other run", "session")
    assert ids.test_span_id("run", "gw0", "a", 11) != ids.test_span_id("run", "gw0", "a1", 1)


def test_ids_as_they_are_released() -> None:
    """A replay by a later version must repeat them."""
    assert ids.span_id("run", ids.ROOT) == 0xFE66CDDEEF046A2F
    assert ids.test_span_id("run", "gw0", "a.py::t[\udcff]", 1, "call") == 0xB9DD8EBCF7D00DF2
