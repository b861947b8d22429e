"""Tests that replace what telemetry stands on: the global provider, the clock, the network."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from faults.scene import DEADLINE, Scene, check_delivered, delivered_later, free_port
from support import traces
from support.otlp_server import OtlpServer
from support.runs import PytestProcess, Run

# 26

PROVIDER = """
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

def reset():
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE = Once()

@pytest.fixture
def exporter():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    assert trace.get_tracer_provider() is provider
    yield exporter
    provider.shutdown()
    reset()

def order():
    with trace.get_tracer("shop").start_as_current_span("order") as span:
        assert trace.get_current_span() is span

def test_nothing_is_set():
    assert type(trace.get_tracer_provider()) is trace.ProxyTracerProvider

@pytest.mark.parametrize("n", range(3))
def test_a_provider_of_the_test(exporter, n):
    order()
    assert [span.name for span in exporter.get_finished_spans()] == ["order"]

def test_a_provider_that_is_shut_down():
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().shutdown()
    order()

def test_a_provider_that_stays():
    assert isinstance(trace.get_tracer_provider(), TracerProvider)

def test_fails():
    assert trace.get_tracer_provider() is None

def test_reset():
    reset()
    assert type(trace.get_tracer_provider()) is trace.ProxyTracerProvider

@pytest.mark.parametrize("name", ["_TRACER_PROVIDER", "get_current_span", "Tracer", "NonRecordingSpan"])
def test_broken(monkeypatch, name):
    monkeypatch.setattr(trace, name, None)
"""


def test_26_the_application_owns_the_global_provider(scene: Scene, workers: tuple[str, ...]) -> None:
    with OtlpServer() as server:
        # In the file's order: what one test leaves behind, the next one sees.
        ended = scene.run(PROVIDER, server, *workers, *(["--dist=loadfile"] if workers else []))
    assert ended.run.summary == Counter(passed=11, failed=1)
    assert len(check_delivered(ended).tests) == 12


def test_26_roots_of_the_application_stay_roots_where_asked(scene: Scene) -> None:
    suite = f"""{PROVIDER}
def test_root(exporter):
    order()
    assert exporter.get_finished_spans()[0].parent is None
"""
    with OtlpServer() as server:
        ended = scene.run(suite, server, "-k", "root", ini="otel_context = off")
    assert ended.run.summary == Counter(passed=1, deselected=12)
    check_delivered(ended)


# 27

CLOCK = """
import datetime, json, time
import pytest

# Neither library stops this clock, which keeps the distance of the two at the import.
now = lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC) + distance
distance = time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
seen = []

@pytest.fixture(scope="module", autouse=True)
def stopped():
    FREEZE
    with open("seen.json", "w") as file:
        json.dump(seen, file)

@pytest.mark.parametrize("n", range(4))
def test_n(n):
    begin = now()
    assert datetime.datetime.now().year == 2001
    time.sleep(0.02)
    seen.append([begin, now()])
    assert n != 2
