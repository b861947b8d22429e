"""Grafana's files: the dashboards are what scripts/dashboards makes, and all that they refer to is provisioned."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from backends.dashboards import DASHBOARDS, PANELS, PROVISIONING, dashboard, provisioned, queries
from backends.programs import CONFIG, ROOT


def test_the_files_are_what_the_code_makes() -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="the kit needs Python 3.11")
    code = (
        "import json, runpy, sys; sys.path.insert(0, 'scripts');"
        "print(json.dumps(runpy.run_path('scripts/dashboards/__main__.py')['texts']()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    made: dict[str, str] = yaml.safe_load(done.stdout)
    assert made == {path.name: path.read_text("utf-8") for path in DASHBOARDS}, "run `make dashboards`"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path) -> None:
    model = dashboard(path)
    assert [variable["name"] for variable in model["templating"]["list"]][:2] == ["service", "branch"]
    uids = provisioned().keys()
    panels = [panel for panel in model["panels"] if panel["type"] != "row"]
    assert panels
    for panel in panels:
        assert panel["title"]
        assert panel["targets"], panel["title"]
    assert {query.source for query in queries(path)} <= uids
    names = {variable["name"] for variable in model["templating"]["list"]}
    used = {name for query in queries(path) for name in re.findall(r"\$(\w+)", query.expression)}
    assert used <= names | {"__range", "__interval", "__rate_interval"}


def test_alerts_link_to_dashboards_that_are_there() -> None:
    rules = "".join(path.read_text("utf-8") for path in (CONFIG / "prometheus/rules").glob("*.yml"))
    linked = set(re.findall(r"localhost:3000/d/([\w-]+)", rules))
    assert linked == {dashboard(path)["uid"] for path in DASHBOARDS}


def test_panels_are_found() -> None:
    """Or the walk over them would be one over nothing."""
    assert len(PANELS) > 20
    assert {query.source for query in PANELS} == {"prometheus", "tempo", "loki"}


def test_data_sources_link_to_each_other() -> None:
    sources = provisioned()
    tempo, prometheus, loki = (sources[name]["jsonData"] for name in ("tempo", "prometheus", "loki"))
    assert tempo["tracesToLogsV2"]["datasourceUid"] == "loki"
    assert tempo["tracesToMetrics"]["datasourceUid"] == "prometheus"
    assert prometheus["exemplarTraceIdDestinations"][0]["datasourceUid"] == "tempo"
    assert loki["derivedFields"][0]["datasourceUid"] == "tempo"


def test_the_dashboards_are_where_they_are_looked_for() -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/pytest.yaml").read_text("utf-8"))["providers"]
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]["grafana"]
    folder = grafana["environment"][provider["options"]["path"].removeprefix("$")]
    assert f"./collector-config/grafana/dashboards:{folder}:ro" in grafana["volumes"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == folder
    assert home.name in {path.name for path in DASHBOARDS}
