"""What the dashboards are made of: queries on the three data sources, panels, variables."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, logs, loki, prometheus, stat, table, tempo, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataTransformerConfig,
    DynamicConfigValue,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.tempo import MetricsQueryType, SearchTableType

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
TEMPO = DataSourceRef(type_val="tempo", uid="tempo")
LOKI = DataSourceRef(type_val="loki", uid="loki")

OUTCOME_COLOURS = {
    "passed": "green",
    "failed": "red",
    "error": "dark-red",
    "crashed": "purple",
    "interrupted": "orange",
    "rerun": "yellow",
    "skipped": "#808080",
    "xfailed": "#5b7f95",
    "xpassed": "light-blue",
}
RUNS = 'service_name="$service", vcs_ref_head_name=~"$branch"'
"""Selects the runs of the chosen service and branch."""
RUN = 'pytest_run_id="$run"'
"""Selects the chosen run, which has series of its own."""
SPANS = 'resource.pytest.run.id="$run"'
TESTS = f"{{ {SPANS} && span.test.case.result.status != nil }}"
FAILED = f'{{ {SPANS} && span.test.case.result.status =~ "fail|error" && span.pytest.outcome != "rerun" }}'

BY_SPAN = "by(span:id)"


# Queries


def promql(
    expression: str, legend: str = "", *, instant: bool = False, exemplars: bool = False
) -> prometheus.Dataquery:
    query = prometheus.Dataquery().datasource(PROMETHEUS).expr(expression).exemplar(exemplars)
    if legend:
        query.legend_format(legend)
    return query.instant() if instant else query.range()


def promql_table(expression: str) -> prometheus.Dataquery:
    """The labels are the columns."""
    return promql(expression, instant=True).format(PromQueryFormat.TABLE)


def traceql(selector: str, *fields: str) -> tempo.TempoQuery:
    """A search, with a row for each span: the fields are its columns.

    Each span is a set by itself: Tempo gives a hundred spans of a set at most, and of what stands of one set in several
    blocks (a block is up to 30 s of a run) only the block with the most.
    """
    expression = f"{selector} | {BY_SPAN} | select({', '.join(fields)})"
    query = tempo.TempoQuery().datasource(TEMPO).query_type("traceql").query(expression)
    return query.table_type(SearchTableType.SPANS).limit(20).spss(100)


def traceql_metrics(expression: str, *, instant: bool = True) -> tempo.TempoQuery:
    kind = MetricsQueryType.INSTANT if instant else MetricsQueryType.RANGE
    return tempo.TempoQuery().datasource(TEMPO).query_type("traceql").query(expression).metrics_query_type(kind)


def logql(expression: str) -> loki.Dataquery:
    return loki.Dataquery().datasource(LOKI).expr(expression).query_type("range").max_lines(200)


# Panels


def number(title: str, query: prometheus.Dataquery, unit: str = "short", width: int = 4) -> stat.Panel:
    panel = stat.Panel().title(title).datasource(PROMETHEUS).with_target(query).unit(unit)
    return panel.height(4).span(width).no_value("-").graph_mode(common.BigValueGraphMode.NONE)


def curves(
    title: str, *queries: prometheus.Dataquery | tempo.TempoQuery, unit: str = "short", width: int = 12
) -> timeseries.Panel:
    panel = timeseries.Panel().title(title).unit(unit).height(8).span(width).min(0).fill_opacity(10)
    for query in queries:
        panel.with_target(query)
    return panel


def by_outcome(panel: timeseries.Panel) -> timeseries.Panel:
    for outcome, colour in OUTCOME_COLOURS.items():
        value = {"mode": "fixed", "fixedColor": colour}
        panel.override_by_name(outcome, [DynamicConfigValue(id_val="color", value=value)])
    return panel


def ranking(
    title: str, query: prometheus.Dataquery | tempo.TempoQuery, unit: str = "s", width: int = 12
) -> table.Panel:
    """A row for each series, the largest value at the top."""
    panel = table.Panel().title(title).with_target(query).unit(unit).height(10).span(width)
    panel.with_transformation(DataTransformerConfig(id_val="reduce", options={"reducers": ["lastNotNull"]}))
    return _descending(panel, "Last *")


def rows(
    title: str, query: prometheus.Dataquery | tempo.TempoQuery, sort: str = "", width: int = 24, height: int = 9
) -> table.Panel:
    """A row for each span, or for each series with its labels."""
    panel = table.Panel().title(title).with_target(query).height(height).span(width).filterable(True)
    if isinstance(query, tempo.TempoQuery):
        # Grafana makes a column of what the sets are by; the span's id has one already.
        hidden = {"excludeByName": {BY_SPAN: True}}
        panel.with_transformation(DataTransformerConfig(id_val="organize", options=hidden))
    return _descending(panel, sort) if sort else panel


def _descending(panel: table.Panel, field: str) -> table.Panel:
    order = {"fields": {}, "sort": [{"field": field, "desc": True}]}
    return panel.with_transformation(DataTransformerConfig(id_val="sortBy", options=order))


def records(title: str, query: loki.Dataquery, width: int = 24) -> logs.Panel:
    panel = logs.Panel().title(title).datasource(LOKI).with_target(query).height(9).span(width)
    return panel.show_time(True).enable_log_details(True).sort_order(common.LogsSortOrder.DESCENDING)


# Dashboards


def base(title: str, uid: str, refresh: str, since: str) -> dashboard.Dashboard:
    made = dashboard.Dashboard(title).uid(uid).tags(["pytest"]).refresh(refresh).time(since, "now")
    made.timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR).readonly()
    others = dashboard.DashboardLink("pytest").type(DashboardLinkType.DASHBOARDS).tags(["pytest"])
    made.link(others.include_vars(True).keep_time(False))
    return made.with_variable(_service()).with_variable(_branch())


def run_variable() -> dashboard.QueryVariable:
    """The latest run first, which is the one that is chosen unless another is."""
    latest = f"sort_desc(max by (pytest_run_id) (last_over_time(pytest_run_last_progress_seconds{{{RUNS}}}[$__range])))"
    variable = _variable("run", "Run", f"query_result({latest})")
    return variable.regex('/pytest_run_id="([^"]+)"/').sort(VariableSort.DISABLED)


def _service() -> dashboard.QueryVariable:
    return _variable("service", "Service", "label_values(pytest_run_last_progress_seconds, service_name)")


def _branch() -> dashboard.QueryVariable:
    query = 'label_values(pytest_run_last_progress_seconds{service_name="$service"}, vcs_ref_head_name)'
    # Everything, runs outside of a repository included.
    every = VariableOption(selected=True, text="All", value="$__all")
    return _variable("branch", "Branch", query).include_all(True).all_value(".*").current(every)


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    variable = dashboard.QueryVariable(name).label(label).datasource(PROMETHEUS)
    variable.query({"qryType": 5, "query": query, "refId": name})
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)


def text_of(builder: dashboard.Dashboard) -> str:
    """The dashboard as its file has it."""
    return JSONEncoder(sort_keys=True, indent=2).encode(builder.build()) + "\n"
