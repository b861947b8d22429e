"""The runs of a service over days."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.panels import RUNS, base, curves, promql, promql_table, ranking, rows

WHOLE = f'test_suite_run_duration_seconds_sum{{{RUNS}, test_suite_run_status=~"success|failure"}}'
LENGTHS = f"last_over_time({WHOLE}[$__interval])"
"""s: of the runs that ended within a step."""
COMMIT = "vcs_ref_head_name, vcs_ref_head_revision, pytest_run_id, test_suite_run_status"


def dashboard() -> Dashboard:
    made = base("pytest: history", "pytest-history", refresh="1m", since="now-7d")
    made.with_row(Row("Runs"))
    lengths = [
        promql(f"quantile by (vcs_ref_head_name) ({q}, {LENGTHS})", f"p{q * 100:.0f} {{{{vcs_ref_head_name}}}}")
        for q in (0.5, 0.95)
    ]
    made.with_panel(curves("Duration by branch", *lengths, unit="s").interval("5m"))
    share = promql(f"{_over('success')} / {_over('.*')}", "{{vcs_ref_head_name}}")
    made.with_panel(curves("Share of runs that passed, by branch", share, unit="percentunit").max(1).interval("1h"))
    runs = f"max by ({COMMIT}) (last_over_time(test_suite_run_duration_seconds_sum{{{RUNS}}}[$__range]))"
    made.with_panel(rows("Runs by commit, with their seconds", promql_table(runs), sort="Time"))
    made.with_row(Row("Tests"))
    _tests(made)
    return made


def _over(status: str) -> str:
    """By branch, how many runs of that status ended within a step; 0 where only others did."""
    runs = "test_suite_run_duration_seconds_count"
    ended = f'last_over_time({runs}{{{RUNS}, test_suite_run_status=~"{status}"}}[$__interval])'
    others = f"0 * last_over_time({runs}{{{RUNS}}}[$__interval])"
    return f"(sum by (vcs_ref_head_name) ({ended}) or sum by (vcs_ref_head_name) ({others}))"


def _tests(made: Dashboard) -> None:
    files = f"last_over_time(test_case_duration_seconds_sum{{{RUNS}}}[$__interval])"
    slow = promql(f"topk(10, avg by (test_suite_name) ({files}))", "{{test_suite_name}}")
    made.with_panel(curves("Slowest files: seconds a run", slow, unit="s").interval("5m"))
    flaky = f"sum by (test_suite_name) (last_over_time(pytest_tests_flaky_total{{{RUNS}}}[$__range]))"
    by_file = promql(flaky, "{{test_suite_name}}", instant=True)
    made.with_panel(ranking("Flaky by file: attempts that passed after a failed one", by_file, "short"))
    for title, series in {"Flaky tests: runs": "flaky", "Failed tests: runs": "failed"}.items():
        named = f'pytest_spans_{series}_calls_total{{{RUNS}, otel_metric_overflow!="true"}}'
        runs = f"count by (test_case_name) (max_over_time({named}[$__range]) > 0)"
        made.with_panel(ranking(title, promql(runs, "{{test_case_name}}", instant=True), "short"))
