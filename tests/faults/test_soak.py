"""A long run whose server goes away at random: nothing is lost, and neither process grows."""

from __future__ import annotations

import random
import re
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from faults.scene import SOAK, Live, Scene, _line_in, exporter_of, free_port, passing
from support import traces
from support.deadline import wait_until
from support.otlp_server import SILENT, Behaviour, OtlpServer, Reply, always, reset, slow
from support.received import ReceivedSpan
from support.runs import PytestProcess, Runner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

A_FILE = 250
"""Tests."""
MB = 1024 * 1024
LONGEST = 900.0
"""s for 50,000 tests; a bound for what hangs."""
TROUBLES: tuple[tuple[str, Behaviour | None], ...] = (
    ("gone", None),
    ("gone", None),
    ("503", always(Reply(503))),
    ("429", always(Reply(429, {"Retry-After": "1"}))),
    ("silent", always(SILENT)),
    ("slow", slow(1.5)),
    ("reset", reset()),
)


class Memory(threading.Thread):
    """The most that a process had in memory, sampled until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.most = 0
        """Bytes."""
        self.samples: list[int] = []
        self._status = Path(f"/proc/{pid}/status")
        self.start()

    def run(self) -> None:
        over = threading.Event()
        while (now := self._read()) is not None:
            self.samples.append(now)
            over.wait(0.05)

    def _read(self) -> int | None:
        try:
            found = dict(re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB", self._status.read_text(), re.MULTILINE))
        except OSError:
            return None
        if "VmHWM" not in found:  # it has ended, and nobody has waited for it
            return None
        self.most = max(self.most, int(found["VmHWM"]) * 1024)
        return int(found["VmRSS"]) * 1024


class Flighty:
    """Servers on one port, one after the other, with trouble in between."""

    def __init__(self, port: int, seed: int) -> None:
        self.servers: list[OtlpServer] = []
        self.troubles: Counter[str] = Counter()
        self._port = port
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def going_away(self) -> Iterator[None]:
        """At random, within the block; it is there for good when the block ends."""
        with ExitStack() as self._stack:
            self._come()
            self._thread.start()
            try:
                yield
            finally:
                self.stay()

    def stay(self) -> None:
        self._over.set()
        self._thread.join()

    def _come(self) -> None:
        self.servers.append(self._stack.enter_context(OtlpServer(port=self._port)))

    def _run(self) -> None:
        while not self._over.wait(self._random.uniform(0.5, 2)):
            name, behaviour = self._random.choice(TROUBLES)
            self.troubles[name] += 1
            server = self.servers[-1]
            if behaviour is None:
                server.stop()
            else:
                server.behaviour = behaviour
            self._over.wait(self._random.uniform(0.2, 2.5))
            # Whatever it was: what is held up ends with the server.
            server.stop()
            self._come()

    def spans(self) -> list[ReceivedSpan]:
        return [span for server in self.servers for span in server.spans()]

    def sizes(self) -> Mapping[bytes, Mapping[bytes, int]]:
        """Of every span in bytes, by the ids of its trace and its own."""
        found: defaultdict[bytes, dict[bytes, int]] = defaultdict(dict)
        requests = [request for server in self.servers for request in server.requests]
        for request in (request for request in requests if request.signal == "traces"):
            for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    found[span.trace_id][span.span_id] = span.ByteSize()
        return found


LAST = """
import pathlib, time

def test_last():
    pathlib.Path("held").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
"""


def files(tests: int) -> Mapping[str, str]:
    """The last test waits: it is the end of the run that must find a server."""
    return {**{f"test_{n:03}.py": passing(A_FILE) for n in range(tests // A_FILE)}, "test_last.py": LAST}


def memory_without(scene: Scene, suite: Mapping[str, str]) -> int:
    """Of the same run without the plugin."""
    runner = Runner(scene.runner.folder.parent / "baseline")
    runner._write(suite, "")
    (runner.folder / "go").touch()
    process = runner._start(["-q"], {}, junit=False)
    memory = Memory(process._process.pid)
    assert ended(process)[0] == 0
    memory.join()
    return memory.most


def ended(process: PytestProcess) -> tuple[int, str]:
    code, out, err = process.wait(LONGEST)
    assert "Traceback" not in err, err
    return code, out


@contextmanager
def started(scene: Scene, suite: Mapping[str, str], port: int) -> Iterator[Live]:
    scene.runner._write(suite, "")
    args = ["-q", f"--otel-endpoint=http://127.0.0.1:{port}", "--otel-metrics=on"]
    process = scene.runner._start(args, {"PYTEST_OTEL_EXIT_TIMEOUT": "60"}, junit=False)
    try:
        yield Live(scene.runner, process, None)
    finally:
        process.kill()


@pytest.mark.timeout(2 * LONGEST)
@pytest.mark.parametrize("tests", [1000, pytest.param(50_000, marks=SOAK)])
def test_12_a_server_that_goes_away_at_random(scene: Scene, tests: int) -> None:
    suite = files(tests)
    without = memory_without(scene, suite)
    flighty = Flighty(free_port(), seed=tests)
    with flighty.going_away(), started(scene, suite, flighty._port) as live:
        pytests = Memory(live.pid)
        wait_until(lambda: bool(flighty.spans()), "the first spans")
        exporters = Memory(exporter_of(live))
        wait_until((live.folder / "held").exists, "the last test", LONGEST)
        flighty.stay()
        (live.folder / "go").touch()
        code, out = ended(live.process)
        exporters.join()
        spans, sizes = flighty.spans(), flighty.sizes().values()
    longest, largest = max(map(len, sizes)), max(sum(trace.values()) for trace in sizes) / MB
    figures = {
        "tests": tests,
        "spans": len(spans),
        "traces": len(sizes),
        "largest trace, spans": longest,
        "largest trace, MB": round(largest, 1),
        "troubles": dict(flighty.troubles),
        "pytest without, MB": round(without / MB, 1),
        "pytest, MB": round(pytests.most / MB, 1),
        "exporter, MB": round(exporters.most / MB, 1),
    }
    scene.figures.append({"soak": figures})
    print(figures)
    assert code == 0
    line = _line_in(out)
    assert line is not None, out
    assert (line.tests, line.delivered, line.kept, line.rejected) == (tests + 1, line.produced, 0, 0), line.text
    # What was taken but not acknowledged, as the server went away, came again with the same ids.
    arrived = {span.span_id: span for span in spans}
    assert len(arrived) == line.produced
    assert len(traces.tests_of(arrived.values())) == tests + 1
    # What backends store and show of one trace.
    assert longest <= 20_000, figures
    assert largest <= 4, figures
    assert pytests.most - without < 10 * MB, figures
    assert exporters.most < 200 * MB, figures
