"""Real pytest runs that send to a real receiver: what its page is told is what pytest said."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.runs import Run, Runner
from support.viewer import View, rows

SUITE = {
    "test_shop.py": """
        import logging, time
        import pytest
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        import os

        provider = TracerProvider(resource=Resource.create({"service.name": "shop-app"}))
        exporter = OTLPSpanExporter(endpoint=os.environ["VIEW"] + "/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100))
        tracer = provider.get_tracer("shop")

        @pytest.fixture(scope="module")
        def shop():
            time.sleep(0.02)
            yield "shop"
            provider.shutdown()

        @pytest.mark.parametrize("article", ["apple", "<b>pear</b>"])
        def test_price(shop, article):
            with tracer.start_as_current_span("look up"):
                with tracer.start_as_current_span("query"):
                    pass

        def test_total(shop):
            print("adding up")
            assert [40, 60] == [40, 61]

        @pytest.mark.skip(reason="closed")
        def test_closed(): pass

        @pytest.mark.xfail
        def test_wrong(): assert False
    """,
    "test_till.py": """
        import pytest

        @pytest.fixture
        def till():
            yield
            raise ValueError("stuck")

        class TestTill:
            @pytest.mark.slow
            def test_opens(self, till): pass
    """,
}
INI = "markers = slow"
ONE = {"test_it.py": "def test_a(): pass"}


def run_into(view: View, runner: Runner, *args: str, files: Any = SUITE, env: dict[str, str] | None = None) -> Run:
    runner._write(files, INI)
    process = runner._start(args, {"VIEW": view.endpoint, **(env or {})})
    code, out, err = process.wait()
    return Run(runner.folder, code, out, err)


@pytest.mark.parametrize("protocol", ["http", "grpc", "xdist"])
def test_a_run_is_shown_as_pytest_counts_it(view: View, runner: Runner, protocol: str) -> None:
    workers = ["-n2"] if protocol == "xdist" else []
    if workers:
        pytest.importorskip("xdist")
    port = view.grpc_port if protocol == "grpc" else view.http_port
    told = ["--otel-protocol=grpc"] if protocol == "grpc" else []
    pytest_run = run_into(view, runner, f"--otel-endpoint=http://127.0.0.1:{port}", *told, *workers)
    assert pytest_run.our_delivery, pytest_run.stdout

    run = view.run()
    assert (run["state"], run["status"], run["exitCode"], run["why"]) == ("finished", "failure", 1, "")
    assert run["counts"] == {"passed": 2, "failed": 1, "skipped": 1, "xfailed": 1, "error": 1}
    assert pytest_run.summary == Counter(passed=3, failed=1, skipped=1, xfailed=1, error=1)
    assert run["told"] == {**dict.fromkeys(("xpassed", "rerun"), 0), **pytest_run.summary}
    assert (run["tests"], run["done"], run["collected"], run["running"]) == (6, 6, 6, [])
    assert run["service"] == "suite"
    tests = {f"{test['file']}::{test['name']}": test for test in view.tests(run["id"])}
    assert {name: test["outcome"] for name, test in tests.items()} == {
        "test_shop.py::test_price[apple]": "passed",
        "test_shop.py::test_price[<b>pear</b>]": "passed",
        "test_shop.py::test_total": "failed",
        "test_shop.py::test_closed": "skipped",
        "test_shop.py::test_wrong": "xfailed",
        "test_till.py::TestTill::test_opens": "error",
    }
    failed = tests["test_shop.py::test_total"]
    assert (failed["type"], failed["phase"]) == ("AssertionError", "call")
    assert failed["message"] == "assert [40, 60] == [40, 61]"
    assert failed["place"] == "test_shop.py:29"
    assert tests["test_till.py::TestTill::test_opens"]["markers"] == "slow"
    assert tests["test_shop.py::test_closed"]["message"] == "closed"
    assert all(test["start"] >= 0 for test in tests.values())
    workers_seen = {test["worker"] for test in tests.values()}
    assert workers_seen <= ({"gw0", "gw1"} if workers else {""})


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_terminal_leads_to_the_run_on_its_page(view: View, runner: Runner, protocol: str) -> None:
    port = view.grpc_port if protocol == "grpc" else view.http_port
    args = [f"--otel-endpoint=http://localhost:{port}", "--otel-protocol", protocol.replace("http", "http/protobuf")]
    told = run_into(view, runner, *args, files=ONE, env=view.state)
    link = f"http://127.0.0.1:{view.page_port}/#run={view.run()['id']}"
    header, summary = told.our_lines
    assert header.endswith(f", {link}")
    assert summary.endswith(f" - {link}")
    assert view.token not in told.stdout + told.stderr
    own = [*args, "--otel-trace-url=https://host/{trace_id}"]
    told = run_into(view, runner, *own, files=ONE, env=view.state)
    assert told.our_lines[1].partition(" - ")[2].startswith("https://host/")


@pytest.mark.skipif(sys.platform == "win32", reason="a process that is gone cannot be told there")
def test_the_terminal_forgets_a_receiver_that_was_killed(folder: Path, runner: Runner) -> None:
    with View(folder) as gone:
        gone.kill()
    assert [*folder.rglob("view-at-*.json")]
    with View(folder.with_name("another"), ports=gone.ports) as view:
        told = run_into(view, runner, f"--otel-endpoint={view.endpoint}", files=ONE, env=gone.state)
    assert " - http://localhost:16686/trace/" in told.our_lines[1]


def test_a_test_is_shown_with_all_that_belongs_to_it(view: View, runner: Runner) -> None:
    run_into(view, runner, f"--otel-endpoint={view.endpoint}", "-p", "no:xdist")
    run = view.run()
    price = view.detail(run["id"], "test_price[apple]")
    assert price.tree() == [
        (0, ""),
        (1, "setup"),
        (2, "fixture shop (module)"),
        (1, "call"),
        (2, "look up"),
        (3, "query"),
        (1, "teardown"),
    ]
    assert price.told["attempts"] == price.told["tests"]
    services = [price.told["resources"][span["resource"]]["service.name"] for span in price.spans]
    assert services == ["suite", "suite", "suite", "suite", "shop-app", "shop-app", "suite"]
    assert price.more("")["attributes"] == {"pytest.parameters.article": "apple"}
    assert price.more("call") is None
    for span in price.spans[1:]:
        assert span["start"] >= 0
        assert span["start"] + span["duration"] <= price.spans[0]["duration"] + 2

    total = view.detail(run["id"], "test_total")
    assert total.more("")["attributes"]["pytest.stdout"] == "adding up\n"
    (exception,) = total.more("call")["events"]
    assert exception["attributes"]["exception.message"].startswith("assert [40, 60] == [40, 61]")
    assert "def test_total" in exception["attributes"]["exception.stacktrace"]

    (fixture,) = [row for row in rows(view.get(f"/api/runs/{run['id']}/fixtures")["fixtures"]) if row["name"] == "shop"]
    assert (fixture["scope"], fixture["setups"]) == ("module", 1)
    assert fixture["longest"] == fixture["setup"] >= 20_000
    assert run["appSpans"] == 4


def test_the_number_of_tests_is_known_after_a_long_collection(view: View, runner: Runner) -> None:
    suite = """
        import pathlib, time

        time.sleep(1.2)  # the marker of the run's start does not wait for so long

        def test_first():
            deadline = time.monotonic() + 60
            while not pathlib.Path("go").exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)

        def test_second(): pass
    """
    stream = view.events()
    runner._write(suite, "")
    process = runner._start(["-p", "no:xdist", f"--otel-endpoint={view.endpoint}"], {})
    try:
        told = stream.wait_for(
            lambda _: [
                data["run"]
                for data in stream.named("progress")
                if data["run"]["collected"] is not None and data["run"]["end"] is None
            ]
        )
        assert (told[0]["state"], told[0]["collected"]) == ("running", 2)
        (runner.folder / "go").touch()
        process.wait()
    finally:
        process.kill()
    stream.close()


def test_a_test_fails_with_its_subtest(view: View, runner: Runner) -> None:
    suite = """
        import unittest

        class TestPrices(unittest.TestCase):
            def test_each(self):
                for price in range(3):
                    with self.subTest(price=price):
                        self.assertNotEqual(price, 1)

            def test_none(self): pass
    """
    run_into(view, runner, "-p", "no:xdist", f"--otel-endpoint={view.endpoint}", files={"test_it.py": suite})
    run = view.run()
    assert (run["state"], run["counts"]) == ("finished", {"failed": 1, "passed": 1})
    each, none = view.tests(run["id"])
    assert (each["outcome"], each["phase"], each["type"]) == ("failed", "call", "AssertionError")
    assert each["message"].startswith("1 == 1")
    assert each["place"].startswith("test_it.py:8")
    assert none["outcome"] == "passed"


def test_the_page_grows_while_the_run_goes_on(view: View, runner: Runner) -> None:
    suite = """
        import pathlib, time

        def test_first(): assert 0

        def test_second(): pass

        def test_third():
            deadline = time.monotonic() + 60
            while not pathlib.Path("go").exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
    """
    stream = view.events()
    runner._write(suite, "")
    process = runner._start(["-p", "no:xdist", f"--otel-endpoint={view.endpoint}", "--otel-logs=on"], {})
    try:

        def third_runs(_: Any) -> Any:
            told = [data["run"] for data in stream.named("progress")]
            return told and [test["nodeid"] for test in told[-1]["running"]] == ["test_it.py::test_third"] and told[-1]

        run = stream.wait_for(third_runs)
        assert (run["state"], run["tests"], run["collected"], run["end"]) == ("running", 2, 3, None)
        (runner.folder / "go").touch()
        process.wait()
    finally:
        process.kill()
    stream.wait_for(lambda _: [data for data in stream.named("progress") if data["run"]["state"] == "finished"])
    failures = [failure for data in stream.named("progress") for failure in data["failures"]]
    assert [(failure["nodeid"], failure["type"]) for failure in failures] == [
        ("test_it.py::test_first", "AssertionError")
    ]
    streamed = [row for table in stream.named("tests") for row in rows(table)]
    fetched = view.tests(run["id"])
    assert [row["name"] for row in fetched] == ["test_first", "test_second", "test_third"]
    assert streamed == fetched
    names = [event.name for event in stream.seen]
    assert names[0] == "hello"
    assert names.index("progress") < names.index("tests")
    stream.close()


def test_reruns_are_attempts(view: View, runner: Runner) -> None:
    pytest.importorskip("pytest_rerunfailures")
    suite = """
        import pathlib

        def test_flaky():
            seen = pathlib.Path("seen")
            seen.write_text(seen.read_text() + "." if seen.exists() else ".")
            assert len(seen.read_text()) > 2
    """
    run_into(view, runner, f"--otel-endpoint={view.endpoint}", "-p", "rerunfailures", "--reruns=3", files=suite)
    run = view.run()
    assert (run["state"], run["tests"], run["done"]) == ("finished", 3, 1)
    tests = view.tests(run["id"])
    assert [(row["outcome"], row["attempt"], row["flaky"]) for row in tests] == [
        ("rerun", 1, 0),
        ("rerun", 2, 0),
        ("passed", 3, 1),
    ]
    assert view.get(f"/api/runs/{run['id']}/tests/1")["attempts"] == [0, 1, 2]


def test_history_and_instability(view: View, runner: Runner) -> None:
    suite = """
        import os

        def test_moody(): assert os.environ["MOOD"] == "good"

        def test_steady(): pass
    """
    for mood in ("good", "bad"):
        run_into(view, runner, f"--otel-endpoint={view.endpoint}", files=suite, env={"MOOD": mood})
    newest, oldest = view.runs()
    history = view.get(f"/api/runs/{newest['id']}/history?nodeid=test_it.py::test_moody")["history"]
    assert [(entry["run"], entry["outcome"]) for entry in history] == [
        (newest["id"], "failed"),
        (oldest["id"], "passed"),
    ]
    (unstable,) = view.get(f"/api/runs/{newest['id']}/unstable")["unstable"]
    assert (unstable["nodeid"], unstable["outcomes"], unstable["changes"]) == (
        "test_it.py::test_moody",
        ["failed", "passed"],
        1,
    )


def test_a_collection_that_fails_says_where(view: View, runner: Runner) -> None:
    run_into(view, runner, f"--otel-endpoint={view.endpoint}", files="import nothing_of_that_name")
    run = view.run()
    assert (run["state"], run["status"], run["tests"]) == ("interrupted", "aborted", 0)
    (problem,) = view.get(f"/api/runs/{run['id']}")["problems"]
    assert problem["name"] == "test_it.py"
    assert "nothing_of_that_name" in problem["message"]


WARNS = """
    import warnings
    import pytest

    @pytest.mark.parametrize("n", range(3))
    def test_old(n):
        warnings.warn("use <new>", DeprecationWarning)

    def test_else():
        warnings.warn("something else")

    warnings.warn("while collecting")
