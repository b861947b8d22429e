"""What the page says of a run that did not go as it should, or whose telemetry did not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_otlp import ids
from pytest_otlp.exporter.records import Attributes, LogRecord, Span, SpanEvent
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
            view.send(resource(run), [span._replace(trace_id=trace) for span in moved])
        view.send(resource("run-3"), [root("run-3", passed=1)])
        found = view.wait_for(lambda view: len(view.runs()) == 2 and view.runs())
        assert {run["id"] for run in found} == {"run-2", "run-3"}
        cookie = {"Cookie": view.cookie}
        assert view.request("GET", "/api/runs/run-0/tests", headers=cookie).status == 404
        assert view.request("DELETE", "/api/runs/run-2", headers=cookie).status == 204
        assert [run["id"] for run in view.runs()] == ["run-3"]
        assert view.request("DELETE", "/api/runs", headers=cookie).status == 204
        assert view.runs() == []


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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no json", "neither OTLP/JSON nor a journal of pytest-otlp"),
        ('{"a": 1}\n', "line 1 is no OTLP/JSON"),
        ('{"resourceSpans": [{"scopeSpans": 3}]}\n', "not the OTLP/JSON message that it is sent as"),
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
