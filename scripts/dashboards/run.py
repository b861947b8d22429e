"""One run: what it did, what it took, what failed."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.panels import (
    FAILED,
    RUN,
    SPANS,
    TESTS,
    base,
    curves,
    logql,
    promql,
    promql_table,
    ranking,
    records,
    rows,
    run_variable,
    traceql,
    traceql_metrics,
)

ROOT = f'{{ {SPANS} && nestedSetParent < 0 && span.test.suite.run.status != "in_progress" }}'
COUNTS = [f"span.pytest.tests.{name}" for name in ("passed", "failed", "error", "skipped", "rerun")]


def dashboard() -> Dashboard:
    made = base("pytest: run", "pytest-run", refresh="10s", since="now-6h").with_variable(run_variable())
    made.with_row(Row("The run"))
    summary = traceql(ROOT, "span.test.suite.run.status", "span.process.exit.code", *COUNTS, "span.pytest.warnings")
    made.with_panel(rows("Result, counts and warnings", summary, height=4))
    labels = "service_name, host_name, process_runtime_version, pytest_version"
    about = f'max by ({labels}) (last_over_time(target_info{{instance="$run"}}[$__range]))'
    made.with_panel(rows("Where it ran", promql_table(about), width=12, height=4))
    made.with_panel(rows("What it tested", promql_table(_tested()), width=12, height=4))
    made.with_row(Row("Failures"))
    printed = [f"span.pytest.{name}" for name in ("stdout", "stderr", "log")]
    output = traceql(FAILED, "statusMessage", "span.error.type", *printed)
    made.with_panel(rows("Failed tests, with what they printed", output))
    made.with_panel(records("Log records and events", logql('{service_name="$service", service_instance_id="$run"}')))
    made.with_row(Row("Durations"))
    _durations(made)
    return made


def _tested() -> str:
    labels = "vcs_repository_name, vcs_ref_head_name, vcs_ref_head_revision, cicd_pipeline_run_url_full"
    return f"max by ({labels}) (last_over_time(pytest_run_last_progress_seconds{{{RUN}}}[$__range]))"


def _durations(made: Dashboard) -> None:
    slowest = f"{TESTS} | max_over_time(duration) by (span.test.case.name) | topk(20)"
    made.with_panel(ranking("Slowest tests", traceql_metrics(slowest)))
    files = f"topk(20, sum by (test_suite_name) (last_over_time(test_case_duration_seconds_sum{{{RUN}}}[$__range])))"
    made.with_panel(ranking("Files", promql(files, "{{test_suite_name}}", instant=True)))
    phases = f"{{ {SPANS} && span.pytest.phase != nil }} | sum_over_time(duration) by (span.pytest.phase)"
    made.with_panel(ranking("Phases", traceql_metrics(phases)))
    fixtures = f"{{ {SPANS} && span.pytest.fixture.name != nil }}"
    worst = f"{fixtures} | sum_over_time(duration) by (span.pytest.fixture.name) | topk(20)"
    made.with_panel(ranking("Fixtures, set-up and teardown", traceql_metrics(worst)))
    so_far = f"sum by (le) (last_over_time(test_case_duration_seconds_bucket{{{RUN}}}[$__range]))"
    spread = [promql(f"histogram_quantile({q}, {so_far})", f"p{q * 100:.0f}") for q in (0.5, 0.95)]
    made.with_panel(curves("Durations of its tests so far", *spread, unit="s"))
    buckets = 'traces_span_metrics_duration_milliseconds_bucket{service_name="$service"}'
    slow = f"histogram_quantile(0.95, sum by (le, span_name) (rate({buckets}[$__rate_interval])))"
    spans = promql(slow, "{{span_name}}", exemplars=True)
    made.with_panel(curves("p95 of the service's spans; each sample leads to a trace", spans, unit="ms"))
