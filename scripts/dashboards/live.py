"""A run while it goes on."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.panels import (
    FAILED,
    RUN,
    RUNS,
    SPANS,
    TESTS,
    base,
    by_outcome,
    curves,
    logql,
    number,
    promql,
    records,
    rows,
    run_variable,
    traceql,
    traceql_metrics,
)

DONE = f'sum(test_case_result_count_total{{{RUN}, pytest_outcome!="rerun"}})'
STARTED = f"min(min_over_time(pytest_run_last_progress_seconds{{{RUN}}}[1d]))"
"""s since the epoch: until a test is over, the last progress is the start of the run."""
WHOLE = f'test_suite_run_duration_seconds_sum{{{RUNS}, test_suite_run_status=~"success|failure"}}'
USUAL = f"quantile(0.5, last_over_time({WHOLE}[7d]))"
"""s: the median of the runs of a week."""


def dashboard() -> Dashboard:
    made = base("pytest: live run", "pytest-live", refresh="1s", since="now-15m").with_variable(run_variable())
    made.with_row(Row("Progress"))
    _numbers(made)
    results = promql(f"sum by (pytest_outcome) (test_case_result_count_total{{{RUN}}}) > 0", "{{pytest_outcome}}")
    made.with_panel(by_outcome(curves("Tests by outcome", results)))
    speed = promql(f"sum(rate(test_case_result_count_total{{{RUN}}}[10s]))", "tests a second")
    made.with_panel(curves("Tests per second", speed))
    made.with_row(Row("Now"))
    failures = traceql(FAILED, "span.pytest.outcome", "span.error.type", "span.pytest.failed_phase", "statusMessage")
    made.with_panel(rows("Failures, each with its trace", failures, sort="Start time"))
    slow = traceql(f'{{ {SPANS} && name =~ ".* running" }}', "span.test.case.name", "span.pytest.worker")
    made.with_panel(rows("Tests that took, or take, more than 5 s", slow, sort="Start time", width=12))
    workers = f"{TESTS} | count_over_time() by (span.pytest.worker)"
    made.with_panel(curves("Tests by worker", traceql_metrics(workers, instant=False)))
    events = '{service_name="$service", service_instance_id="$run"}'
    made.with_panel(records("Events (with --otel-logs=on)", logql(events)))
    return made


def _numbers(made: Dashboard) -> None:
    done = f"{DONE} / max(pytest_tests_collected{{{RUN}}})"
    made.with_panel(number("Done", promql(done), "percentunit"))
    made.with_panel(number("Tests that are over", promql(DONE)))
    made.with_panel(number("Collected", promql(f"max(pytest_tests_collected{{{RUN}}})")))
    failed = f'sum(test_case_result_count_total{{{RUN}, pytest_outcome=~"failed|error|crashed"}})'
    made.with_panel(number("Failed", promql(failed)))
    made.with_panel(number("Running now", promql(f"sum(test_case_active{{{RUN}}})")))
    left = f"clamp_min({USUAL} - (time() - {STARTED}), 0)"
    made.with_panel(number("Time left, as it usually takes", promql(left), "s"))
