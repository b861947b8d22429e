"""What the page says of a run that did not go as it should, or whose telemetry did not."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pytest_otlp import ids
from pytest_otlp.exporter.otlp_file import FileTransport
from pytest_otlp.exporter.records import Attributes, LogRecord, Signal, Span, SpanEvent
from support.exporters import exporter_at
from support.runs import Runner, journals_in
from support.viewer import TIMEOUT, View

TRACE = bytes(range(1, 17))
START = 1_700_000_000_000_000_000
MS = 1_000_000


def resource(run: str = "run-1", **more: Any) -> dict[str, Any]:
    return {"service.name": "shop", "pytest.run.id": run, **more}


def span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def marker(tests: int = 3, run: str = "run-1") -> Span:
    attributes: Attributes = {"test.suite.run.status": "in_progress", "pytest.tests.collected": tests}
    return Span(TRACE, ids.span_id(run, "marker").to_bytes(8, "big"), b"", "pytest", START, START + 1024, attributes)


def root(run: str = "run-1", *, status: str = "success", **counts: int) -> Span:
    attributes: Attributes = {
        "test.suite.run.status": status,
        "process.exit.code": 0,
        "pytest.tests.collected": sum(counts.values()),
        **{f"pytest.tests.{word}": number for word, number in counts.items()},
    }
    own = ids.span_id(run, "session").to_bytes(8, "big")
    return Span(TRACE, own, b"", "pytest", START, START + 9_000 * MS, attributes)


def spans_of_test(number: int, run: str = "run-1", outcome: str = "passed") -> list[Span]:
    nodeid = f"test_it.py::test_{number}"
    own = ids.test_span_id(run, "", nodeid, 1)
    begin = START + number * 10 * MS
    attributes = {
        "test.case.name": nodeid,
        "test.case.result.status": "pass" if outcome == "passed" else "fail",
        "pytest.outcome": outcome,
        "pytest.attempt": 1,
    }
    above = ids.span_id(run, "session").to_bytes(8, "big")
    test = Span(TRACE, span_id(own), above, nodeid, begin, begin + 9 * MS, attributes)
    phases = [
        Span(
            TRACE,
            span_id(ids.phase_span_id(own, phase)),
            span_id(own),
            phase,
            begin + place * 3 * MS,
            begin + (place + 1) * 3 * MS,
            {"pytest.phase": phase, "pytest.outcome": outcome if phase == "call" else "passed"},
        )
        for place, phase in enumerate(("setup", "call", "teardown"))
    ]
    return [test, *phases]


def test_spans_that_are_missing_are_told(view: View) -> None:
    view.send(resource(), [marker(), *spans_of_test(0), root(passed=3)])
    run = view.run()
    assert (run["state"], run["why"]) == ("partial", "pytest counted 2 passed more than arrived")
    view.send(resource(), [*spans_of_test(1), *spans_of_test(2)])
    assert view.run()["state"] == "finished"


def subtest(number: int, outcome: str, run: str = "run-1") -> Span:
    """One that test has below its call."""
    call = ids.phase_span_id(ids.test_span_id(run, "", f"test_it.py::test_{number}", 1), "call")
    begin = START + number * 10 * MS + 4 * MS
    attributes: Attributes = {"pytest.outcome": outcome, "error.type": "ValueError"}
    error = "no" if outcome == "failed" else None
    return Span(TRACE, span_id(call + 7), span_id(call), "subtest i=1", begin, begin + MS, attributes, error)


def test_subtests_stand_in_for_no_test(view: View) -> None:
    tests = [*spans_of_test(0), subtest(0, "passed"), *spans_of_test(1), subtest(1, "passed")]
    view.send(resource(), [marker(), *tests, root(passed=3)])
    run = view.run()
    assert (run["state"], run["why"]) == ("partial", "pytest counted 1 passed more than arrived")


def test_a_subtest_that_comes_after_its_test_fails_it(view: View) -> None:
    view.send(resource(), [marker(), *spans_of_test(0), *spans_of_test(1)])
    view.send(resource(), [subtest(1, "failed"), root(passed=2, failed=1)])
    run = view.run()
    assert (run["state"], run["counts"]) == ("finished", {"failed": 1, "passed": 1})
    assert [(row["outcome"], row["type"], row["message"]) for row in view.tests("run-1")] == [
        ("passed", "", ""),
        ("failed", "ValueError", "no"),
    ]


def test_a_test_of_which_only_the_phases_came_is_missing(view: View) -> None:
    """Until it comes."""
    first, *phases = spans_of_test(0)
    view.send(resource(), phases)
    view.send(resource(), [*spans_of_test(1), root(passed=2)])
    run = view.run()
    assert (run["state"], run["why"]) == ("partial", "pytest counted 1 test more than arrived")
    view.send(resource(), [*phases, *spans_of_test(1)])
    assert view.run()["state"] == "partial"
    view.send(resource(), [first])
    assert (view.run()["state"], view.run()["tests"]) == ("finished", 2)
    assert len(view.detail("run-1", "test_0").spans) == 4


def test_what_is_sent_again_counts_once(view: View) -> None:
    """Whole, or divided otherwise than the first time."""
    first, second = spans_of_test(0), spans_of_test(1)
    view.send(resource(), [*first, second[0], second[1]])
    view.send(resource(), [*first, second[0], second[1]])
    view.send(resource(), second[1:])
    view.send(resource(), [*first[1:], *second, root(passed=2)])
    run = view.run()
    assert (run["state"], run["tests"], run["counts"], run["spans"]) == ("finished", 2, {"passed": 2}, 9)
    for number in (0, 1):
        detail = view.detail(run["id"], f"test_{number}")
        assert detail.tree() == [(0, ""), (1, "setup"), (1, "call"), (1, "teardown")]
    assert [(row["setup"], row["call"], row["teardown"]) for row in view.tests(run["id"])] == [
        (3_000, 3_000, 3_000)
    ] * 2


def test_what_is_sent_again_hides_nothing_new(view: View) -> None:
    """A request with what is known, what is new and the same twice."""
    view.send(resource(), spans_of_test(1))
    view.send(resource(), [*spans_of_test(0), *spans_of_test(1), *spans_of_test(2), *spans_of_test(2)])
    view.send(resource(), [*spans_of_test(3), root(passed=4)])
    run = view.run()
    assert (run["state"], run["tests"], run["counts"], run["spans"]) == ("finished", 4, {"passed": 4}, 17)
    assert [row["name"] for row in view.tests(run["id"])] == ["test_1", "test_0", "test_2", "test_3"]
    for number in range(4):
        assert len(view.detail(run["id"], f"test_{number}").spans) == 4


def test_a_test_that_takes_long_runs_until_its_span_comes(view: View) -> None:
    nodeid = "test_it.py::test_0"
    above = span_id(ids.test_span_id("run-1", "", nodeid, 1))
    running = Span(TRACE, b"\7" * 8, above, f"{nodeid} running", START, START + 1024, {"test.case.name": nodeid})
    view.send(resource(), [marker(), running])
    assert [test["nodeid"] for test in view.run()["running"]] == [nodeid]
    view.send(resource(), spans_of_test(0))
    assert view.run()["running"] == []
    assert view.detail("run-1", "test_0").tree() == [(0, ""), (1, "setup"), (1, "call"), (1, "teardown")]


def test_a_started_event_after_its_test_changes_nothing(view: View) -> None:
    """Logs and spans travel apart."""
    attributes = {"test.case.name": "test_it.py::test_0", "event.name": "test.case.started"}
    started = LogRecord(START, "test.case.started", 9, "started", attributes, TRACE, span_id(9))
    view.send(resource(), [marker(), *spans_of_test(0)])
    view.send(resource(), [started], "logs")
    assert view.run()["running"] == []


def test_a_process_that_is_gone_interrupts_its_run(view: View, runner: Runner) -> None:
    """pytest and its exporter are killed at once, so that nobody closes the run."""
    suite = "import time\ndef test_a(): pass\ndef test_b():\n    time.sleep(60)"
    runner._write(suite, "")
    process = runner._start(["-p", "no:xdist", f"--otel-endpoint={view.endpoint}", "--otel-logs=on"], {})
    try:
        view.wait_for(lambda view: [run for run in view.runs() if run["running"] and run["tests"] == 1])
        pid = process._process.pid
        os.kill(exporter_at(runner.folder), signal.SIGKILL)
    finally:
        process.kill()
    run = view.wait_for(lambda view: [run for run in view.runs() if run["state"] == "interrupted"])[0]
    assert run["why"] == f"process {pid} is gone"
    assert [test["nodeid"] for test in run["running"]] == ["test_it.py::test_b"]
    assert run["live"]


if sys.platform != "linux":
    test_a_process_that_is_gone_interrupts_its_run = pytest.mark.skip("finds the exporter in /proc")(
        test_a_process_that_is_gone_interrupts_its_run
    )


def test_pytest_killed_alone_is_interrupted(view: View, runner: Runner) -> None:
    suite = "import os, signal\ndef test_a(): pass\ndef test_b(): os._exit(3)"
    runner._write(suite, "")
    runner._start(["-p", "no:xdist", f"--otel-endpoint={view.endpoint}"], {}).wait()
    run = view.wait_for(lambda view: [run for run in view.runs() if run["state"] == "interrupted"])[0]
    assert (run["why"], run["exitCode"]) == ("pytest ended without a word", None)
    assert run["counts"] == {"passed": 1, "interrupted": 1}
    cut = view.detail(run["id"], "test_b").spans[0]["duration"]
    assert [row["duration"] for row in view.tests(run["id"])][1] == cut > 0


def test_a_trace_that_is_no_run(view: View) -> None:
    failed = SpanEvent("exception", START + MS, {"exception.type": "KeyError"})
    spans = [
        Span(TRACE, span_id(3), span_id(2), "query", START + MS, START + 2 * MS, {"db.system": "x"}),
        Span(TRACE, span_id(1), b"", "GET /", START, START + 5 * MS, {}, "no", (failed,)),
        Span(TRACE, span_id(2), span_id(1), "look up", START, START + 4 * MS, {}),
        Span(TRACE, span_id(5), span_id(99), "lost", START + 3 * MS, START + 4 * MS, {}),
    ]
    view.send({"service.name": "shop"}, spans)
    assert view.runs() == []
    (trace,) = view.get("/api/traces")["traces"]
    told = {"id": TRACE.hex(), "name": "GET /", "service": "shop", "start": START // 1000, "duration": 5000}
    assert trace == {**told, "spans": 4, "errors": 1}
    shown = view.get(f"/api/traces/{TRACE.hex()}")
    names = shown["spans"]["columns"]["name"]
    assert names == ["GET /", "look up", "query", "lost"]
    assert shown["spans"]["columns"]["parent"] == [-1, 0, 1, -1]
    assert shown["spans"]["columns"]["more"][3] == {"orphan": True}
    assert shown["spans"]["columns"]["more"][0]["events"][0]["time"] == 1000


def test_the_logs_of_a_trace_are_in_order(view: View) -> None:
    logs = [LogRecord(START + at * MS, "", 9, str(at), {}, TRACE, span_id(own)) for at, own in ((2, 1), (1, 2), (3, 1))]
    view.send({"service.name": "shop"}, [Span(TRACE, span_id(1), b"", "GET /", START, START + 5 * MS, {})])
    view.send({"service.name": "shop"}, logs, "logs")
    assert [log["text"] for log in view.get(f"/api/traces/{TRACE.hex()}")["logs"]] == ["1", "2", "3"]


def test_a_deep_and_a_circular_trace_are_shown(view: View) -> None:
    deep = [
        Span(TRACE, span_id(n), span_id(n - 1) if n > 1 else b"", "s", START, START + MS, {}) for n in range(1, 400)
    ]
    circle = [
        Span(TRACE, span_id(1001), span_id(1002), "a", START, START + MS, {}),
        Span(TRACE, span_id(1002), span_id(1001), "b", START, START + MS, {}),
    ]
    view.send({"service.name": "shop"}, [*deep, *circle])
    shown = view.get(f"/api/traces/{TRACE.hex()}")
    assert shown["spans"]["count"] == 401


def test_clocks_that_differ_are_told(view: View) -> None:
    ahead = time.time_ns() + 3_600_000 * MS - START
    view.send(resource(), [span._replace(start=span.start + ahead, end=span.end + ahead) for span in spans_of_test(0)])
    assert 3_590_000_000 < view.run()["skew"] < 3_610_000_000


def test_a_run_that_is_delivered_late_has_no_other_clock(view: View) -> None:
    """Its metrics, which come each second while it runs, tell that it is not."""
    view.send(resource(), spans_of_test(0))
    assert view.run()["skew"] == 0
    pulse = ExportMetricsServiceRequest()
    attribute = pulse.resource_metrics.add().resource.attributes.add(key="pytest.run.id")
    attribute.value.string_value = "run-1"
    headers = {"Content-Type": "application/x-protobuf"}
    for _ in range(3):
        view.request("POST", "/v1/metrics", pulse.SerializeToString(), headers, port=view.http_port)
    assert view.run()["skew"] < -3_600_000_000


def test_logs_stand_in_their_test(view: View) -> None:
    call = spans_of_test(0)[2]
    record = LogRecord(START + 4 * MS, "", 13, "low on apples", {"n": 1}, TRACE, call.span_id)
    view.send(resource(), spans_of_test(0))
    view.send({"service.name": "shop-app"}, [record], "logs")
    detail = view.detail("run-1", "test_0")
    (log,) = detail.logs
    assert (log["text"], log["severity"], log["time"], log["attributes"]) == ("low on apples", 13, 4_000, {"n": 1})
    assert detail.spans[log["span"]]["name"] == "call"
    assert detail.told["resources"][log["resource"]] == {"service.name": "shop-app"}
    assert view.run()["logs"] == 1


def test_log_records_that_are_sent_again_count_once(view: View) -> None:
    """But lines that are equal in one request are as many."""
    call = spans_of_test(0)[2]
    records = [
        LogRecord(START + 4 * MS, "", 13, text, {"n": 1}, TRACE, own)
        for text, own in (("again", call.span_id), ("again", call.span_id), ("other", call.span_id), ("again", b""))
    ]
    view.send(resource(), spans_of_test(0))
    for sent in (records[1:3], records, records[2:], records):
        view.send({"service.name": "app"}, sent, "logs")
    assert [log["text"] for log in view.detail("run-1", "test_0").logs] == ["again", "other", "again"]
    assert view.run()["logs"] == 4
    view.send({"service.name": "another"}, records[:1], "logs")
    assert view.run()["logs"] == 5


def test_spans_of_the_application_that_come_late_are_told(view: View) -> None:
    stream = view.events()
    call = spans_of_test(0)[2]
    view.send(resource(), [marker(), *spans_of_test(0)])
    late = Span(TRACE, span_id(77), call.span_id, "look up", START + 3 * MS, START + 4 * MS, {})
    later = Span(TRACE, span_id(78), span_id(77), "query", START + 3 * MS, START + 4 * MS, {})
    view.send({"service.name": "app"}, [late])
    stream.wait_for(lambda _: stream.named("grown") == [{"run": "run-1", "tests": [0]}])
    view.send({"service.name": "app"}, [later])
    stream.wait_for(lambda _: stream.named("grown") == [{"run": "run-1", "tests": [0]}] * 2)
    assert (2, "look up") in view.detail("run-1", "test_0").tree()
    stream.close()


def test_whoever_comes_back_misses_nothing(view: View) -> None:
    stream = view.events()
    view.send(resource(), spans_of_test(0))
    stream.wait_for(lambda _: stream.named("tests"))
    last = stream.seen[-1].id
    stream.close()
    view.send(resource(), spans_of_test(1))
    view.wait_for(lambda view: view.run()["tests"] == 2)
    again = view.events(last)
    again.wait_for(lambda _: [table["from"] for table in again.named("tests")] == [1])
    assert again.named("reset") == []
    again.close()
    other = view.events("another-7")
    other.wait_for(lambda _: other.named("reset"))
    other.close()


@pytest.fixture
def killable(folder: Path) -> Iterator[View]:
    found = View(folder)
    yield found
    found.kill()


def test_what_was_acknowledged_survives_a_kill(folder: Path, killable: View) -> None:
    """The receiver is killed while four senders are at it; each keeps what was acknowledged."""
    acknowledged: list[int] = []
    enough = threading.Event()

    def send(first: int) -> None:
        for number in range(first, 100_000, 4):
            try:
                answer = killable.send(resource(), spans_of_test(number))
            except OSError:
                return
            except Exception:  # noqa: BLE001  a connection that breaks off breaks in many ways
                return
            assert answer.status == 200
            acknowledged.append(number)
            if len(acknowledged) >= 100:
                enough.set()

    senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for sender in senders:
        sender.start()
    assert enough.wait(TIMEOUT)
    killable.kill()
    for sender in senders:
        sender.join(TIMEOUT)
    with View(folder) as view:
        names = {row["name"] for row in view.tests("run-1")}
        assert names >= {f"test_{number}" for number in acknowledged}
        assert view.run()["tests"] == len(names)
        assert view.run()["counts"] == {"passed": len(names)}


def test_a_run_goes_on_after_the_receiver_was_restarted(folder: Path, runner: Runner, killable: View) -> None:
    suite = """
        import pathlib, time

        def test_first(): pass

        def test_second():
            deadline = time.monotonic() + 60
            while not pathlib.Path("go").exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)

        def test_third(): pass
    """
    runner._write(suite, "")
    process = runner._start(
        ["-p", "no:xdist", f"--otel-endpoint={killable.endpoint}"], {"PYTEST_OTEL_EXIT_TIMEOUT": "30"}
    )
    try:
        killable.wait_for(lambda view: [run for run in view.runs() if run["tests"] == 1])
        ports, token, cookie = killable.ports, killable.token, killable.cookie
        killable.kill()
        with View(folder, ports=ports) as view:
            assert view.token == token
            assert view.request("GET", "/api/runs", headers={"Cookie": cookie}).status == 200
            assert view.run()["state"] == "running"
            (runner.folder / "go").touch()
            process.wait()
            run = view.wait_for(lambda view: [run for run in view.runs() if run["end"]])[0]
            assert (run["state"], run["counts"]) == ("finished", {"passed": 3})
    finally:
        process.kill()


def test_retention(folder: Path) -> None:
    with View(folder, "--keep-runs=2") as view:
        for number in range(4):
            run = f"run-{number}"
            moved = [span._replace(start=span.start + number * MS) for span in spans_of_test(0, run)]
            trace = bytes([number + 1] * 16)
            spans = [*moved, root(run, passed=1)]
            view.send(resource(run), [span._replace(trace_id=trace) for span in spans])
        found = view.wait_for(lambda view: len(view.runs()) == 2 and view.runs())
        assert {run["id"] for run in found} == {"run-2", "run-3"}
        cookie = {"Cookie": view.cookie}
        assert view.request("GET", "/api/runs/run-0/tests", headers=cookie).status == 404
        assert view.request("DELETE", "/api/runs/run-2", headers=cookie).status == 204
        assert [run["id"] for run in view.runs()] == ["run-3"]
        assert view.request("DELETE", "/api/runs", headers=cookie).status == 204
        assert view.runs() == []


def finished(number: int) -> list[Span]:
    """A run of its own trace that is over."""
    run, trace = f"run-{number}", bytes([number + 1] * 16)
    return [span._replace(trace_id=trace) for span in (*spans_of_test(number, run), root(run, passed=1))]


def test_a_run_that_goes_on_is_not_removed(folder: Path) -> None:
    """However many begin and end meanwhile."""
    with View(folder, "--keep-runs=2") as view:
        view.send(resource("long"), [marker(run="long"), *spans_of_test(0, "long")])
        for number in (1, 2, 3):
            view.send(resource(f"run-{number}"), finished(number))
        view.send(resource("long"), [*spans_of_test(1, "long"), root("long", passed=2)])
        (long,) = [run for run in view.runs() if run["id"] == "long"]
        assert (long["state"], long["tests"]) == ("finished", 2)
        # From here on it is one of those that are over, of which it was heard of last.
        view.send(resource("run-4"), finished(4))
        assert {run["id"] for run in view.runs()} == {"long", "run-4"}


def test_what_is_removed_leaves_nothing_behind(folder: Path) -> None:
    """What other runs and traces share with it stays."""
    shared = {"service.name": "app"}
    with View(folder, "--keep-runs=2") as view:
        for number in range(5):
            spans = finished(number)
            call, trace = spans[2], spans[0].trace_id
            inner = [Span(trace, span_id(at), call.span_id, "query", START, START + MS, {}) for at in (801, 802)]
            alone = spans_of_test(number + 10, f"run-{number}")[1]._replace(trace_id=trace)
            view.send(resource(f"run-{number}"), [alone, *spans])
            view.send(shared, inner[:1])
            view.send({"service.name": "app", "process.pid": number}, inner[1:])
        view.send({"service.name": "alone"}, [Span(bytes([9] * 16), span_id(1), b"", "GET /", START, START + MS, {})])
        assert len(view.runs()) == 2
        kept = tables(folder)
        assert {name: len(rows) for name, rows in kept.items()} == {"run": 2, "test": 2, "node": 2, "resource": 6}
        told = view.detail("run-4", "test_4").told["resources"]
        assert [shared, {"service.name": "app", "process.pid": 4}] == sorted(told[1:], key=len)
        cookie = {"Cookie": view.cookie}
        assert view.request("DELETE", "/api/runs", headers=cookie).status == 204
        assert len(tables(folder)["resource"]) == 1
        assert view.request("DELETE", "/api/traces", headers=cookie).status == 204
        assert tables(folder) == {"run": [], "test": [], "node": [], "resource": []}
        view.send(resource("run-4"), finished(4))
        assert [row["name"] for row in view.tests("run-4")] == ["test_4"]


def tables(folder: Path) -> dict[str, list[Any]]:
    (path,) = folder.rglob("runs.db")
    with closing(sqlite3.connect(path)) as store:
        return {name: store.execute(f"SELECT * FROM {name}").fetchall() for name in ("run", "test", "node", "resource")}


def test_what_is_imported_counts_as_new(folder: Path, tmp_path: Path, runner: Runner) -> None:
    """In a full store, though all that is there began later."""
    written = tmp_path / "run.json"
    runner._write("def test_a(): pass", "")
    runner._start([f"--otel-endpoint=file:{written}", "-p", "no:xdist"], {}).wait()
    later = time.time_ns() + 3_600_000 * MS - START
    with View(folder, "--keep-runs=2") as view:
        for number in (1, 2):
            moved = [span._replace(start=span.start + later, end=span.end + later) for span in finished(number)]
            view.send(resource(f"run-{number}"), moved)
    with View(folder, "--keep-runs=2", f"--import={written}") as view:
        found = {run["id"]: run["state"] for run in view.runs()}
        assert found.pop("run-2") == "finished"
        assert [*found.values()] == ["finished"]
        assert "run-1" not in found


def test_in_memory_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with View(folder, "--db=:memory:") as view:
        view.send(resource(), spans_of_test(0))
        assert view.run()["tests"] == 1
        assert view.stop() == 0
    assert list(tmp_path.glob("pytest-otlp-*")) == []
    assert [path.name for path in folder.rglob("*.db")] == []


def test_import(folder: Path, tmp_path: Path, runner: Runner) -> None:
    """A file that the plugin wrote, and the journal of a run that could not be delivered."""
    written = tmp_path / "run.json"
    suite = "def test_a(): pass\ndef test_b(): assert 0"
    runner._write(suite, "")
    runner._start([f"--otel-endpoint=file:{written}", "-p", "no:xdist"], {}).wait()
    nowhere = ["--otel-endpoint=http://127.0.0.1:9", "-p", "no:xdist"]
    runner._start(nowhere, {"PYTEST_OTEL_EXIT_TIMEOUT": "0.5"}).wait()
    (journal,) = journals_in(runner.folder)
    with View(folder, f"--import={written}", f"--import={journal}") as view:
        found = view.runs()
        assert [(run["state"], run["counts"]) for run in found] == [("finished", {"passed": 1, "failed": 1})] * 2
        assert [run["live"] for run in found] == [False, False]
        assert view.detail(found[0]["id"], "test_b").more("call")["events"][0]["name"] == "exception"
        texts = [path.read_text("utf-8") for path in (written, journal)]
        counts = [sum(run["spans"] + run["logs"] for run in found if run["id"] in text) for text in texts]
        assert view.lines[:2] == [
            f"imported: {count} spans and log records of {path}"
            for count, path in zip(counts, (written, journal), strict=True)
        ]


NO_LINE = "is no OTLP/JSON, or cut off; remove that line"


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_last_line_that_is_cut_off_is_left_out(folder: Path, tmp_path: Path, end: str) -> None:
    """And one in the middle is refused, with a word about what is in the store by then."""
    path = tmp_path / "run.json"
    write(path, [*spans_of_test(0)], [*spans_of_test(1), root(passed=2)])
    whole = path.read_text()
    path.write_text(whole[: -len(whole) // 3] + end)
    with View(folder, f"--import={path}") as view:
        assert view.lines[0] == f"imported: 4 spans and log records of {path}"
        assert view.errors == f"pytest-otlp: {path}: line 2, the last, is cut off; it is left out\n"
        assert view.run()["tests"] == 1
        first, _, second = path.read_text().partition("\n")
        path.write_text(f"{first}\n{second.strip()}\n{first}")
        with pytest.raises(AssertionError) as error:
            View(tmp_path / "other", f"--import={path}")
        before = "the 4 spans and log records before it are in the store"
        assert str(error.value) == f"pytest-otlp: {path}: line 2 {NO_LINE}; {before}\n"


def write(path: Path, *requests: list[Span]) -> None:
    """As `file:` does."""
    transport = FileTransport(str(path))
    for spans in requests:
        (payload,) = transport.encode(Signal.TRACES, resource(), spans).payloads
        transport.send(Signal.TRACES, payload, 0)
    transport.close()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no json", "neither OTLP/JSON nor a journal of pytest-otlp"),
        ('{"a": 1}\n', f"line 1 {NO_LINE}"),
        ('{"resourceSpans": [{"scopeSpans": 3}]}\n', f"line 1 {NO_LINE}"),
        ('{"resourceSpans": [\n', f"line 1 {NO_LINE}"),
        ('{"resourceSpans": [\n{"scopeSpans": 3}]}\n', "no OTLP/JSON"),
        ('{"resourceSpans": []}\n\n{"a": 1}\n{"resourceSpans": []}\n', f"line 3 {NO_LINE}"),
        ('{"resourceSpans": []}\n{"resourceSpans": [{"scop\n{"resourceSpans": []}\n', f"line 2 {NO_LINE}"),
        (None, "No such file or directory"),
    ],
)
def test_what_cannot_be_imported_is_told(folder: Path, tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "it.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AssertionError) as error:
        View(folder, f"--import={path}")
    assert str(error.value) == f"pytest-otlp: {path}: {told}\n"


def test_a_foreign_database_is_left_alone(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE TABLE a (b)').connection.commit()"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    before = path.read_bytes()
    told = r"not a store of this version \(format 0, here 1\); use --db with another file"
    with pytest.raises(AssertionError, match=told):
        View(folder, f"--db={path}")
    assert path.read_bytes() == before


def test_otlp_json(view: View) -> None:
    """As another SDK sends it."""
    message = {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": TRACE.hex(),
                                "spanId": "00000000000000aa",
                                "name": "GET /",
                                "kind": 2,
                                "startTimeUnixNano": str(START),
                                "endTimeUnixNano": str(START + MS),
                                "attributes": [{"key": "n", "value": {"intValue": "9007199254740993"}}],
                                "unknown": {"field": 1},
                            }
                        ]
                    }
                ],
            }
        ]
    }
    answer = view.request(
        "POST", "/v1/traces", json.dumps(message).encode(), {"Content-Type": "application/json"}, port=view.http_port
    )
    assert (answer.status, answer.json, answer.headers["content-type"]) == (200, {}, "application/json")
    shown = view.get(f"/api/traces/{TRACE.hex()}")
    assert shown["spans"]["columns"]["kind"] == {"same": 2}
    assert shown["spans"]["columns"]["more"][0]["attributes"] == {"n": "9007199254740993"}
