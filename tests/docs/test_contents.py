"""docs/telemetry.md names what real runs send, no more and no less."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from support.page import ROOT, TELEMETRY_TABLES, Page, names_in
from support.received import ReceivedSpan
from support.runs import Run, Runner
from support.traces import is_file, is_file_marker, is_running_marker, is_start_marker, is_test

PAGE = Page("docs/telemetry.md")
EVENTS = {"exception": "Exception", "pytest.warning": "Warning"}
"""Their headings by names of events."""
Seen: TypeAlias = dict[str, set[str]]
"""Names by heading of the page."""

NOT_SEEN = {
    "Resource": {
        # Not told by GitHub Actions; tests/unit/resource has every CI system.
        "cicd.pipeline.task.run.id",
        "cicd.pipeline.task.run.url.full",
        "vcs.ref.base.revision",
    },
    "Marker": {
        # Of a test that takes 5 s; tests/e2e/test_demo.py waits for one.
        "test.case.name",
        "pytest.worker",
    },
    "Run": {
        # Of a checkout, and of pytest-split; tests/plugin/test_startup.py has both.
        "pytest.rootdir",
        "pytest.split.group",
        "pytest.split.splits",
        # Of more than a trace has room for, here and on the test; tests/plugin/test_subtests.py has that.
        "pytest.spans.dropped",
    },
    # The second with more detail; tests/plugin/test_fixtures.py has it.
    "Test": {"pytest.spans.dropped", "pytest.fixtures.cached"},
    # Needs somebody who types; tests/plugin/test_debugger.py does.
    "Debugger": {"pytest.debugger"},
}
"""What is on the page and needs more than the runs below, with the reason."""

CONFTEST = """
    import time
    import pytest

    time.sleep(0.02)

    @pytest.fixture(scope="module", params=["small", "large"])
    def shop(request):
        yield request.param
        time.sleep(0.002)

    @pytest.fixture
    def broken():
        raise RuntimeError("no shop")
"""
SUITE = """
    import logging
    import sys
    import time
    import unittest
    import warnings
    import pytest

    warnings.warn("when collected")
    # Longer than a file may take without a span.
    time.sleep(0.02)

    class TestCart:
        '''What a cart does.'''

        @pytest.mark.parametrize("currency", ["eur"])
        def test_total(self, shop, currency, record_property, otel_span):
            record_property("ticket", 12)
            otel_span.set_attribute("total", 140)
            otel_span.add_event("counted")

    @pytest.mark.xdist_group("till")
    def test_fails():
        print("out")
        print("err", file=sys.stderr)
        warnings.warn("old")
        for number in range(1001):
            logging.warning("log")
        assert 1 == 2

    def test_error(broken):
        pass

    @pytest.mark.skip(reason="not sold yet")
    def test_skipped():
        pass

    @pytest.mark.xfail(reason="known")
    def test_expected_to_fail():
        assert False

    @pytest.mark.xfail(strict=True)
    def test_unexpectedly_passes():
        pass

    class TestParts(unittest.TestCase):
        def test_each(self):
            for number in range(2):
                with self.subTest("price", number=number):
                    self.assertEqual(number, 1)

    def test_deselected():
        pass
"""
SKIPPED_FILE = """
    import pytest
    pytest.skip("not on this system", allow_module_level=True)
"""
BROKEN_FILE = "import nothing_of_this_name"
RERUN = """
    ATTEMPTS = []

    def test_flaky():
        ATTEMPTS.append(1)
        assert len(ATTEMPTS) == 2
"""
CRASH = """
    import os

    def test_crashes():
        os._exit(3)

    def test_passes():
        pass
"""
SCENARIO = {
    "shop.feature": """\
Feature: Shop
    Scenario: Buying
        Given a shop
""",
    "test_shop.py": """
        from pytest_bdd import given, scenarios

        scenarios("shop.feature")

        @given("a shop")
        def _(): assert 0
    """,
}
INTERRUPT = """
    def test_interrupted():
        raise KeyboardInterrupt
"""


WARNED = """
    import warnings

    def pytest_runtest_logfinish():
        warnings.warn("after the test")