"""
FREEZERS = {
    "freezegun, never stopped": "import freezegun\n    freezegun.freeze_time('2001-02-03').start()\n    yield",
    "freezegun, everything": (
        "import freezegun\n    freezegun.configure(default_ignore_list=['threading'])\n"
        "    with freezegun.freeze_time('2001-02-03'): yield"
    ),
    "time_machine": "import time_machine\n    with time_machine.travel('2001-02-03', tick=False): yield",
}
NEAR = 5_000_000
"""ns by which the system may set its clock meanwhile."""


@pytest.mark.skipif(not hasattr(time, "clock_gettime_ns"), reason="a clock that the libraries do not stop")
@pytest.mark.parametrize("freezer", FREEZERS)
def test_27_stopped_clocks(scene: Scene, freezer: str) -> None:
    pytest.importorskip(freezer.partition(",")[0])
    with OtlpServer() as server:
        ended = scene.run(CLOCK.replace("FREEZE", FREEZERS[freezer]), server)
    run = check_delivered(ended)
    assert_real_times(run)


IN_CONFTEST = {
    "freezegun": "import freezegun\nfreezegun.freeze_time('1990-01-01').start()\n",
    "freezegun, everything": (
        "import freezegun\nfreezegun.configure(default_ignore_list=['threading'])\n"
        "freezegun.freeze_time('1990-01-01').start()\n"
    ),
    "time_machine": "import time_machine\ntime_machine.travel('1990-01-01', tick=False).start()\n",
}


@pytest.mark.parametrize("freezer", IN_CONFTEST)
def test_27_a_clock_that_is_stopped_before_the_run(scene: Scene, freezer: str, workers: tuple[str, ...]) -> None:
    pytest.importorskip(freezer.partition(",")[0])
    suite = {
        "conftest.py": IN_CONFTEST[freezer],
        "test_it.py": "import time\ndef test_a(): assert time.gmtime().tm_year == 1990\ndef test_b(): assert 0\n",
    }
    before = time.time_ns()
    with OtlpServer() as server:
        run = check_delivered(scene.run(suite, server, *workers))
    after = time.time_ns()
    assert all(before - NEAR <= span.start < span.end <= after + NEAR for span in run.spans)
    assert not [span.name for span in run.spans if traces.is_running_marker(span)]
    assert len(run.tests) == 2


def assert_real_times(run: Run) -> None:
    """Each call lies between what its test saw and what the tests around it saw."""
    seen: list[tuple[int, int]] = json.loads((run.folder / "seen.json").read_text())
    calls = [run.phase(test.name, "call") for test in run.tests]
    assert len(seen) == len(calls) == 4
    before = [run.root.start, *(end for _, end in seen)]
    after = [*(begin for begin, _ in seen[1:]), run.root.end]
    for (begin, end), call, earliest, latest in zip(seen, calls, before, after, strict=False):
        assert earliest - NEAR <= call.start <= begin + NEAR
        assert end - NEAR <= call.end <= latest + NEAR


# 28

MOCKS = {
    "responses": """
        import json, responses

        mock = responses.RequestsMock(assert_all_requests_are_fired=False)

        def pytest_configure():
            mock.add(responses.GET, "http://shop/", "mocked")
            mock.start()

        def pytest_unconfigure():
            mock.stop()
            with open("calls.json", "w") as file:
                json.dump([call.request.url for call in mock.calls], file)
    """,
    "respx": """
        import json, respx

        mock = respx.mock(assert_all_called=False)

        def pytest_configure():
            mock.get("http://shop/").respond(text="mocked")
            mock.start()

        def pytest_unconfigure():
            calls = [str(call.request.url) for call in mock.calls]
            mock.stop(quiet=True)
            with open("calls.json", "w") as file:
                json.dump(calls, file)
    """,
    "vcr": """
        import json, vcr
        from vcr.record_mode import RecordMode

        calls = []
        recorder = vcr.VCR(record_mode=RecordMode.NONE, before_record_request=lambda request: calls.append(request.uri))
        cassette = recorder.use_cassette("shop.yaml")

        def pytest_configure():
            cassette.__enter__()

        def pytest_unconfigure():
            cassette.__exit__(None, None, None)
            with open("calls.json", "w") as file:
                json.dump(calls, file)
    """,
}
CALL = {
    "responses": "import requests\n    assert requests.get('http://shop/').text == 'mocked'",
    "respx": "import httpx\n    assert httpx.get('http://shop/').text == 'mocked'",
    # Nothing is recorded, so the one thing to see is that nobody asked.
    "vcr": "pass",
}
SEEN = {"responses": ["http://shop/"], "respx": ["http://shop/"], "vcr": []}


@pytest.mark.parametrize("library", MOCKS)
def test_28_a_mock_of_the_network_for_the_whole_session(scene: Scene, library: str) -> None:
    pytest.importorskip(library)
    suite = {"conftest.py": MOCKS[library], "test_it.py": f"def test_a(): pass\ndef test_b():\n    {CALL[library]}\n"}
    with OtlpServer() as server:
        ended = scene.run(suite, server)
    assert ended.run.summary == Counter(passed=2)
    check_delivered(ended)
    assert json.loads((ended.run.folder / "calls.json").read_text()) == SEEN[library]


NO_SOCKET = """
import socket
import pytest
from pytest_socket import SocketBlockedError

def test_a(): pass

def test_no_socket():
    with pytest.raises(SocketBlockedError):
        socket.socket()
