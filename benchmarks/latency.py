"""Measure how long it takes until a backend shows what a run does, with the stack that is shipped.

`python benchmarks/latency.py [--tests N] [--long N]`; needs what `make backends` builds, and leaves out what is not
there. The figures are of one machine at one time: run it on an idle one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from backends.programs import has_program  # noqa: E402  tests/ is a path of its own
from backends.project import Project, finish  # noqa: E402  tests/ is a path of its own
from backends.stack import Stack  # noqa: E402  tests/ is a path of its own

SUITE = """
import time
from pathlib import Path

import pytest


def note(what, request):
    with Path(what).open("a") as file:
        file.write(f"{request.node.nodeid} {time.time()}\\n")


@pytest.fixture
def noted(request):
    note("starts", request)
    yield
    # The last thing that a test does: what is later is the plugin's.
    note("ends", request)


@pytest.mark.parametrize("number", range(TESTS))
def test_takes_a_while(noted, number):
    time.sleep(SECONDS)
"""
PAUSES = """
import time


def pytest_runtest_logfinish():
    time.sleep(PAUSE)
"""
LONG = 5.0
"""s after which a running test has a span that says so."""
Look = Callable[[], set[str]]
"""The node ids of the tests that are seen now."""


class Kind(NamedTuple):
    """What is waited for."""

    title: str
    since: str
    """The file with the times at which the tests began, or ended."""
    after: float
    """s from then until there is something to be seen."""
    seconds: float
    """s that a test takes."""
    pause: float
    """s between two tests."""


FINISHED = Kind("a test's end", "ends", 0, 0.2, 0)
RUNNING = Kind("a test that runs for 5 s", "starts", LONG, LONG + 4, 0)
ACTIVE = Kind("a test's start, as one more that runs", "starts", 0, 3, 3)


class Case(NamedTuple):
    kind: Kind
    backend: str
    protocol: str
    look: Callable[[Stack, str, list[str]], Look]
    """Of the stack, the name of the service and the tests in their order."""


def finished_in_jaeger(stack: Stack, service: str, order: list[str]) -> Look:
    del order
    return lambda: {span.name for trace in stack.jaeger.search(service) for span in trace.tests}


def finished_in_tempo(stack: Stack, service: str, order: list[str]) -> Look:
    del order
    query = f'{{resource.service.name="{service}" && span.test.case.result.status != nil}}'
    return lambda: {span["name"] for span in stack.tempo.spans(f"{query} | by(span:id) | select(name)")}


def finished_in_prometheus(stack: Stack, service: str, order: list[str]) -> Look:
    """A metric names no test; they end in their order, so the count says which."""
    query = f'sum(test_case_result_count_total{{service_name="{service}"}})'
    return lambda: set(order[: int(stack.prometheus.value(query) or 0)])


def running_in_jaeger(stack: Stack, service: str, order: list[str]) -> Look:
    del order
    ending = " running"
    return lambda: {
        span.name.removesuffix(ending)
        for trace in stack.jaeger.search(service)
        for span in trace.spans
        if span.name.endswith(ending)
    }


def running_in_tempo(stack: Stack, service: str, order: list[str]) -> Look:
    del order
    query = f'{{resource.service.name="{service}" && name =~ ".* running"}} | by(span:id) | select(name)'
    return lambda: {span["name"].removesuffix(" running") for span in stack.tempo.spans(query)}


def active_in_prometheus(stack: Stack, service: str, order: list[str]) -> Look:
    """Between two tests none is active: each rise is the next one's start."""
    query = f'sum(test_case_active{{service_name="{service}"}})'
    values = [0.0]

    def look() -> set[str]:
        values.append(stack.prometheus.value(query) or 0)
        rises = sum(after > before for before, after in pairwise(values))
        return set(order[:rises])

    return look


CASES = (
    Case(FINISHED, "jaeger", "http/protobuf", finished_in_jaeger),
    Case(FINISHED, "jaeger", "grpc", finished_in_jaeger),
    Case(FINISHED, "tempo", "http/protobuf", finished_in_tempo),
    Case(FINISHED, "tempo", "grpc", finished_in_tempo),
    Case(FINISHED, "prometheus", "http/protobuf", finished_in_prometheus),
    Case(FINISHED, "prometheus", "grpc", finished_in_prometheus),
    Case(ACTIVE, "prometheus", "http/protobuf", active_in_prometheus),
    Case(RUNNING, "jaeger", "http/protobuf", running_in_jaeger),
    Case(RUNNING, "tempo", "http/protobuf", running_in_tempo),
)


def watch(look: Look, over: Callable[[], bool], expected: set[str]) -> dict[str, float]:
    """Look until everything is seen; when (s since the epoch) each test was seen first."""
    seen: dict[str, float] = {}
    deadline = 0.0
    while len(seen) < len(expected):
        found, now = look(), time.time()
        for test in found & expected:
            seen.setdefault(test, now)
        deadline = deadline or (time.monotonic() + 30 if over() else 0)
        if deadline and time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return seen


def measure(stack: Stack, folder: Path, case: Case, tests: int) -> list[float]:
    """The delays, s, of those that were seen, with nobody else looking."""
    folder.mkdir()
    project = Project(folder, f"latency-{folder.name}")
    project.write(SUITE.replace("TESTS", str(tests)).replace("SECONDS", str(case.kind.seconds)))
    (folder / "conftest.py").write_text(PAUSES.replace("PAUSE", str(case.kind.pause)))
    order = [f"test_shop.py::test_takes_a_while[{number}]" for number in range(tests)]
    address = stack.collector.grpc if case.protocol == "grpc" else stack.collector.http
    process = project.start(f"--otel-endpoint=http://{address}", f"--otel-protocol={case.protocol}")
    look = case.look(stack, project.service, order)
    seen = watch(look, lambda: process.poll() is not None, set(order))
    finish(process)
    noted = dict(line.rsplit(" ", 1) for line in (folder / case.kind.since).read_text().splitlines())
    return [when - float(noted[test]) - case.kind.after for test, when in seen.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tests", type=int, default=60, help="how many tests of 0.2 s each (default: %(default)s)")
    parser.add_argument("--long", type=int, default=5, help="how many of some seconds each (default: %(default)s)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "stack").mkdir()
        stack = Stack(Path(scratch) / "stack")
        with stack.running():
            print("| from | until it is seen in | over | median | worst | seen |\n|---|---|---|--:|--:|--:|")
            for number, case in enumerate(CASES):
                if has_program(case.backend):
                    tests = asked.tests if case.kind is FINISHED else asked.long
                    delays = measure(stack, Path(scratch) / str(number), case, tests)
                    median, worst = statistics.median(delays), max(delays)
                    where = f"{case.kind.title} | {case.backend.capitalize()} | {case.protocol}"
                    print(f"| {where} | {median:.2f} s | {worst:.2f} s | {len(delays)} of {tests} |", flush=True)


if __name__ == "__main__":
    main()
