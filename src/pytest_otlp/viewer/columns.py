"""Tables as columns, each in the shortest of a few forms: what the page and the report file read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

_WORTH_A_DICTIONARY = 0.5
"""Of the values may differ for a column of texts to have a dictionary."""


def table(names: Sequence[str], rows: Sequence[Sequence[Any]], deltas: Iterable[str] = ()) -> dict[str, Any]:
    """`rows` as `{"count": ..., "columns": {name: column}}`; the columns in `deltas` are told as differences."""
    differing = frozenset(deltas)
    values = zip(*rows, strict=True) if rows else ((),) * len(names)
    columns = {
        name: _deltas(column) if name in differing else encoded(column)
        for name, column in zip(names, values, strict=True)
    }
    return {"count": len(rows), "columns": columns}


def encoded(values: Sequence[Any]) -> Any:
    """One column: `{"same": value}`, `{"dict": [...], "values": [...]}` or the values themselves."""
    if not values:
        return []
    first = values[0]
    if isinstance(first, (str, int, float)) and all(value == first for value in values):
        return {"same": first}
    if not isinstance(first, str):
        return list(values)
    numbers = {text: number for number, text in enumerate(dict.fromkeys(values))}
    if len(numbers) > len(values) * _WORTH_A_DICTIONARY:
        return list(values)
    return {"dict": list(numbers), "values": [numbers[text] for text in values]}


def _deltas(values: Sequence[int]) -> Any:
    return {"delta": [*values[:1], *(after - before for before, after in pairwise(values))]}


def decoded(column: Any, count: int) -> list[Any]:
    """The values of a column of `count` rows."""
    if isinstance(column, list):
        return column
    if "dict" in column:
        return [column["dict"][number] for number in column["values"]]
    if "delta" in column:
        return list(accumulate(column["delta"]))
    return [column["same"]] * count
