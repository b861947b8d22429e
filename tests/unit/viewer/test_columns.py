from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp.viewer import columns

ROWS: st.SearchStrategy[list[tuple[str, str, int, Any]]] = st.lists(
    st.tuples(st.sampled_from("abc"), st.text(), st.integers(-(2**40), 2**40), st.none() | st.just({}))
)


@given(ROWS)
def test_a_table_tells_its_rows(rows: list[tuple[str, str, int, Any]]) -> None:
    table = json.loads(json.dumps(columns.table(("few", "many", "start", "more"), rows, ("start",))))
    found = [columns.decoded(column, table["count"]) for column in table["columns"].values()]
    assert [tuple(row) for row in zip(*found, strict=True)] == rows


def test_the_shortest_form_is_taken() -> None:
    assert columns.encoded(["a", "a", "a"]) == {"same": "a"}
    assert columns.encoded(["a", "b", "a", "a"]) == {"dict": ["a", "b"], "values": [0, 1, 0, 0]}
    assert columns.encoded(["a", "b", "c"]) == ["a", "b", "c"]
    assert columns.encoded([0, 0]) == {"same": 0}
    assert columns.encoded([1, 2]) == [1, 2]
    assert columns.encoded([None, None]) == [None, None]
