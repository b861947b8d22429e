"""The whole stack, with real runs: what arrives where, what is shown, who is told.

It takes seconds to start, and is kept for the session: these tests stand in one file, for one worker to run.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from backends.dashboards import DASHBOARDS, PANELS, Query, beside_a_span, dashboard
from backends.jaeger import Trace
from backends.programs import ROOT, find_program, free_address, get_json, post_json, wait_for
from backends.project import Project, Run, finish
from backends.sample import FOR_DASHBOARDS, HELD, MUCH_TEXT
from backends.stack import Stack

MAIN = "vcs.ref.head.name=main,vcs.repository.name=shop,vcs.ref.head.revision=4f1c2d,cicd.pipeline.name=ci"
GREEN = "def test_passes(): pass"
RED = "def test_fails(): assert 1 == 2"
NOT_THERE = {
    "otelcol_exporter_send_failed_spans",
    "otelcol_exporter_send_failed_metric_points",
    "otelcol_exporter_send_failed_log_records",
    "tempo_discarded_spans_total",
}
"""Series that are there only once something has gone wrong; others of that kind begin with 0."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    with stack.running():
        yield stack


class Sample(NamedTuple):
    """A run with everything that the dashboards show."""

    service: str
    run_id: str
    run: Run


@pytest.fixture(scope="session")
def sample(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    project = new_project(tmp_path_factory.mktemp("sample"))
    project.write(FOR_DASHBOARDS)
    options = ("--otel-logs=on", "--otel-detail=fixtures", "-n2", "-p", "rerunfailures", "--reruns=1")
    # A rate needs two points of the same count: a run that is over after one push has none.
    pushes = f'count_over_time(test_case_result_count_total{{service_name="{project.service}"}}[1m]) > 1'
    with project.held(start(project, stack, *options)) as held:
        wait_for("two points of a count in Prometheus", lambda: stack.prometheus.query(pushes), 50)
        if stack.has_tempo:
            long = f'{{resource.service.name="{project.service}" && name=~".* running"}}'
            wait_for("a test that runs for 5 s", lambda: stack.tempo.spans(long))
    assert held.run.exit_code == 1, held.run.output
    return Sample(project.service, ended(stack, project), held.run)


def new_project(folder: Path) -> Project:
    return Project(folder, f"shop-{uuid.uuid4().hex[:8]}")


def start(project: Project, stack: Stack, *options: str) -> subprocess.Popen[str]:
    endpoint = f"--otel-endpoint=http://{stack.collector.http}"
    return project.start(endpoint, *options, OTEL_RESOURCE_ATTRIBUTES=MAIN)


def ended(stack: Stack, project: Project) -> str:
    """Wait for the end of the project's only run in every part; return its id."""
    service = f'service_name="{project.service}"'
    end = f"last_over_time(test_suite_run_duration_seconds_count{{{service}}}[10m])"
    (series,) = wait_for("the end of the run in Prometheus", lambda: stack.prometheus.query(end))
    spans = f'pytest_spans_run_calls_total{{{service}, test_suite_run_status=~"success|failure"}} > 0'
    wait_for("its spans' counts in Prometheus", lambda: stack.prometheus.query(spans))
    run_id = str(series["metric"]["pytest_run_id"])
    if stack.has_tempo:
        wait_for("its root in Tempo", lambda: stack.tempo.search(root_of(run_id)))
    return run_id


def root_of(run_id: str) -> str:
    """Return the query for the root of a run that is over."""
    root = 'nestedSetParent<0 && span.test.suite.run.status!="in_progress"'
    return f'{{resource.pytest.run.id="{run_id}" && {root}}}'


@pytest.mark.parametrize("name", ["tempo", "loki"])
def test_what_compose_asks_for_its_health_with(stack: Stack, name: str) -> None:
    """There is no shell in their images: the programs ask themselves, here on another port."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    kind, path, *arguments = compose["services"][name]["healthcheck"]["test"]
    assert (kind, Path(path).name) == ("CMD", name)
    healthy = getattr(stack, name).program.health
    for url, code in ((healthy, 0), (f"http://{free_address()}/ready", 1)):
        command = [find_program(name), *arguments, f"-health.url={url}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr


# Dashboards


def rows(stack: Stack, query: Query, expression: str) -> int:
    if query.source == "prometheus":
        return len((stack.prometheus.query if query.instant else stack.prometheus.query_range)(expression))
    if query.source == "loki":
        return sum(len(stream["values"]) for stream in stack.loki.streams(expression))
    if "_over_time(" in expression:
        return len(stack.tempo.metrics(expression, instant=query.instant))
    return len(stack.tempo.spans(expression))


@pytest.mark.parametrize("query", PANELS, ids=str)
def test_a_panel_has_rows(stack: Stack, sample: Sample, query: Query) -> None:
    expression = query.filled(
        __rate_interval="1m", __range="1h", __interval="5m", service=sample.service, branch=".*", run=sample.run_id
    )
    found = wait_for(f"rows of {expression}", lambda: rows(stack, query, expression), 45)
    print(f"{query}: {found} rows")


def test_the_latest_run_is_the_one_that_is_shown(stack: Stack, sample: Sample) -> None:
    (variable,) = (v for v in dashboard(DASHBOARDS[1])["templating"]["list"] if v["name"] == "run")
    expression = re.fullmatch(r"query_result\((.*)\)", variable["query"]["query"])
    assert expression
    filled = Query("", "", "prometheus", expression[1], True).filled(__range="15m", service=sample.service, branch=".*")
    (series,) = stack.prometheus.query(filled)
    # Grafana's text of a row, out of which its pattern takes the id.
    pattern = variable["regex"].strip("/")
    text = "{" + ",".join(f'{name}="{value}"' for name, value in series["metric"].items()) + "} 1 2"
    found = re.search(pattern, text)
    assert found
    assert found[1] == sample.run_id


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_variables_offer_what_there_is(stack: Stack, sample: Sample, path: Path) -> None:
    offered = {}
    for variable in dashboard(path)["templating"]["list"][:2]:
        choices = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert choices
        selector = Query("", "", "prometheus", choices[1], True).filled(service=sample.service)
        series = stack.prometheus.query(f"last_over_time({selector}[15m])")
        offered[variable["name"]] = {row["metric"].get(choices[2]) for row in series}
    assert sample.service in offered["service"]
    assert offered["branch"] == {"main"}


def test_a_span_leads_to_its_metrics(stack: Stack, sample: Sample) -> None:
    queries = list(beside_a_span({"service.name": sample.service, "pytest.run.id": sample.run_id}))
    assert queries
    for query in queries:
        assert "$" not in query
        wait_for(f"rows of {query}", partial(stack.prometheus.query_range, query))


def test_a_sample_leads_to_its_trace(stack: Stack, sample: Sample) -> None:
    selector = f'traces_span_metrics_duration_milliseconds_bucket{{service_name="{sample.service}"}}'
    found = wait_for("exemplars", lambda: stack.prometheus.exemplars(selector))
    traces = {exemplar["labels"]["trace_id"] for series in found for exemplar in series["exemplars"]}
    (trace,) = traces
    assert get_json(f"{stack.tempo.url}/api/v2/traces/{trace}")["trace"]["resourceSpans"]


def test_a_log_record_leads_to_its_trace(stack: Stack, sample: Sample) -> None:
    """As Grafana asks from a span: by the service, then by the trace's id."""
    (trace,) = stack.tempo.search(root_of(sample.run_id))
    query = f'{{service_name="{sample.service}"}} | trace_id="{trace["traceID"].rjust(32, "0")}"'
    streams = stack.loki.streams(query)
    assert {stream["stream"]["trace_id"] for stream in streams} == {trace["traceID"].rjust(32, "0")}
    assert Counter(s["stream"].get("event_name") for s in streams)["test.case.finished"]


# Traces


def test_a_run_is_found_in_tempo_by_its_name_at_every_moment(stack: Stack, project: Project) -> None:
    project.write(HELD)
    query = f'{{resource.service.name="{project.service}"}}'
    title = {"rootServiceName": project.service, "rootTraceName": "pytest"}

    def titles() -> list[dict[str, str]]:
        return [{key: str(trace.get(key)) for key in title} for trace in stack.tempo.search(query)]

    with project.held(start(project, stack)) as held:
        wait_for("the run in Tempo's list", titles)
        assert titles() == [title]
        first = f'{{resource.service.name="{project.service}" && span.test.case.result.status="pass"}}'
        wait_for("its first test", lambda: stack.tempo.spans(first))
        assert titles() == [title]
    assert held.run.counts == {"passed": 3}, held.run.output
    run_id = ended(stack, project)
    assert titles() == [title]
    assert len(stack.tempo.search(root_of(run_id))) == 1


def test_failures_far_apart_are_all_listed_at_once(stack: Stack, project: Project) -> None:
    """They stand in different blocks, of which a search without sets would show one, until 30 s later."""
    (query,) = (query for query in PANELS if query.panel == "Failures, each with its trace")
    project.write(HELD.replace("    pass\n", "    assert False\n"))
    early = f'{{resource.service.name="{project.service}" && span.test.case.result.status="fail"}}'
    with project.held(start(project, stack)) as held:
        wait_for("the first failure", lambda: stack.tempo.spans(early))
    assert held.run.counts == {"failed": 2, "passed": 1}, held.run.output
    expression = query.filled(run=ended(stack, project))
    wait_for("both failures", lambda: len(stack.tempo.spans(expression)) == 2, 15)


def test_tempo_cuts_neither_a_stack_trace_nor_a_large_trace(stack: Stack, project: Project) -> None:
    """Its defaults are 2,048 bytes, and 5 MB without a word to the sender."""
    project.write(MUCH_TEXT)
    run = finish(start(project, stack))
    delivered = re.search(r"(\d+) spans delivered", run.output)
    assert delivered, run.output
    (found,) = stack.tempo.search(root_of(ended(stack, project)))
    spans = stack.tempo.trace(found["traceID"])
    assert len(spans) == int(delivered[1])
    texts = [
        value["stringValue"]
        for span in spans
        for event in span.get("events", ())
        for attribute in event["attributes"]
        for value in [attribute["value"]]
        if attribute["key"] == "exception.stacktrace"
    ]
    assert len(texts) == 100
    assert all("x" * 30_000 in text for text in texts)
    assert len(json.dumps(spans)) > 5_000_000


def test_failed_tests_are_found_as_the_guides_say(stack: Stack, sample: Sample) -> None:
    service = f'resource.service.name="{sample.service}"'
    failed = stack.tempo.spans(f'{{{service} && span.test.case.result.status="fail"}} | select(span.pytest.outcome)')
    outcomes = Counter(attribute_of(span, "pytest.outcome") for span in failed)
    counts = sample.run.counts
    assert outcomes == {name: counts[name] for name in ("failed", "rerun")}
    for tags in ({"error": "true"}, {"test.case.result.status": "fail"}, {"pytest.run.id": sample.run_id}):
        traces = stack.jaeger.search(sample.service, **tags)
        assert len(traces) == 1, tags
    assert stack.jaeger.search(sample.service, error="true", **{"pytest.run.id": "another"}) == []


def attribute_of(span: dict[str, Any], name: str) -> str:
    return str({a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}[name])


def test_jaegers_monitor_page_is_filled(stack: Stack, sample: Sample) -> None:
    asked = f"service={sample.service}&groupByOperation=true&quantile=0.95&spanKind=internal&lookback=600000"
    for kind in ("calls", "latencies"):
        url = f"http://{stack.jaeger.query}/api/metrics/{kind}?{asked}&step=5000&ratePer=60000"
        metrics = wait_for(f"Jaeger's {kind}", partial(monitored, url))
        names = {label["value"] for series in metrics for label in series["labels"] if label["name"] == "operation"}
        assert "test_shop.py" in names
        assert not [name for name in names if "::test_" in name], "a test is not to be a label"


def monitored(url: str) -> list[dict[str, Any]]:
    return list(get_json(url).get("metrics") or ())


# Counts


def test_counts_agree(stack: Stack, sample: Sample) -> None:
    """pytest's, the plugin's metrics in Prometheus, and those that the Collector makes of the spans."""
    run = f'pytest_run_id="{sample.run_id}"'
    plugin = f"last_over_time(test_case_result_count_total{{{run}}}[10m])"
    spans = f'pytest_spans_run_calls_total{{{run}, pytest_outcome!=""}}'
    for series in (plugin, spans):
        found = stack.prometheus.query(f"max by (pytest_outcome) ({series}) > 0")
        counts = {row["metric"]["pytest_outcome"]: int(row["value"][1]) for row in found}
        assert counts == sample.run.counts, series


def test_the_collector_accepts_as_many_spans_as_the_run_says_it_delivered(stack: Stack, project: Project) -> None:
    def accepted() -> int:
        return int(stack.collector.own("otelcol_receiver_accepted_spans"))

    before = accepted()
    project.write(RED)
    run = finish(start(project, stack))
    assert f" {accepted() - before} spans delivered" in run.output
    (trace,) = wait_for("the run in Jaeger", lambda: ended_traces(stack, project))
    assert f" {len(trace.spans)} spans delivered" in run.output


def ended_traces(stack: Stack, project: Project) -> list[Trace]:
    return [trace for trace in stack.jaeger.search(project.service) if trace.roots]


# Alerts


def test_rules_are_read_and_ask_for_what_is_there(stack: Stack, sample: Sample) -> None:
    rules = wait_for("the first evaluation", lambda: evaluated(stack))
    assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"} == {}
    asked = {name for rule in rules for name in re.findall(r"\b[a-z]+_[a-z_]+(?=[{\[ ]|$)", rule["query"])}
    words = {"last_over_time", "max_over_time", "present_over_time", "group_left"}
    labels = {"service_name", "vcs_repository_name", "vcs_ref_head_name"}
    series = {name for name in asked if name.startswith(("pytest_", "test_", "otelcol_", "tempo_"))}
    series -= words | labels | {"pytest_run_id", "pytest_outcome", "test_suite_name", "test_case_name"}
    assert len(series) > 10, series
    missing = {name for name in series if not stack.prometheus.query(f"last_over_time({name}[1h])")}
    assert missing <= NOT_THERE


def evaluated(stack: Stack) -> list[dict[str, Any]] | None:
    rules = stack.prometheus.rules()
    return rules if rules and all(rule["health"] != "unknown" for rule in rules) else None


def test_a_failing_test_raises_an_alert_and_a_passing_one_does_not(stack: Stack, tmp_path: Path) -> None:
    green, red = new_project(tmp_path / "green"), new_project(tmp_path / "red")
    for project, suite in ((green, GREEN), (red, RED)):
        project.folder.mkdir()
        project.write(suite)
        run = finish(start(project, stack))
    over = time.time()
    (alert, *_) = wait_for("an alert", lambda: stack.webhook.told("firing", red.service), 30)
    print(f"told {alert['received'] - over:.1f} s after the end of the run")
    assert alert["labels"]["alertname"] == "PytestTestFailed", run.output
    assert alert["annotations"]["summary"] == f"test_shop.py::test_fails failed in {red.service} on main"
    run_id = ended(stack, red)
    assert alert["annotations"]["trace"].endswith(f"/d/pytest-run?var-service={red.service}&var-run={run_id}")
    # The plugin's metrics see it too, and are not told of: Alertmanager knows that it is the same.
    metrics = f'ALERTS{{alertname="PytestSuiteFailed", service_name="{red.service}", alertstate="firing"}}'
    wait_for("the alert on metrics", lambda: stack.prometheus.query(metrics))
    assert {told["labels"]["alertname"] for told in stack.webhook.told("firing", red.service)} == {"PytestTestFailed"}
    # The passing run was over before the failing one began.
    ended(stack, green)
    assert stack.webhook.told("firing", green.service) == []
    assert stack.prometheus.query(f'ALERTS{{service_name="{green.service}"}}') == []


@pytest.mark.parametrize(
    ("told", "silenced"),
    [
        (("PytestTestFailed", "failed", "spans"), ("PytestSuiteFailed", "failed", "metrics")),
        (("PytestRunStuck", "stuck", "metrics"), ("PytestRunSilent", "stuck", "spans")),
        (("PytestRunDied", "died", "metrics"), ("PytestRunSilent", "stuck", "spans")),
    ],
    ids=lambda alert: alert[0],
)
def test_one_thing_is_told_once(stack: Stack, told: tuple[str, ...], silenced: tuple[str, ...]) -> None:
    service = f"shop-{uuid.uuid4().hex[:8]}"
    run = {"service_name": service, "vcs_ref_head_name": "main", "pytest_run_id": service}
    names = ("alertname", "problem", "signal")
    alerts = [{"labels": run | dict(zip(names, alert, strict=True))} for alert in (told, silenced)]
    post_json(f"http://{stack.alertmanager.http}/api/v2/alerts", alerts)
    expected = {told[0]: "active", silenced[0]: "suppressed"}
    wait_for("the states of both", lambda: stack.alertmanager.states(service) == expected)


def test_an_alert_is_over_and_nothing_was_refused_meanwhile(stack: Stack, sample: Sample) -> None:
    """The sample was the only flaky run: that series too has ended, and left a metric without a point."""
    over = wait_for("the end of the alert", lambda: stack.webhook.told("resolved", sample.service), 90)
    assert {alert["labels"]["alertname"] for alert in over} == {"PytestTestFailed"}
    wait_for("the end of the flaky series", lambda: not stack.prometheus.query(recent(sample, "flaky")))
    for kind in ("spans", "metric_points", "log_records"):
        assert stack.collector.own(f"otelcol_exporter_send_failed_{kind}") == 0, stack.collector.program.log.read_text()
    assert [alert for alert in stack.webhook.alerts if alert["labels"]["problem"] == "telemetry"] == []


def recent(sample: Sample, kind: str) -> str:
    return f'last_over_time(pytest_spans_{kind}_calls_total{{service_name="{sample.service}"}}[5s])'
