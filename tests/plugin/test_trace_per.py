"""Runs that are more than one trace: what is in which, and that everybody finds it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

import pytest

from pytest_otlp.traces import MOST_TESTS
from support.received import ReceivedSpan
from support.runs import Run, Runner
from support.traces import ERROR, is_file, is_file_marker, is_test, is_test_marker

SEEN = """
    import json, os
    from opentelemetry import trace

    def note(name):
        context = trace.get_current_span().get_span_context()
        with open(f"seen-{name}.json", "w") as file:
            json.dump([f"{context.trace_id:032x}", f"{context.span_id:016x}"], file)
"""
SUITE = {
    "seen.py": SEEN,
    "test_a.py": """
        from seen import note
        def test_one(): note("one")
        def test_two(): assert 0
    """,
    "sub/test_b.py": """
        import pytest
        from seen import note
        @pytest.mark.parametrize("n", range(3))
        def test_three(n): note(f"three{n}")
        @pytest.mark.skip
        def test_skipped(): pass
    """,
}
ROUTES = [[], ["-n2"], ["-n2", "--dist=each"]]


def by_trace(run: Run) -> dict[str, list[ReceivedSpan]]:
    """The traces beside the run's own."""
    found = defaultdict(list)
    for span in run.spans:
        if span.trace_id != run.root.trace_id:
            found[span.trace_id].append(span)
    return found


def files(run: Run) -> dict[str, ReceivedSpan]:
    """In the run's own trace."""
    return {span.name: span for span in run.below(run.root) if is_file(span)}


def counts(span: ReceivedSpan) -> dict[str, int]:
    found = {name.removeprefix("pytest.tests."): value for name, value in span.attributes.items()}
    return {name: found[name] for name in ("collected", "passed", "failed", "error", "skipped") if found.get(name)}


@pytest.mark.parametrize("args", ROUTES, ids=" ".join)
def test_a_trace_for_each_file(run_pytest: Runner, args: list[str]) -> None:
    """That they are linked both ways, `run_pytest` has checked."""
    if args:
        pytest.importorskip("xdist")
    run = run_pytest(SUITE, "--otel-trace-per=file", *args)
    times = 2 if "--dist=each" in args else 1
    told = {name: counts(span) for name, span in files(run).items()}
    assert told == {
        "test_a.py": {"collected": 2 * times, "passed": times, "failed": times},
        "sub/test_b.py": {"collected": 4 * times, "passed": 3 * times, "skipped": times},
    }
    assert {name: (span.status == ERROR, span.message) for name, span in files(run).items()} == {
        "test_a.py": (True, f"{times} failed"),
        "sub/test_b.py": (False, ""),
    }
    roots = [span for spans in by_trace(run).values() for span in spans if is_file(span)]
    assert {root.name: counts(root) for root in roots} == {
        name: {word: number for word, number in told[name].items() if word != "collected"} for name in told
    }
    for spans in by_trace(run).values():
        (root,) = filter(is_file, spans)
        tests = [span for span in spans if is_test(span)]
        assert {test.name.split("::")[0] for test in tests} == {root.name}
        assert {test.parent_id for test in tests} == {root.span_id}
    assert not any(is_test(span) for span in run.spans if span.trace_id == run.root.trace_id)


@pytest.mark.parametrize("per", ["file", "test"])
@pytest.mark.parametrize("args", ROUTES[:2], ids=" ".join)
def test_the_current_span_knows_its_trace(run_pytest: Runner, per: str, args: list[str]) -> None:
    if args:
        pytest.importorskip("xdist")
    run = run_pytest(SUITE, f"--otel-trace-per={per}", *args)
    for note, test in [("one", "test_one"), ("three0", "test_three[0]"), ("three2", "test_three[2]")]:
        call = run.phase(test, "call")
        assert json.loads((run.folder / f"seen-{note}.json").read_text()) == [call.trace_id, call.span_id]


def test_a_trace_for_each_attempt_of_a_test(run_pytest: Runner) -> None:
    pytest.importorskip("pytest_rerunfailures")
    run = run_pytest(SUITE, "--otel-trace-per=test", "-p", "rerunfailures", "--reruns=1")
    traces = by_trace(run)
    assert len(traces) == len(run.tests) == 7
    assert not any(test.parent_id for test in run.tests)
    first, *others = files(run)["test_a.py"].links
    bad = next(test for test in run.tests if test.attributes["pytest.outcome"] == "failed")
    assert (first.trace_id, first.span_id) == (bad.trace_id, bad.span_id)
    assert len(others) == 2
    assert len(files(run)["sub/test_b.py"].links) == 4


