"""The table of the cases."""

from __future__ import annotations

import re
from pathlib import Path

from faults.table import CASES, Figures, Result, cases_of, render


def test_every_case_is_tested() -> None:
    names = [
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    ]
    tested = {number for name in names for number in cases_of(f"::{name}")}
    assert tested == set(CASES) == set(range(1, 39))


def test_a_row_has_the_sums_of_its_runs() -> None:
    figures: list[Figures] = [
        {"produced": 1000, "delivered": 400, "rejected": 7, "kept": 593, "later": 593, "added": 0.5},
        {"produced": 62, "delivered": 62, "rejected": 0, "kept": 0, "added": 1.5},
    ]
    peers = {"versions": ["a==1"], "rows": [{"case": 1, "what": "dead", "a": "0.5 -> 8 s | __str__"}]}
    results = {1: [Result("passed", figures), Result("failed", []), Result("skipped", [])], 2: [Result("skipped", [])]}
    rows = [row for row in render(results, peers).splitlines() if row.startswith("| ")]
    sums = "1,062 spans = 462 delivered + 7 rejected + 593 kept, 593 of them replayed"
    told = f"1 of 2 tests hold; {sums}; +1.0 s"
    assert rows[1] == rf"| 1 | Nothing listens, 15 tests | dead: 0.5 -> 8 s \| \_\_str\_\_ | {told} |"
    assert rows[2] == "| 2 | Accepts and never answers, 600 tests | not tried | not tried in this run |"
    assert len(rows) == 1 + len(CASES)
