from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_otlp import events
from pytest_otlp.events import Event, SessionFinished, SessionStarted
from pytest_otlp.exporter import exporter as exporter_module
from pytest_otlp.exporter.delivery import QUEUE_LENGTH, Sender
from pytest_otlp.exporter.exporter import Exporter, Outcome, Senders
from pytest_otlp.exporter.progress import Progress
from pytest_otlp.exporter.records import LogRecord, Metric, NumberPoint, SharedSpan, Signal, Span, whole
from pytest_otlp.exporter.signals import LogsSignal, MetricsSignal
from pytest_otlp.exporter.trace import Trace
from pytest_otlp.exporter.transport import Answer, Verdict
from support import model
from support.model import BEGIN, Plan, a_session, a_test, finals_of, spans_from
from support.scripted import ACCEPTED, REFUSED, REJECTED, UNREACHABLE, Reply, ScriptedTransport, Silent

HANGS = 30.0
END = SessionFinished(BEGIN + 10**9, 0, 0, None, 0)


class Exporting:
    """One life of an exporter."""

    def __init__(
        self,
        journal: Path,
        *replies: Reply,
        size: int = 512,
        metrics: bool = False,
        logs: bool = False,
        one_by_one: bool = True,
    ) -> None:
        self.transport = ScriptedTransport(*replies, size=size, one_by_one=one_by_one)
        self.progress = Progress(journal)
        self.detected = 0
        self.traces = self._sender(Signal.TRACES)
        self.senders = Senders(
            self.traces,
            MetricsSignal(self._sender(Signal.METRICS)) if metrics else None,
            LogsSignal(self._sender(Signal.LOGS)) if logs else None,
        )
        self.exporter = Exporter(self.senders, self.progress, self._detect)

    def _sender(self, signal: Signal) -> Sender:
        settled = self.progress.settle if signal is Signal.TRACES else lambda _first, _end: None
        return Sender(signal, self.transport, 10.0, settled)

    def _detect(self) -> dict[str, str]:
        self.detected += 1
        return {"vcs.ref.head.name": "main", "service.name": "detected"}

    def take(self, *told: Event, flush: bool = False) -> None:
        for event in told:
            self.exporter.take([events.encode(event).encode()])
            if flush:
                self.exporter.flush()

    def wait_until_all_is_under_way(self) -> None:
        with self.traces._changed:
            assert self.traces._changed.wait_for(lambda: not self.traces.waiting, HANGS)

    def finish(self) -> Outcome:
        """As at the end of a run."""
        self.exporter.close()
        for sender in self.senders.all:
            sender.hurry(time.monotonic() + HANGS)
            sender.join(time.monotonic() + HANGS)
        self.progress.close()
        return self.exporter.outcome()

    def spans(self) -> list[Span]:
        return [whole(record) for record in self.transport.taken() if isinstance(record, Span | SharedSpan)]

    def metrics(self) -> list[Metric]:
        return [record for record in self.transport.taken(Signal.METRICS) if isinstance(record, Metric)]

    def logs(self) -> list[LogRecord]:
        return [record for record in self.transport.taken(Signal.LOGS) if isinstance(record, LogRecord)]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def spans_of_run(*told: Event) -> list[Span]:
    session = told[0]
    assert isinstance(session, SessionStarted)
    return spans_from(Trace.of(session), finals_of(told))


def names_in(records: bytes | Sequence[object]) -> list[str]:
    return [whole(record).name for record in records if isinstance(record, Span | SharedSpan)]


# One life


def test_everything_is_delivered(journal: Path) -> None:
    told = [a_session(), *a_test(1), *a_test(2, "", "failed", ""), END]
    run = Exporting(journal)
    run.take(*told)
    assert run.finish() == Outcome(2, 9, 9, 0, 0, "", ())
    assert run.spans() == spans_of_run(*told)


@given(model.plans(), st.integers(1, 7))
@settings(max_examples=30)
def test_any_run(tmp_path_factory: pytest.TempPathFactory, plan: Plan, size: int) -> None:
    run = Exporting(tmp_path_factory.mktemp("run") / "run.jsonl", size=size)
    run.take(*plan.in_sequence())
    outcome = run.finish()
    expected = spans_of_run(*plan.in_sequence())
    assert run.spans() == expected
    assert (outcome.produced, outcome.delivered, outcome.kept) == (len(expected), len(expected), 0)


def test_the_session_knows_better_than_what_is_detected(journal: Path) -> None:
    run = Exporting(journal)
    run.take(a_session(), END)
    run.finish()
    assert run.detected == 1
    assert run.progress.resource == {"vcs.ref.head.name": "main", "service.name": "suite"}


