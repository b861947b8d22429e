"""A page of the documentation as data: its tables by heading, its examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
TELEMETRY_TABLES = (
    "Resource",
    "Run",
    "Marker",
    "Split runs",
    "Test",
    "Phase",
    "Fixture",
    "Subtest",
    "Debugger",
    "Scenario",
    "Worker",
    "Collection",
    "Exception",
    "Warning",
    "Log records",
)
"""Headings in docs/telemetry.md of attributes that every kind of run may send."""
_NAME = re.compile(r"`([^`]+)`")


class Block(NamedTuple):
    """A fenced block of code."""

    language: str
    text: str
    heading: str


class Page:
    def __init__(self, path: str) -> None:
        """`path`: from the root of the checkout."""
        self.path = path
        self._lines = (ROOT / path).read_text("utf-8").splitlines()

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    def rows(self, heading: str) -> list[list[str]]:
        """The cells of the tables under a heading, up to the next heading of any level; without the tables' heads."""
        found, within = [], False
        for line in self._lines:
            if line.startswith("#"):
                within = line.lstrip("# ") == heading
            elif within and line.startswith("|"):
                found.append([cell.strip() for cell in line.strip("|").split("|")])
        assert found, f"no table under {heading!r} in {self.path}"
        # The head stands before its row of dashes.
        dashes = {index for index, row in enumerate(found) if set("".join(row)) == {"-"}}
        return [row for index, row in enumerate(found) if index not in dashes and index + 1 not in dashes]

    def names(self, heading: str, column: int = 0) -> set[str]:
        """Everything in backticks in a column of the tables under a heading."""
        return {name for row in self.rows(heading) for name in names_in(row[column])}

    def blocks(self) -> Iterator[Block]:
        heading, language = "", None
        text: list[str] = []
        for line in self._lines:
            if line.startswith("```"):
                if language is not None:
                    yield Block(language, "\n".join(text) + "\n", heading)
                language, text = (line[3:] if language is None else None), []
            elif language is not None:
                text.append(line)
            elif line.startswith("#"):
                heading = line.lstrip("# ")


def names_in(text: str) -> list[str]:
    return _NAME.findall(text)
