"""The resource, metrics and logs of a run."""

from __future__ import annotations

import sys

import pytest

from support.runs import Run, Runner

SUITE = {
    "test_a.py": """
        import pytest

        def test_passes(): pass
        def test_fails(): assert 0
        @pytest.mark.skip
        def test_skips(): pass
    """,
    "sub/test_b.py": "def test_also(): pass",
}

SAME = 2_000
"""ns: what is sent is rounded."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Runner(tmp_path_factory.mktemp("signals"))(SUITE, "--otel-logs=on")


def test_resource(run: Run) -> None:
    resource = run.root.resource
    assert resource["service.name"] == "suite"
    assert resource["telemetry.distro.name"] == "pytest-otlp"
    assert resource["pytest.version"] == pytest.__version__
    assert resource["process.runtime.version"].startswith(".".join(map(str, sys.version_info[:3])))
    assert len({resource["pytest.run.id"], resource["service.instance.id"], resource["host.name"]}) >= 2
    assert isinstance(resource["process.pid"], int)
    assert {str(metric.resource) for metric in run.metrics} == {str(resource)}
    assert {str(record.resource) for record in run.logs} == {str(resource)}


def test_nothing_secret_is_sent(run: Run) -> None:
    words = " ".join(run.root.resource).lower()
    for word in ("command", "environment", "env.", "user"):
        assert word not in words


def last_points(run: Run, name: str) -> dict[str, float]:
    """By the values of the attributes, of the last push."""
    last = [metric for metric in run.metrics if metric.name == name][-1]
    return {" ".join(map(str, point.attributes.values())): point.value for point in last.points}


def test_metrics(run: Run) -> None:
    assert last_points(run, "test.case.result.count") == {
        "passed": 2,
        "failed": 1,
        "error": 0,
        "skipped": 1,
        "xfailed": 0,
        "xpassed": 0,
        "rerun": 0,
        "interrupted": 0,
        "crashed": 0,
    }
    assert last_points(run, "test.case.active") == {"": 0}
    assert last_points(run, "pytest.tests.collected") == {"": 4}
    seconds = last_points(run, "pytest.run.last_progress")[""]
    assert abs(seconds - max(span.end for span in run.tests) / 1e9) < 1e-3


def test_histograms(run: Run) -> None:
    durations = [metric for metric in run.metrics if metric.name == "test.case.duration"][-1]
    assert (durations.unit, durations.cumulative) == ("s", True)
    counts = {
        (point.attributes["test.suite.name"], point.attributes["test.case.result.status"]): point.count
        for point in durations.points
    }
    assert counts == {
        ("test_a.py", "pass"): 1,
        ("test_a.py", "fail"): 1,
        ("test_a.py", "skip"): 1,
        ("sub/test_b.py", "pass"): 1,
    }
    total = sum(span.end - span.start for span in run.tests) / 1e9
    assert sum(point.value for point in durations.points) == pytest.approx(total, abs=SAME / 1e9 * len(run.tests))
    (whole,) = [metric for metric in run.metrics if metric.name == "test.suite.run.duration"][-1].points
    assert whole.attributes == {"test.suite.run.status": "failure"}
    assert whole.value == pytest.approx((run.root.end - run.root.start) / 1e9, abs=SAME / 1e9)


def test_every_point_is_within_the_run(run: Run) -> None:
    for metric in run.metrics:
        for point in metric.points:
            if metric.kind != "gauge":
                assert abs(point.start - run.root.start) < SAME
            assert run.root.start <= point.time
            assert not any("::" in str(value) for value in point.attributes.values()), "a test's name on a metric"


def in_order_of_tests(told: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """pytest 8 and 9 do not agree on whether folders or files come first."""
    first, *between, last = told
    return [first, *sorted(between, key=lambda record: record[1].split("::")[0]), last]


def test_logs(run: Run) -> None:
    by_id = {span.span_id: span.name for span in run.spans}
    told = [(record.event_name, by_id[record.span_id], record.severity) for record in run.logs]
    assert in_order_of_tests(told) == [
        ("test.suite.run.started", "pytest", 9),
        ("test.case.started", "sub/test_b.py::test_also", 9),
        ("test.case.finished", "sub/test_b.py::test_also", 9),
        ("test.case.started", "test_a.py::test_passes", 9),
        ("test.case.finished", "test_a.py::test_passes", 9),
        ("test.case.started", "test_a.py::test_fails", 9),
        ("test.case.finished", "test_a.py::test_fails", 17),
        ("test.case.started", "test_a.py::test_skips", 9),
        ("test.case.finished", "test_a.py::test_skips", 9),
        ("test.suite.run.finished", "pytest", 17),
    ]
    assert {record.trace_id for record in run.logs} == {run.root.trace_id}
    assert [record.attributes["event.name"] for record in run.logs] == [record.event_name for record in run.logs]
    (failed,) = (record for record in run.logs if record.severity == 17 and record.event_name == "test.case.finished")
    assert failed.attributes["error.type"] == "AssertionError"
    assert failed.attributes["test.case.name"] == "test_a.py::test_fails"
    assert failed.body == "test_a.py::test_fails failed"


@pytest.mark.parametrize(
    ("args", "env", "metrics", "logs"),
    [
        ([], {}, True, False),
        (["--otel-metrics=off"], {}, False, False),
        ([], {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "otlp"}, False, True),
        (
            ["--otel-metrics=on", "--otel-logs=off"],
            {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "otlp"},
            True,
            False,
        ),
    ],
)
def test_which_signals_are_sent(
    run_pytest: Runner, args: list[str], env: dict[str, str], metrics: bool, logs: bool
) -> None:
    run = run_pytest("def test_a(): pass", *args, env=env)
    assert (bool(run.metrics), bool(run.logs)) == (metrics, logs)


def test_no_traces(run_pytest: Runner) -> None:
    """Nothing of the tested application hangs below a span that is never sent, either."""
    suite = """
        from opentelemetry import trace
        def test_a():
            assert not trace.get_current_span().get_span_context().is_valid
    """
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "{endpoint}",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "otlp",
    }
    run = run_pytest(suite, "--otel", option=False, env=env)
    assert (run.exit_code, run.spans) == (0, [])
    header, *lines = run.our_lines
    assert "/trace/" not in header
    assert lines == ["otlp: no traces are sent, because OTEL_TRACES_EXPORTER=none; --otel-endpoint overrides it"]
    assert {metric.name for metric in run.metrics} >= {"test.case.result.count", "test.suite.run.duration"}
    assert [record.event_name for record in run.logs][-1] == "test.suite.run.finished"
    assert [*run.folder.glob(".pytest_cache/**/otlp/*")] == []


def test_traces_on_the_terminal(run_pytest: Runner) -> None:
    run = run_pytest.without("def test_a(): pass", "--otel", env={"OTEL_TRACES_EXPORTER": "console"})
    assert run.exit_code == 0
    assert "✓ test_it.py::test_a" in run.stdout
    assert run.our_lines[-1].endswith("delivered to console")
