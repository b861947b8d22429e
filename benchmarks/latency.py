"""Measure how long it takes from a test's end until a backend shows it, with the stack that is shipped.

`python benchmarks/latency.py [--tests N]`; needs what `make backends` builds, and leaves out what is not there. The
figures are of one machine at one time: run it on an idle one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from backends.programs import has_program  # noqa: E402  tests/ is a path of its own
from backends.project import Project, finish  # noqa: E402  tests/ is a path of its own
from backends.stack import Stack  # noqa: E402  tests/ is a path of its own

SUITE = """
import time
from pathlib import Path

import pytest


@pytest.fixture
def told(request):
    yield
    # The last thing that a test does: what is later is the plugin's.
    Path("ends").open("a").write(f"{request.node.nodeid} {time.time()}\\n")


@pytest.mark.parametrize("number", range(TESTS))
def test_takes_a_while(told, number):
    time.sleep(0.2)
"""
Look = Callable[[], set[str]]
"""The node ids of the tests that are seen now."""


def in_jaeger(stack: Stack, service: str) -> Look:
    return lambda: {span.name for trace in stack.jaeger.search(service) for span in trace.tests}


def in_tempo(stack: Stack, service: str) -> Look:
    query = f'{{resource.service.name="{service}" && span.test.case.result.status != nil}}'
    return lambda: {span["name"] for span in stack.tempo.spans(f"{query} | select(name)")}


def in_prometheus(stack: Stack, service: str, order: list[str]) -> Look:
    """A metric names no test; they end in their order, so the count says which."""
    query = f'sum(test_case_result_count_total{{service_name="{service}"}})'
    return lambda: set(order[: int(stack.prometheus.value(query) or 0)])


def watch(looks: Mapping[str, Look], over: Callable[[], bool], expected: set[str]) -> dict[str, dict[str, float]]:
    """Look until everything is seen everywhere; when (s since the epoch) each test was seen first, by backend."""
    seen: dict[str, dict[str, float]] = {name: {} for name in looks}
    deadline = 0.0
    while any(len(found) < len(expected) for found in seen.values()):
        for name, look in looks.items():
            found = look()
            now = time.time()
            for test in found & expected:
                seen[name].setdefault(test, now)
        deadline = deadline or (time.monotonic() + 30 if over() else 0)
        if deadline and time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return seen


def measure(stack: Stack, folder: Path, tests: int, backend: str) -> tuple[float, float, int]:
    """The median and the worst (s), and how many were seen, with nobody else looking."""
    folder.mkdir()
    project = Project(folder, f"latency-{backend}")
    project.write(SUITE.replace("TESTS", str(tests)))
    order = [f"test_shop.py::test_takes_a_while[{number}]" for number in range(tests)]
    looks = {
        "jaeger": lambda: in_jaeger(stack, project.service),
        "tempo": lambda: in_tempo(stack, project.service),
        "prometheus": lambda: in_prometheus(stack, project.service, order),
    }
    process = project.start(f"--otel-endpoint=http://{stack.collector.http}")
    seen = watch({backend: looks[backend]()}, lambda: process.poll() is not None, set(order))[backend]
    finish(process)
    ends = dict(line.rsplit(" ", 1) for line in (folder / "ends").read_text().splitlines())
    delays = [when - float(ends[test]) for test, when in seen.items()]
    return statistics.median(delays), max(delays), len(delays)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tests", type=int, default=60, help="how many tests of 0.2 s each (default: %(default)s)")
    tests = parser.parse_args().tests
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "stack").mkdir()
        stack = Stack(folder / "stack")
        with stack.running():
            for backend in filter(has_program, ("jaeger", "tempo", "prometheus")):
                median, worst, number = measure(stack, folder / backend, tests, backend)
                print(f"{backend:10} median {median:5.2f} s  worst {worst:5.2f} s  {number} of {tests} tests")


if __name__ == "__main__":
    main()