def test_a_batch_does_not_wait(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter_module, "BATCH", 8)
    run = Exporting(journal)
    run.take(a_session(), *a_test(1))
    assert run.transport.encoded == 0
    run.take(*a_test(2))
    run.transport.wait_for(1)
    run.finish()


def test_less_waits_for_a_tick(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Exporting(journal)
    run.exporter.tick()
    run.take(a_session(), *a_test(1))
    run.exporter.tick()
    run.transport.wait_for(1)
    monkeypatch.setattr(exporter_module, "TICK", HANGS)
    run.take(*a_test(2))
    run.exporter.tick()
    assert len(run.transport.sent) == 1
    run.finish()
    assert len(run.spans()) == 8


def test_a_file_s_marker_goes_ahead_of_its_first_tests(journal: Path) -> None:
    """In one request with them: a file of quick tests is over before another one would be there."""
    session = a_session(time=time.time_ns())
    run = Exporting(journal)
    run.exporter.live = True
    collected = events.TestsCollected(session.time, 2)
    run.take(session, collected, events.TracesSplit("file", {"test_it.py": 2}), *a_test(1, start=session.time))
    run.exporter.flush()
    run.transport.wait_for(2)
    alone, with_tests = (names_in(request.payload.data) for request in run.transport.sent)
    assert alone == ["pytest"]
    assert with_tests == ["test_it.py", "test_it.py::test_1", "setup", "call", "teardown"]
    run.finish()


def test_a_batch_stays_within_one_payload(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter_module, "BATCH", 10)
    run = Exporting(journal, size=10)
    run.take(a_session(), *a_test(1), *a_test(2), *a_test(3), END)
    run.finish()
    assert [len(request.payload.data) for request in run.transport.sent] == [8, 5]


def test_markers_go_out_while_the_run_goes_on(journal: Path) -> None:
    session = a_session(time=time.time_ns())
    run = Exporting(journal)
    run.exporter.live = True
    run.take(session, events.TestsCollected(session.time, 1))
    run.exporter.tick()
    run.exporter.tick()
    started, over = a_test(1, start=session.time)
    run.take(started, over, SessionFinished(session.time + 10**8, 0, 0, None, 0))
    outcome = run.finish()
    marker, *spans = run.spans()
    assert marker.attributes["test.suite.run.status"] == "in_progress"
    assert len(spans) == 5
    assert outcome == Outcome(1, 6, 6, 0, 0, "", ())
    assert Progress.settled_of(journal) == 5


def test_lines_that_cannot_be_read(journal: Path) -> None:
    run = Exporting(journal)
    run.exporter.take([b"torn", b'["later",1]', b"\xff"])
    run.take(*a_test(1))
    run.take(a_session(), *a_test(2), END)
    run.exporter.take([b'["done",'])
    outcome = run.finish()
    assert (outcome.tests, outcome.delivered) == (1, 5)
    assert outcome.notices == ("6 lines of the journal could not be read",)


@pytest.mark.parametrize("ids", [{"parent_id": "b7ad"}, {"parent_id": "no id"}, {"trace_id": "no id"}])
def test_a_second_first_line_changes_nothing(journal: Path, ids: dict[str, Any]) -> None:
    run, session, test = Exporting(journal), a_session(), a_test(1)
    run.take(session, *test, session._replace(**ids), END)
    assert run.finish() == Outcome(1, 5, 5, 0, 0, "", ("1 lines of the journal could not be read",))
    assert run.spans() == spans_of_run(session, *test, END)


def test_nothing_but_torn_lines(journal: Path) -> None:
    run = Exporting(journal, metrics=True, logs=True)
    run.exporter.take([b"torn"])
    run.exporter.tick()
    run.exporter.abandon(BEGIN)
    assert run.exporter.run.closed
    assert run.finish() == Outcome(0, 0, 0, 0, 0, "", ("1 lines of the journal could not be read",))
    assert run.transport.sent == []


def test_abandoned(journal: Path) -> None:
    told = [a_session(), *a_test(1), a_test(2)[0]]
    run = Exporting(journal)
    run.take(*told)
    run.exporter.abandon(BEGIN + 10**9)
    assert run.finish() == Outcome(2, 6, 6, 0, 0, "", ())
    *_, interrupted, root = run.spans()
    assert interrupted.attributes["pytest.outcome"] == "interrupted"
    assert root.attributes["test.suite.run.status"] == "aborted"
    run.exporter.abandon(BEGIN + 10**9)
    assert run.exporter.outcome().produced == 6


# What the endpoint makes of it


def test_refused(journal: Path) -> None:
    run = Exporting(journal, REFUSED)
    run.take(a_session(), *a_test(1), flush=True)
    run.traces.join(time.monotonic() + HANGS)
    run.take(*a_test(2), *a_test(3), END)
    assert run.finish() == Outcome(3, 13, 0, 0, 13, "answered 401 Unauthorized", ())
    assert Progress.settled_of(journal) == 0


def test_rejected(journal: Path) -> None:
    run = Exporting(journal, REJECTED, ACCEPTED)
    run.take(a_session(), *a_test(1), flush=True)
    run.take(*a_test(2), END)
    assert run.finish() == Outcome(2, 9, 5, 4, 0, "answered 400 Bad Request", ())


def test_unreachable(journal: Path) -> None:
    run = Exporting(journal, UNREACHABLE)
    run.take(a_session(), *a_test(1), END)
    assert run.finish() == Outcome(1, 5, 0, 0, 5, "cannot connect: refused", ())


def test_a_problem_that_went_by_is_not_told(journal: Path) -> None:
    run = Exporting(journal, UNREACHABLE, ACCEPTED)
    run.take(a_session(), *a_test(1), END, flush=True)
    run.transport.wait_for(3)
    assert run.finish() == Outcome(1, 5, 5, 0, 0, "", ())


def test_busy_while_the_endpoint_is_behind(journal: Path, released: threading.Event) -> None:
    run = Exporting(journal, Silent(released))
    run.take(a_session(), *a_test(1), flush=True)
    run.transport.wait_until_sending(1)
    key = 1
    while not run.exporter.busy:
        key += 1
        run.take(*a_test(key), flush=True)
    assert key == QUEUE_LENGTH + 1
    released.set()
    run.take(END)
    assert run.finish() == Outcome(key, 4 * key + 1, 4 * key + 1, 0, 0, "", ())


def test_outcome_at_any_moment(journal: Path, released: threading.Event) -> None:
    """What is under way when time is over counts as kept."""
    run = Exporting(journal, ACCEPTED, Silent(released))
    run.take(a_session(), *a_test(1), *a_test(2), flush=True)
    run.transport.wait_until_sending(2)
    run.traces.give_up("the exit timeout is over")
    assert run.exporter.outcome() == Outcome(2, 8, 4, 0, 4, "the exit timeout is over", ())
    released.set()
    run.finish()


# Metrics and logs


def test_metrics_of_a_short_run(journal: Path) -> None:
    run = Exporting(journal, metrics=True)
    run.take(a_session(), *a_test(1), END)
    run.finish()
    names = [metric.name for metric in run.metrics()]
    assert {"test.case.result.count", "test.case.duration", "test.suite.run.duration"} <= set(names)
    assert len(names) == len(set(names))


def test_metrics_begin_with_the_run(journal: Path) -> None:
    session = a_session(time=time.time_ns())
    run = Exporting(journal, metrics=True)
    run.exporter.live = True
    run.take(session)
    run.exporter.tick()
    assert run.transport.encoded == 0
    run.take(events.TestsCollected(session.time, 1))
    run.exporter._measured = 0.0
    run.exporter.tick()
    run.transport.wait_for(2)
    (count,) = [metric for metric in run.metrics() if metric.name == "test.case.result.count"]
    assert {point.value for point in count.points if isinstance(point, NumberPoint)} == {0}
    run.finish()


def test_logs(journal: Path) -> None:
    run = Exporting(journal, logs=True)
    run.take(a_session(), *a_test(1), END)
    run.finish()
    assert [record.event_name for record in run.logs()] == [
        "test.suite.run.started",
        "test.case.started",
        "test.case.finished",
        "test.suite.run.finished",
    ]


def test_a_signal_that_is_not_taken_stops_alone(journal: Path) -> None:
    run = Exporting(journal, metrics=True, logs=True)
    run.transport = OnlyTraces()
    for sender in run.senders.all:
        sender._transport = run.transport
    run.take(a_session(), *a_test(1), END)
    outcome = run.finish()
    assert (outcome.delivered, outcome.kept, outcome.problem) == (5, 0, "")
    assert outcome.notices == ("metrics not taken: answered 404 Not Found", "logs not taken: answered 404 Not Found")


class OnlyTraces(ScriptedTransport):
    def send(self, signal: Signal, *arguments: object) -> Answer:
        if signal is not Signal.TRACES:
            return Answer(Verdict.REFUSED, "answered 404 Not Found")
        return super().send(signal, *arguments)  # type: ignore[arg-type]


def test_logs_for_which_the_endpoint_is_too_slow(journal: Path, released: threading.Event) -> None:
    """They never hold the traces up, nor fill the memory."""
    run = Exporting(journal, Silent(released), logs=True)
    run.take(a_session(), flush=True)
    assert run.senders.logs is not None
    while not run.senders.logs.sender.full:
        run.take(a_test(1)[0], flush=True)
    run.take(a_test(2)[0], a_test(3)[0], flush=True)
    released.set()
    run.transport.wait_for(QUEUE_LENGTH)
    run.take(END)
    assert run.finish().notices == ("2 log records dropped: the endpoint is too slow",)


# One life after the other


@given(plan=model.plans(most_tests=3), lives=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5)), max_size=3))
@settings(max_examples=60)
def test_killed_anywhere_and_replayed_each_span_is_sent_once(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan, lives: list[tuple[int, int]]
) -> None:
    """`lives`: after how many payloads each exporter ends, and how many spans it puts into one."""
    journal = tmp_path_factory.mktemp("run") / "run.jsonl"
    told = plan.in_sequence()
    expected = spans_of_run(*told)
    sent: list[Span] = []
    for payloads, size in lives:
        run = Exporting(journal, *[ACCEPTED] * payloads, REFUSED, size=size)
        run.take(*told, flush=True)
        outcome = run.finish()
        sent += run.spans()
        assert outcome.kept == len(expected) - len(sent)
        assert outcome.produced == outcome.delivered + outcome.rejected + outcome.kept
    last = Exporting(journal)
    last.take(*told)
    assert last.finish().kept == 0
    assert [*sent, *last.spans()] == expected
    assert last.detected == (0 if lives else 1)