"""
LOGGED = """
    import logging

    def test_logs():
        try:
            raise LookupError("caught")
        except LookupError:
            logging.exception("in vain")
"""


def everything(run_pytest: Runner) -> Iterator[Run]:
    captured = json.loads((ROOT / "tests/unit/resource/captured/github-change.json").read_text("utf-8"))
    files = {"conftest.py": CONFTEST, "test_it.py": SUITE, "test_skip.py": SKIPPED_FILE, "test_bad.py": BROKEN_FILE}
    options = ["--otel-detail=fixtures", "--otel-logs=on", "--continue-on-collection-errors"]
    yield run_pytest(
        files, *options, "-k", "not deselected", env=captured["environment"], ini="markers = xdist_group(name): -"
    )
    yield run_pytest(RERUN, "-p", "rerunfailures", "--reruns=1")
    yield run_pytest(CRASH, "--otel-logs=on", "-n1")
    yield run_pytest(INTERRUPT)
    yield run_pytest({"conftest.py": WARNED, "test_it.py": LOGGED}, "--otel-logs=on", "--otel-trace-per=file")
    yield run_pytest(SCENARIO, "-p", "pytest_bdd.plugin")


def kind_of(span: ReceivedSpan) -> str:
    if is_start_marker(span) or is_running_marker(span):
        return "Marker"
    if "test.suite.run.status" in span.attributes:
        return "Run"
    if is_test(span):
        return "Test"
    if is_file(span) or is_file_marker(span):
        return "Split runs"
    if "pytest.phase" in span.attributes:
        return "Phase"
    if any(name.startswith("pytest.bdd.") for name in span.attributes):
        return "Scenario"
    below = {"fixture": "Fixture", "subtest": "Subtest", "worker": "Worker"}
    return below.get(span.name.partition(" ")[0], "Collection")


ENDS = {"pytest.parameters.": "<name>", "pytest.property.": "<name>", "pytest.deselected.": "<who>"}


def plain(names: Iterable[str]) -> set[str]:
    """Names whose end the user chooses, as the page has them."""
    found = set()
    for name in names:
        prefix = next((prefix for prefix in ENDS if name.startswith(prefix)), "")
        found.add(prefix + ENDS[prefix] if prefix else name)
    return found


def seen_in(runs: Iterable[Run]) -> Seen:
    seen: Seen = defaultdict(set)
    for run in runs:
        for span in run.spans:
            seen[kind_of(span)] |= plain(span.attributes)
            seen["Resource"] |= span.resource.keys()
            for event in span.events:
                seen["Events"].add(event.name)
                if event.name in EVENTS:
                    seen[EVENTS[event.name]] |= event.attributes.keys()
        for metric in run.metrics:
            seen[metric.name] |= {name for point in metric.points for name in point.attributes}
        for record in run.logs:
            assert record.attributes.get("event.name", "") == record.event_name
            seen[record.event_name or "Log records"] |= record.attributes.keys() - {"event.name"}
    return seen


def on_the_page() -> Seen:
    found = {heading: PAGE.names(heading) for heading in TELEMETRY_TABLES}
    for row in PAGE.rows("Metrics"):
        found[names_in(row[0])[0]] = set(names_in(row[2]))
    for row in PAGE.rows("Logs"):
        found[names_in(row[0])[0]] = set(names_in(row[1]))
    return found


def test_runs_send_what_the_page_says(tmp_path: Path) -> None:
    for plugin in ("xdist", "pytest_bdd", "pytest_rerunfailures"):
        pytest.importorskip(plugin)
    if pytest.version_tuple < (9,):
        pytest.skip("subtests came with pytest 9")
    seen = seen_in(everything(Runner(tmp_path)))
    assert seen.pop("Events") == {*EVENTS, "counted"}
    page = on_the_page()
    undocumented = {heading: names - page.get(heading, set()) for heading, names in seen.items()}
    missing = {heading: names - seen.get(heading, set()) for heading, names in page.items()}
    assert {heading: names for heading, names in undocumented.items() if names} == {}
    assert {heading: names for heading, names in missing.items() if names} == NOT_SEEN
