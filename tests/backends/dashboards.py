"""The queries of Grafana's dashboards, as its files have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from backends.programs import CONFIG

DASHBOARDS = sorted((CONFIG / "grafana/dashboards").glob("*.json"))


class Query(NamedTuple):
    """A query of a panel, or of a variable."""

    dashboard: str
    panel: str
    source: str
    """uid of the data source."""
    expression: str
    instant: bool

    def filled(self, **variables: str) -> str:
        """Return the expression as Grafana sends it."""
        text = self.expression
        for name, value in variables.items():
            text = text.replace(f"${name}", value)
        return text

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}"


def dashboard(path: Path) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return model


def queries(path: Path) -> Iterator[Query]:
    for panel in dashboard(path)["panels"]:
        for target in panel.get("targets", ()):
            expression = target.get("expr") or target["query"]
            instant = bool(target.get("instant")) or target.get("metricsQueryType") == "instant"
            yield Query(path.stem, panel["title"], target["datasource"]["uid"], expression, instant)


PANELS = [query for path in DASHBOARDS for query in queries(path)]