"""


def test_warnings_are_told_once_with_a_test_of_theirs(view: View, runner: Runner) -> None:
    run_into(view, runner, f"--otel-endpoint={view.endpoint}", files=WARNS)
    run = view.run()
    told = view.get(f"/api/runs/{run['id']}")
    rows = view.tests(run["id"])
    old, other, collecting = told["warned"]
    assert (old["category"], old["message"], old["count"]) == ("DeprecationWarning", "use <new>", 3)
    assert old["place"] == "test_it.py:7"
    assert rows[old["test"]]["name"].startswith("test_old")
    assert (other["category"], other["message"], rows[other["test"]]["name"]) == (
        "UserWarning",
        "something else",
        "test_else",
    )
    assert (collecting["message"], collecting["test"]) == ("while collecting", -1)
    assert sum(warning["count"] for warning in told["warned"]) == run["warnings"] == 5
    assert [event for event in told["events"] if event["name"] == "pytest.warning"] == []


@pytest.mark.parametrize("per", ["file", "test"])
def test_a_run_of_many_traces_is_one_run(view: View, runner: Runner, per: str) -> None:
    run_into(view, runner, f"--otel-endpoint={view.endpoint}", f"--otel-trace-per={per}", "-p", "no:xdist")
    run = view.run()
    assert (run["state"], run["why"], run["tests"]) == ("finished", "", 6)
    assert view.get("/api/traces")["traces"] == []
    assert len(run["traces"]) == {"file": 3, "test": 7}[per]
    price = view.detail(run["id"], "test_price[apple]")
    assert [name for _, name in price.tree()] == [
        "",
        "setup",
        "fixture shop (module)",
        "call",
        "look up",
        "query",
        "teardown",
    ]
    root = view.get(f"/api/traces/{run['traces'][0]}")
    assert "test_shop.py" in root["spans"]["columns"]["name"]