def test_a_test_that_is_a_trace_has_its_name_while_it_runs(run_pytest: Runner) -> None:
    suite = """
        import pathlib, time

        def test_held():
            deadline = time.monotonic() + 50
            while not pathlib.Path("release").exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
    """
    with run_pytest.live(suite, "--otel-trace-per=test") as live:
        live.server.wait_for(lambda server: any(map(is_test_marker, server.spans())), 30)
        (live.folder / "release").touch()
        run = live.finish()
    (marker,) = filter(is_test_marker, run.spans)
    assert marker.name == "test_it.py::test_held"
    assert marker.trace_id == run.test("test_held").trace_id


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_a_file_has_its_name_before_its_root_and_is_sent_when_it_is_complete(
    run_pytest: Runner, args: list[str]
) -> None:
    if args:
        pytest.importorskip("xdist")
    held = """
        import pathlib, time

        def test_first(): pass

        def test_held():
            deadline = time.monotonic() + 50
            while not pathlib.Path("release").exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
    """
    suite = {"test_1.py": "def test_quick(): pass", "test_2.py": held}
    with run_pytest.live(suite, "--otel-trace-per=file", *args) as live:
        live.server.wait_for(lambda server: any(span.name == "test_2.py::test_first" for span in server.spans()), 30)
        before = live.server.spans()
        (live.folder / "release").touch()
        run = live.finish()
    assert [span.name for span in before if is_file(span)] == ["test_1.py", "test_1.py"]
    (marker,) = (span for span in before if is_file_marker(span) and span.name == "test_2.py")
    assert marker.arrival <= next(span.arrival for span in before if span.name == "test_2.py::test_first")
    (root,) = (span for span in run.spans if is_file(span) and not span.parent_id and span.name == "test_2.py")
    assert root.trace_id == marker.trace_id
    assert root.start < marker.start


def test_an_interrupted_run_closes_its_files(run_pytest: Runner) -> None:
    suite = {"test_a.py": "def test_1(): pass\ndef test_2(): raise KeyboardInterrupt\ndef test_3(): pass"}
    run = run_pytest(suite, "--otel-trace-per=file")
    (file,) = files(run).values()
    assert counts(file) == {"collected": 3, "passed": 1}
    assert file.message == "1 interrupted"


MANY = """
    import pytest
    @pytest.mark.parametrize("n", range({}))
    def test_many(n): pass
"""


def test_auto_splits_what_one_trace_cannot_hold(run_pytest: Runner) -> None:
    """By files, and a file that is too large by itself into parts."""
    suite = {"test_big.py": MANY.format(MOST_TESTS), "test_huge.py": MANY.format(MOST_TESTS + 1), "test_s.py": SMALL}
    run = run_pytest(suite, junit=False)
    tests = Counter(span.trace_id for span in run.tests)
    roots = {span.trace_id: span.name for span in run.spans if is_file(span) and not span.parent_id}
    by_name = {roots[trace_id]: number for trace_id, number in tests.items()}
    assert by_name.pop("test_big.py") == MOST_TESTS
    assert by_name.pop("test_s.py") == 1
    assert by_name.keys() == {"test_huge.py (1 of 2)", "test_huge.py (2 of 2)"}
    assert sum(by_name.values()) == MOST_TESTS + 1
    assert max(by_name.values()) < 0.6 * MOST_TESTS
    assert len(files(run)["test_huge.py"].links) == 2
    assert [
        span.name for span in run.below(run.root) if not is_file(span) and "code.file.path" not in span.attributes
    ] == ["collection"]


SMALL = "def test_a(): pass"


def test_up_to_there_it_is_one_trace(run_pytest: Runner) -> None:
    run = run_pytest({"test_big.py": MANY.format(MOST_TESTS - 1), "test_s.py": SMALL}, junit=False)
    assert {span.trace_id for span in run.spans} == {run.root.trace_id}
    assert run_pytest(SUITE, "--otel-trace-per=run").tree().count(".py::") == 6


def test_what_came_with_a_parent_stays_in_its_trace(run_pytest: Runner) -> None:
    suite = """
        from opentelemetry import trace
        def test_a(): assert not trace.get_current_span().get_span_context().trace_state
    """
    trace_id, parent_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    env = {"TRACEPARENT": f"00-{trace_id}-{parent_id}-01", "TRACESTATE": "vendor=v1", "PYTEST_CURRENT_TEST": None}
    run = run_pytest(suite, "--otel-trace-per=file", env=env, parent_id=parent_id)
    assert run.exit_code == 0, run.stdout
    assert run.root.trace_id == trace_id
    assert {span.trace_state for spans in by_trace(run).values() for span in spans} == {""}


def test_the_link_leads_to_the_run(run_pytest: Runner) -> None:
    run = run_pytest(SUITE, "--otel-trace-per=file", "--otel-trace-url=http://jaeger/{trace_id}")
    assert all(f"http://jaeger/{run.root.trace_id}" in line for line in run.our_lines)


@pytest.mark.parametrize(
    ("args", "ini"),
    [(["--otel-trace-per=module"], ""), ([], "otel_trace_per = module")],
    ids=["line", "ini"],
)
def test_a_bad_value(run_pytest: Runner, args: list[str], ini: str) -> None:
    run = run_pytest("def test_a(): pass", *args, ini=ini)
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "otel" in run.stderr
    assert "trace" in run.stderr
    assert "'module': use one of auto, run, file, test" in run.stderr
