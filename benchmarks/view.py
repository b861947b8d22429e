"""What `pytest-otlp view` takes, and how long one waits who looks: `make bench-view` writes docs/benchmarks-view.md.

First a sender and the receiver on one machine, over loopback; the payloads are encoded beforehand, as the plugin does
it. Then the page and the reports in a browser. BENCH_TESTS=2000 shows in a minute that everything runs, and writes no
page.
"""

from __future__ import annotations

import gzip
import http.client
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

if __name__ == "__main__":
    _ROOT = Path(__file__).resolve().parent.parent
    sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]

from benchmarks import view_page
from benchmarks.page import stolen, ticks
from benchmarks.venvs import ROOT
from benchmarks.view_browser import browser
from benchmarks.view_page import Figure
from benchmarks.view_reports import Peers
from pytest_otlp import ids
from pytest_otlp.exporter.encode import encode
from pytest_otlp.exporter.exporter import BATCH
from pytest_otlp.exporter.records import Attributes, Span
from support.viewer import View

TESTS = int(os.environ.get("BENCH_TESTS", "50000"))
SPANS = TESTS * 4
PAGE = ROOT / "docs" / "benchmarks-view.md"
CONNECTIONS = 4
RATE = 20_000
"""Spans a second, where the delay is measured."""
SECONDS = 8
HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}


class Load(NamedTuple):
    """Requests, and how many tests are in each."""

    run: str
    bodies: Sequence[bytes]
    tests: Sequence[int]
    spans: int


def spans_of(run: str, trace: bytes, number: int, begin: int) -> Iterator[Span]:
    nodeid = f"tests/test_{number // 100}.py::test_case[{number % 100}]"
    own = ids.test_span_id(run, "", nodeid, 1)
    start, above = begin + number * 40_000, ids.span_id(run, "session").to_bytes(8, "big")
    attributes: Attributes = {
        "test.case.name": nodeid,
        "test.case.result.status": "pass",
        "pytest.outcome": "passed",
        "pytest.attempt": 1,
        "pytest.duration": 0.002,
        "test.suite.name": f"tests/test_{number // 100}.py",
        "code.file.path": f"tests/test_{number // 100}.py",
        "code.function.name": f"tests.test_{number // 100}.test_case",
        "code.line.number": 12,
        "pytest.parameters.number": str(number % 100),
    }
    test = own.to_bytes(8, "big")
    yield Span(trace, test, above, nodeid, start, start + 2_000_000, attributes)
    for phase in ("setup", "call", "teardown"):
        phase_id = ids.phase_span_id(own, phase).to_bytes(8, "big")
        said = {"pytest.phase": phase, "pytest.outcome": "passed"}
        yield Span(trace, phase_id, test, phase, start, start + 600_000, said)


