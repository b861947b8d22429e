"""The alert rules: each fires when it should, does not when it should not, and says what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.programs import CONFIG, ROOT, find_program

RULES = sorted((CONFIG / "prometheus/rules").glob("*.yml"))
CASES = sorted((Path(__file__).parent / "rules").glob("*.yml"))


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [find_program("promtool"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def alerts() -> list[dict[str, Any]]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def test_prometheus_reads_its_configuration() -> None:
    promtool("check", "config", "--lint=all", CONFIG / "prometheus/prometheus.yml")


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_and_do_not(cases: Path) -> None:
    promtool("test", "rules", cases)


def expectations() -> list[tuple[str, str, bool]]:
    """Of all cases: the alert, which signal's, and whether it fires."""
    tests = [(path.stem, test) for path in CASES for test in yaml.safe_load(path.read_text("utf-8"))["tests"]]
    return [
        (case["alertname"], "metrics" if stem == "metrics" or test["name"].startswith("metrics:") else "spans", fires)
        for stem, test in tests
        for case in test.get("alert_rule_test", ())
        for fires in [bool(case["exp_alerts"])]
    ]


@pytest.mark.parametrize("fires", [True, False])
def test_each_alert_has_both_cases(fires: bool) -> None:
    seen = {(name, signal) for name, signal, does in expectations() if does is fires}
    rules = {(rule["alert"], "metrics" if rule["labels"]["signal"] == "metrics" else "spans") for rule in alerts()}
    assert rules == seen


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['signal']}")
def test_an_alert_says_where_and_what_to_do(rule: dict[str, Any]) -> None:
    notes = rule["annotations"]
    if rule["labels"]["problem"] != "telemetry":
        assert "$labels.service_name" in notes["summary"]
        assert "$labels.vcs_ref_head_name" in notes["summary"]
        # A dashboard offers the runs of its service alone: without it the link would show the latest run of another.
        assert "?var-service={{ $labels.service_name }}&" in notes["trace"]
    file, anchor, advice = re.split("[#:]", notes["runbook"], maxsplit=2)
    headings = re.findall(r"^#+ (.*)$", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    assert advice.strip()


def seconds_pending(signal: str) -> dict[str, int]:
    """By problem, how long an alert on that signal waits."""
    units = {"s": 1, "m": 60}
    waits = {
        rule["labels"]["problem"]: rule.get("for", "0s") for rule in alerts() if rule["labels"]["signal"] == signal
    }
    return {problem: int(wait[:-1]) * units[wait[-1]] for problem, wait in waits.items()}


def test_an_alert_on_metrics_comes_after_the_one_on_spans_that_silences_it() -> None:
    spans, metrics = seconds_pending("spans"), seconds_pending("metrics")
    # Of a run that is stuck the metrics tell, see alertmanager.yaml.
    both = spans.keys() & metrics.keys() - {"stuck"}
    assert both == {"failed", "flaky", "slower"}
    assert [problem for problem in both if metrics[problem] <= spans[problem]] == []


def test_alertmanager_reads_its_configuration() -> None:
    done = subprocess.run(
        [find_program("amtool"), "check-config", CONFIG / "alertmanager.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