"""


def test_28_no_sockets_in_the_whole_session(scene: Scene) -> None:
    pytest.importorskip("pytest_socket")
    with OtlpServer() as server:
        ended = scene.run(NO_SOCKET, server, "-p", "socket", "--disable-socket")
    assert ended.run.exit_code == 0
    assert len(check_delivered(ended).tests) == 2


def test_28_a_socket_that_is_replaced_for_good(scene: Scene) -> None:
    suite = """
        import http.client, socket, ssl, subprocess, urllib.request

        def broken(*args, **kwargs): raise OSError("no network in tests")

        for module, name in [(socket, "socket"), (socket, "create_connection"), (socket, "getaddrinfo"),
                             (http.client, "HTTPConnection"), (ssl, "SSLContext"), (urllib.request, "urlopen")]:
            setattr(module, name, broken)

        def test_a(): pass
    """
    with OtlpServer() as server:
        check_delivered(scene.run(suite, server))


# 29

UNTOUCHED = """
import json, logging, os, threading, time, warnings
import pytest

@pytest.fixture(scope="session", autouse=True)
def noted():
    yield
    with open("environ.json", "w") as file:
        json.dump(dict(os.environ), file)

@pytest.mark.parametrize("n", range(3))
def test_log(caplog, n):
    caplog.set_level(0)
    # Long enough for an exporter to have been refused.
    time.sleep(0.2)
    logging.getLogger("shop").debug("mine")
    assert [record.name for record in caplog.get_records("setup") + caplog.records] == ["shop"]
    assert logging.getLogger("opentelemetry").handlers == []
    assert logging.getLogger("pytest_otlp").handlers == []

def test_warnings(recwarn):
    warnings.simplefilter("always")
    time.sleep(0.2)
    assert [str(warning.message) for warning in recwarn] == []

def test_threads():
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(("otlp", "Otel"))] == []

def test_output(capfd):
    time.sleep(0.2)
    assert capfd.readouterr() == ("", "")
"""


def test_29_nothing_is_heard_of_a_dead_endpoint(scene: Scene) -> None:
    ended = scene.run(UNTOUCHED, f"http://127.0.0.1:{free_port()}", "-W", "error")
    assert ended.run.summary == Counter(passed=6)
    assert environ(ended.run) == environ(scene.without(UNTOUCHED, "-W", "error"))
    delivered_later(ended)


def environ(run: Run) -> dict[str, str]:
    found: dict[str, str] = json.loads((run.folder / "environ.json").read_text())
    assert found.pop("PYTEST_DEBUG_TEMPROOT")
    return found


# 30

INSTRUMENTED = """
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

def test_a():
    assert isinstance(trace.get_tracer_provider(), TracerProvider)
    with trace.get_tracer("shop").start_as_current_span("order"):
        pass

def test_b(): pass
def test_fails(): assert 0
"""


def test_30_opentelemetry_instrument(scene: Scene) -> None:
    pytest.importorskip("opentelemetry.instrumentation.auto_instrumentation")
    pytest.importorskip("opentelemetry.distro")
    with OtlpServer() as server:
        run = instrumented(scene, server)
    assert (run.exit_code, run.summary) == (1, Counter(passed=2, failed=1)), run.stdout
    ours = [span for span in run.spans if span.scope[0] != "shop"]
    whole = Run(run.folder, run.exit_code, run.stdout, run.stderr, ours)
    assert traces.problems(ours) == []
    assert len(whole.tests) == 3
    assert run.our_delivery == (3, len(ours))
    (order,) = (span for span in run.spans if span.scope[0] == "shop")
    assert order.parent_id == whole.phase("test_a", "call").span_id
    assert order.trace_id == whole.root.trace_id


def instrumented(scene: Scene, server: OtlpServer) -> Run:
    """As `opentelemetry-instrument pytest ...` does it, with an exporter of the application to the same endpoint."""
    runner = scene.runner
    runner._write(INSTRUMENTED, "")
    start = "import sys; from opentelemetry.instrumentation.auto_instrumentation import run; sys.exit(run())"
    command = [sys.executable, "-c", start, sys.executable, "-m", "pytest", "--otel"]
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    process = PytestProcess(command, runner.folder, runner._environment(env), Path(runner._base, "instrumented"), "")
    code, out, err = process.wait(DEADLINE)
    return Run(runner.folder, code, out, err, server.spans())