def load(run: str, spans: int) -> Load:
    trace, begin = os.urandom(16), time.time_ns()
    resource = {"service.name": "bench", "pytest.run.id": run, "host.name": "elsewhere"}
    bodies, tests = [], []
    for first in range(0, spans // 4, BATCH // 4):
        numbers = range(first, min(first + BATCH // 4, spans // 4))
        records = [span for number in numbers for span in spans_of(run, trace, number, begin)]
        (payload,) = encode(resource, records).payloads
        assert isinstance(payload.data, bytes)
        bodies.append(gzip.compress(payload.data, 1))
        tests.append(len(numbers))
    return Load(run, bodies, tests, spans // 4 * 4)


def post(connection: http.client.HTTPConnection, body: bytes) -> None:
    """Until it is acknowledged."""
    while True:
        connection.request("POST", "/v1/traces", body, HEADERS)
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            return
        assert answer.status == 429, answer.status
        time.sleep(float(answer.headers["Retry-After"]))


def taken_in(view: View) -> Figure:
    """As fast as it goes, over a few connections; everything acknowledged has to be there."""
    given = load("fast", SPANS)
    bodies, lock = iter(given.bodies), threading.Lock()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", view.http_port)
        while True:
            with lock:
                body = next(bodies, None)
            if body is None:
                return
            post(connection, body)

    senders = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    before, begin = cpu(view), time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    seconds = time.perf_counter() - begin
    run = next(run for run in view.runs() if run["id"] == given.run)
    lost = given.spans - run["spans"]
    rate = given.spans / seconds
    told = f"{rate:,.0f} spans/s, {lost} lost"
    if used := cpu(view) - before:
        told += f"; {used / given.spans * 1e6:.0f} µs of CPU a span"
    target = ">= 25,000 spans/s, nothing lost"
    return Figure(f"taken in, {given.spans:,} spans", target, told, rate >= 25_000 and lost == 0)


def delay(view: View) -> tuple[str, str]:
    """From the moment a request is sent to the event with its tests, at a steady rate."""
    given = load("steady", RATE * SECONDS)
    stream = view.events()
    connection = http.client.HTTPConnection("127.0.0.1", view.http_port)
    sent, begin = [], time.monotonic()
    for number, body in enumerate(given.bodies):
        time.sleep(max(0.0, begin + number * BATCH / RATE - time.monotonic()))
        sent.append(time.monotonic())
        post(connection, body)
    rate = given.spans / (time.monotonic() - begin)
    total = sum(given.tests)
    stream.wait_for(
        lambda _: sum(table["count"] for table in stream.named("tests") if table["run"] == given.run) == total
    )
    arrivals = [(e.data["from"] + e.data["count"], e.arrival) for e in stream.seen if e.name == "tests"]
    stream.close()
    covered, delays = 0, []
    for when, tests in zip(sent, given.tests, strict=True):
        covered += tests
        delays.append(next(arrival for rows, arrival in arrivals if rows >= covered) - when)
    cuts = quantiles(delays, n=100)
    return (
        f"{rate:,.0f} spans/s",
        f"p50 {cuts[49] * 1e3:.0f} ms, p95 {cuts[94] * 1e3:.0f} ms, worst {max(delays) * 1e3:.0f} ms",
    )


def cpu(view: View) -> float:
    """Seconds that the receiver has used; 0 where the system does not tell."""
    path = Path(f"/proc/{view.process.pid}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(view: View) -> Figure:
    """The most that the receiver has held, where the system tells."""
    what, target = f"memory of the receiver at {SPANS:,} spans", "<= 150 MB"
    path = Path(f"/proc/{view.process.pid}/status")
    if not path.exists():
        return Figure(what, target, "not told by this system", None)
    (line,) = [line for line in path.read_text().splitlines() if line.startswith("VmHWM:")]
    held = int(line.split()[1]) / 1024
    return Figure(what, target, f"{held:.0f} MB", held <= 150)


def receiver() -> list[Figure]:
    """The receiver's own figures."""
    with tempfile.TemporaryDirectory() as place, View(Path(place)) as view:
        found = [taken_in(view), memory(view)]
        rate, told = delay(view)
        size = sum(path.stat().st_size for path in Path(place).rglob("runs.db*"))
    found.append(Figure(f"receipt to the page's events, {rate} coming in", "", told, None))
    found.append(Figure("store", "", f"{size / (SPANS + RATE * SECONDS):.0f} bytes a span", None))
    return found


NOTES = (
    "pytest-html has no filter by text. Playwright's and Vitest's reports cannot be sorted by a click.",
    "otel-desktop-viewer, the nearest to the live page, is not among the peers: no Go module of it could be had.",
)


def main() -> None:
    tests = max(100, TESTS * 2 // 5)
    before = ticks()
    reports = list(Peers(ROOT / ".venvs" / "bench-view", tests).reports())
    figures = receiver()
    seen = browser(reports, tests, TESTS)
    figures += [Figure(**row) for row in seen["rows"]]
    facts = {**stolen(before, ticks()), **seen["versions"], "date": time.strftime("%Y-%m-%d", time.gmtime())}
    text = view_page.render(figures, seen["peers"], facts, NOTES)
    if TESTS == 50_000:
        PAGE.write_text(text, encoding="utf-8")
        print(f"wrote {PAGE}", file=sys.stderr)
    else:
        print(text)


if __name__ == "__main__":
    main()
