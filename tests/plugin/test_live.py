"""What is on screen while a run goes on."""

from __future__ import annotations

import pytest

from support.runs import Runner
from support.traces import is_running_marker, is_start_marker

HELD = """
    import pathlib, time
    import pytest

    def test_first(): pass

    @pytest.mark.parametrize("n", [1])
    def test_held(n):
        deadline = time.monotonic() + 50
        while not pathlib.Path("release").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
"""


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_the_start_shows_at_once_and_tests_as_they_end(run_pytest: Runner, args: list[str]) -> None:
    if args:
        pytest.importorskip("xdist")
    with run_pytest.live(HELD, *args) as live:
        live.server.wait_for(lambda server: any(span.name == "test_it.py::test_first" for span in server.spans()), 30)
        (marker,) = (span for span in live.server.spans() if is_start_marker(span))
        before = [span.name for span in live.server.spans() if not span.parent_id]
        (live.folder / "release").touch()
        run = live.finish()
    assert before == ["pytest"]
    assert {**marker.attributes, "pytest.tests.collected": 2} == {
        "test.suite.name": "suite",
        "test.suite.run.status": "in_progress",
        "pytest.tests.collected": marker.attributes.get("pytest.tests.collected", 2),
    }
    assert run.root.start < marker.start < marker.end <= run.root.start + 3000
    assert marker.trace_id == run.root.trace_id
    assert marker.status == 0


@pytest.mark.parametrize(("args", "where"), [([], {}), (["-n1"], {"pytest.worker": "gw0"})], ids=["alone", "xdist"])
def test_a_long_test_is_marked_while_it_runs(run_pytest: Runner, args: list[str], where: dict[str, str]) -> None:
    if args:
        pytest.importorskip("xdist")
    with run_pytest.live(HELD, *args) as live:
        live.server.wait_for(lambda server: any(map(is_running_marker, server.spans())), 30)
        (marker,) = filter(is_running_marker, live.server.spans())
        (live.folder / "release").touch()
        run = live.finish()
    test = run.test("test_held[1]")
    assert marker.name == "test_it.py::test_held[1] running"
    assert marker.parent_id == test.span_id
    assert marker.attributes == {"test.case.name": "test_it.py::test_held[1]", **where}
    assert marker.arrival - test.start >= 5_000_000_000
    assert [span.name for span in run.spans if is_running_marker(span)] == [marker.name]
