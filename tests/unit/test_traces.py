from __future__ import annotations

from collections import Counter

import pytest

from pytest_otlp import traces
from pytest_otlp.nodeids import file_of
from pytest_otlp.traces import MOST_TESTS, WHOLE, Plan


def nodeids(path: str, number: int) -> list[str]:
    return [f"{path}::test[{n}]" for n in range(number)]


@pytest.mark.parametrize(
    ("number", "copies", "per"), [(MOST_TESTS, 1, "run"), (MOST_TESTS + 1, 1, "file"), (MOST_TESTS // 2 + 1, 2, "file")]
)
def test_auto(number: int, copies: int, per: str) -> None:
    assert traces.plan("auto", nodeids("a.py", number), copies).per == per


def test_what_was_asked_for_holds_for_few_tests_too() -> None:
    assert traces.plan("run", nodeids("a.py", 3 * MOST_TESTS), 1) == WHOLE
    assert traces.plan("file", ["a.py::b", "a.py::c", "d.py::e"], 2) == Plan("file", {"a.py": 4, "d.py": 2})
    assert traces.plan("test", ["a.py::b", "a.py::b"], 1) == Plan("test", {"a.py": 1})


def test_keys() -> None:
    assert WHOLE.key_of("gw0", "a.py::b", 1) == ()
    assert Plan("file", {"a.py": 1}).key_of("gw0", "a.py::b", 2) == ("file", "a.py", "0")
    assert Plan("file", {}).key_of("", "unknown.py::b", 1) == ("file", "unknown.py", "0")
    assert Plan("test", {"a.py": 1}).key_of("gw0", "a.py::b", 2) == ("test", "gw0", "a.py::b", "2")


def test_parts_of_a_large_file_are_of_about_the_same_size() -> None:
    named = [*nodeids("a.py", 10 * MOST_TESTS), "a.py::\udc80"]
    plan = traces.plan("auto", named, 1)
    sizes = Counter(plan.part_of(file_of(nodeid), nodeid) for nodeid in named)
    assert sorted(sizes) == list(range(plan.parts("a.py"))) == list(range(11))
    assert max(sizes.values()) < 1.1 * MOST_TESTS
