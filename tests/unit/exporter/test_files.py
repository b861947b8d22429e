from __future__ import annotations

from pytest_otlp import events
from pytest_otlp.events import PhasesFinished, SessionFinished, TracesSplit
from pytest_otlp.exporter.files import MOST_LINKS, FileFinished
from pytest_otlp.exporter.run import Final, Run
from pytest_otlp.exporter.spans import span_count, spans_of
from pytest_otlp.exporter.trace import Trace
from support.model import BEGIN, a_session, a_test, finals_of, spans_from

LATER = BEGIN + 10**9


def files_in(finals: list[Final]) -> list[FileFinished]:
    return [final for final in finals if isinstance(final, FileFinished)]


def test_a_file_is_over_when_its_tests_are_and_another_begins() -> None:
    run = Run()
    finals_of([a_session(), TracesSplit("file", {"test_it.py": 2, "other.py": 1})], run)
    assert files_in(finals_of([*a_test(1), *a_test(2)], run)) == []
    again = [event._replace(key=3) for event in a_test(2) if isinstance(event, events.TestStarted | PhasesFinished)]
    assert files_in(finals_of(again, run)) == []
    (file,) = files_in(finals_of([events.TestStarted(4, "other.py::test", LATER)], run))
    assert (file.path, file.whole.counts, file.collected) == ("test_it.py", {"passed": 3}, 2)
    (other,) = files_in(finals_of([SessionFinished(LATER, 2, 0, None, 0)], run))
    assert (other.path, other.whole.interrupted) == ("other.py", 1)


def test_a_file_waits_for_the_attempt_that_counts() -> None:
    run = Run()
    finals_of([a_session(), TracesSplit("file", {"test_it.py": 1})], run)
    (started, over) = a_test(1, "", "rerun", "")
    assert files_in(finals_of([started, over, events.TestStarted(2, "other.py::test", LATER)], run)) == []


def test_what_comes_after_its_end_stays_out_of_the_counts() -> None:
    run = Run()
    finals_of([a_session(), TracesSplit("file", {"test_it.py": 1, "other.py": 1}), *a_test(1)], run)
    assert len(files_in(finals_of([events.TestStarted(2, "other.py::test", LATER), *a_test(3)], run))) == 1
    assert [file.path for file in files_in(finals_of([SessionFinished(LATER, 0, 0, None, 0)], run))] == ["other.py"]


def test_a_crash_is_a_failure_of_its_file() -> None:
    split, started = TracesSplit("file", {"test_it.py": 1}), events.TestStarted(1, "test_it.py::test", BEGIN)
    crashed, end = events.TestCrashed(1, "gw0", LATER, "gone"), SessionFinished(LATER, 1, 0, None, 0)
    (file,) = files_in(finals_of([a_session(workers=1), split, started, crashed, end]))
    assert file.whole.counts == {"failed": 1}


def test_links_to_tests_are_limited_and_begin_with_the_failed() -> None:
    session, split = a_session(), TracesSplit("test", {"test_it.py": 200})
    tests = [event for key in range(199) for event in a_test(key)]
    finals = finals_of([session, split, *tests, *a_test(199, "", "failed", ""), SessionFinished(LATER, 1, 0, None, 0)])
    trace = Trace.of(session).split(split)
    (file,) = spans_from(trace, files_in(finals))
    assert len(file.links) == MOST_LINKS
    failed = next(span for span in spans_from(trace, finals) if span.name == "test_it.py::test_199")
    assert (file.links[0].trace_id, file.links[0].span_id) == (failed.trace_id, failed.span_id)


def test_spans_are_counted_as_they_are_made() -> None:
    for per in ("file", "test"):
        session, split = a_session(), TracesSplit(per, {"test_it.py": 5000})
        finals = finals_of([session, split, *a_test(1), *a_test(2), SessionFinished(LATER, 0, 0, None, 0)])
        trace = Trace.of(session).split(split)
        assert [span_count(trace, final) for final in finals] == [len(spans_of(trace, final)) for final in finals]