@given(
    plan=model.plans(most_tests=3),
    lives=st.lists(st.tuples(st.sets(st.integers(0, 12), min_size=1, max_size=3), st.integers(1, 5)), max_size=3),
)
@settings(max_examples=60)
def test_what_was_taken_out_of_turn_is_not_sent_again(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan, lives: list[tuple[set[int], int]]
) -> None:
    """`lives`: which requests of each exporter never get a yes, and how many spans it puts into one."""
    journal = tmp_path_factory.mktemp("run") / "run.jsonl"
    told = plan.in_sequence()
    expected = spans_of_run(*told)
    sent: list[Span] = []
    for held, size in lives:
        late = threading.Event()
        replies = [Silent(late, UNREACHABLE) if number in held else ACCEPTED for number in range(13)]
        run = Exporting(journal, *replies, ACCEPTED, size=size, one_by_one=False)
        run.traces.hurry(time.monotonic() + HANGS)
        run.take(*told, flush=True)
        run.exporter.close()
        run.wait_until_all_is_under_way()
        run.transport.wait_for(run.transport.began - len(held & set(range(run.transport.began))))
        late.set()
        outcome = run.finish()
        sent += run.spans()
        assert outcome.kept == len(expected) - len(sent)
        assert Progress.settled_of(journal) == len(sent)
    last = Exporting(journal)
    last.take(*told)
    assert last.finish().kept == 0
    sent += last.spans()
    assert sorted(span.span_id for span in sent) == sorted(span.span_id for span in expected)


