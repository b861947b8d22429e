"""The queries of Grafana's dashboards, as its files have them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from backends.programs import CONFIG

PROVISIONING = CONFIG / "grafana/provisioning"
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


def provisioned() -> dict[str, dict[str, Any]]:
    """Return the data sources by their uid."""
    found = yaml.safe_load((PROVISIONING / "datasources/stack.yaml").read_text("utf-8"))["datasources"]
    return {source["uid"]: source for source in found}


def beside_a_span(attributes: Mapping[str, str]) -> Iterator[str]:
    """Yield the queries for metrics that Grafana offers beside a span with these attributes and its resource's."""
    links = provisioned()["tempo"]["jsonData"]["tracesToMetrics"]
    tags = [f'{tag["value"]}="{attributes[tag["key"]]}"' for tag in links["tags"] if tag["key"] in attributes]
    for query in links["queries"]:
        # `$$` in a file of Grafana is a `$`.
        text = query["query"].replace("$$", "$").replace("$__tags", ", ".join(tags))
        for key, value in attributes.items():
            text = text.replace(f'${{__span.tags["{key}"]}}', value)
        yield text