@given(model.plans(most_tests=3), st.data())
@settings(max_examples=40)
def test_a_dead_runs_journal_is_replayed_like_any_other(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan, data: st.DataObject
) -> None:
    journal = tmp_path_factory.mktemp("run") / "run.jsonl"
    told = plan.in_sequence()
    told = told[: data.draw(st.integers(1, len(told)))]
    sent: list[Span] = []
    for replies in ([*[ACCEPTED] * data.draw(st.integers(0, 4)), REFUSED], [ACCEPTED]):
        run = Exporting(journal, *replies, size=data.draw(st.integers(1, 4)))
        run.take(*told)
        run.exporter.abandon(BEGIN + 10**9)
        outcome = run.finish()
        sent += run.spans()
    assert outcome.kept == 0
    assert model.problems(sent, plan.session) == []


def test_markers_of_an_earlier_life_do_not_count(journal: Path) -> None:
    session = a_session(time=time.time_ns())
    told = [session, events.TestsCollected(session.time, 2), *a_test(1), *a_test(2), END]
    first = Exporting(journal, ACCEPTED, ACCEPTED, REFUSED, size=4)
    first.exporter.live = True
    first.take(*told[:2])
    first.take(*told[2:])
    assert first.finish() == Outcome(2, 10, 5, 0, 5, "answered 401 Unauthorized", ())
    second = Exporting(journal)
    second.take(*told)
    assert second.finish() == Outcome(2, 5, 5, 0, 0, "", ())
    tests = [span.name for span in [*first.spans(), *second.spans()] if "test.case.name" in span.attributes]
    assert tests == ["test_it.py::test_1", "test_it.py::test_2"]


def test_a_replay_elsewhere_says_the_same_of_the_place(journal: Path) -> None:
    first = Exporting(journal, REFUSED)
    first.take(a_session())
    first.finish()
    second = Exporting(journal)
    second.take(a_session(resource={"service.name": "another"}))
    second.finish()
    with closing(Progress(journal)) as progress:
        assert progress.resource == {"vcs.ref.head.name": "main", "service.name": "suite"}
    assert second.detected == 0
