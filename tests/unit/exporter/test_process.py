from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_otlp import events
from pytest_otlp.events import Event, SessionFinished
from pytest_otlp.exporter.delivery import QUEUE_LENGTH
from pytest_otlp.exporter.exporter import Exporter, Outcome
from pytest_otlp.exporter.process import Following, Parent, senders_for
from pytest_otlp.exporter.progress import Progress
from pytest_otlp.exporter.records import SharedSpan, Signal, Span, whole
from pytest_otlp.exporter.transport import Answer, Payload
from pytest_otlp.journal import Journal, JournalReader
from support.deadline import wait_until
from support.model import a_session, a_test
from support.scripted import ACCEPTED, UNREACHABLE, Reply, ScriptedTransport, Silent

HANGS = 60.0
NOW = time.time_ns() + 3600 * 10**9
"""In an hour: what began a while ago would have markers."""
BEGUN = a_session(time=NOW)
END = SessionFinished(NOW + 10**9, 0, 0, None, 0)


class Stage(Parent):
    """The process that runs the tests, as the test wants it."""

    def __init__(self) -> None:
        self.silent = self.heard = threading.Event()

    @property
    def over(self) -> bool:
        return self.silent.is_set()


class Watching(ScriptedTransport):
    """Notes how many payloads of the traces wait while one is sent."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__(*replies, size=512)
        self.waiting: Callable[[], int] = lambda: 0
        self.most_waiting = 0

    def send(self, signal: Signal, payload: Payload, timeout: float) -> Answer:
        self.most_waiting = max(self.most_waiting, self.waiting())
        return super().send(signal, payload, timeout)


class Process:
    """What the exporter's process does, in a thread."""

    def __init__(self, folder: Path, *replies: Reply, exit_timeout: float = HANGS, **settings: Any) -> None:
        self.journal = Journal(folder / "run.jsonl")
        self.parent = Stage()
        self.transport = Watching(*replies)
        self.progress = Progress(self.journal.path)
        self.reader = JournalReader(self.journal.path)
        senders = senders_for(
            self.transport, self.progress, {"timeout": 10, "metrics": False, "logs": False, **settings}
        )
        self.transport.waiting = lambda: len(senders.traces._queue)
        self.exporter = Exporter(senders, self.progress, dict)
        self._following = Following(self.exporter, senders, self.reader, exit_timeout)
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self._following.until_over(self.parent)
        self._outcome = self._following.deliver()

    def tell(self, *told: Event) -> None:
        for event in told:
            self.journal.append(events.encode(event))

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> Outcome:
        self._thread.join(HANGS)
        assert self._outcome is not None
        return self._outcome

    def close(self) -> None:
        """Whatever the test left."""
        self.parent.silent.set()
        if self._thread.ident:
            self._thread.join(HANGS)
        self.journal.close()
        self.reader.close()
        self.progress.close()

    @property
    def spans(self) -> list[Span]:
        return [whole(record) for record in self.transport.taken() if isinstance(record, Span | SharedSpan)]


Start = Callable[..., Process]


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def process(tmp_path: Path, released: threading.Event) -> Iterator[Start]:
    made: list[Process] = []

    def make(*replies: Reply, **settings: Any) -> Process:
        made.append(Process(tmp_path, *replies, **settings))
        return made[-1]

    yield make
    released.set()
    for each in made:
        each.close()


def test_a_run_that_is_over_already(process: Start) -> None:
    run = process()
    run.tell(BEGUN, *a_test(1, start=NOW), END)
    run.start()
    assert run.finish() == Outcome(1, 5, 5, 0, 0, "", ())


def test_a_run_as_it_goes_on(process: Start) -> None:
    run = process()
    run.start()
    run.tell(BEGUN, *a_test(1, start=NOW))
    run.transport.wait_for(1)
    assert [span.name for span in run.spans] == ["test_it.py::test_1", "setup", "call", "teardown"]
    run.tell(*a_test(2, start=NOW), END)
    assert run.finish() == Outcome(2, 9, 9, 0, 0, "", ())


def test_a_process_that_died(process: Start) -> None:
    run = process()
    run.tell(BEGUN, a_test(1, start=NOW)[0])
    run.start()
    run.parent.silent.set()
    assert run.finish() == Outcome(1, 2, 2, 0, 0, "", ())
    test, root = run.spans
    assert test.attributes["pytest.outcome"] == "interrupted"
    assert root.attributes["test.suite.run.status"] == "aborted"


def test_a_process_that_died_in_the_middle_of_a_line(process: Start) -> None:
    run = process()
    run.tell(BEGUN, *a_test(1, start=NOW))
    with run.journal.path.open("ab") as file:
        file.write(b'["start",2')
    run.start()
    run.parent.silent.set()
    outcome = run.finish()
    assert (outcome.tests, outcome.produced, outcome.delivered) == (1, 5, 5)


def test_a_process_that_died_before_it_could_say_anything(process: Start) -> None:
    run = process()
    run.start()
    run.parent.silent.set()
    assert run.finish() == Outcome(0, 0, 0, 0, 0, "", ())


def test_a_journal_without_its_first_line(process: Start) -> None:
    run = process()
    run.tell(*a_test(1, start=NOW))
    run.start()
    run.parent.silent.set()
    assert run.finish().notices == ("2 lines of the journal could not be read",)


def test_unreachable(process: Start) -> None:
    run = process(UNREACHABLE)
    run.tell(BEGUN, *a_test(1, start=NOW), END)
    run.start()
    assert run.finish() == Outcome(1, 5, 0, 0, 5, "cannot connect: refused", ())


def test_silent(process: Start, released: threading.Event) -> None:
    """All is counted when the exit timeout is over, also what was never sent."""
    run = process(Silent(released), exit_timeout=0.5)
    run.tell(BEGUN, *(event for key in range(1, 4001) for event in a_test(key, start=NOW)), END)
    run.start()
    run.parent.silent.set()
    outcome = run.finish()
    assert (outcome.tests, outcome.produced, outcome.delivered, outcome.kept) == (4000, 16001, 0, 16001)
    assert outcome.problem


def test_a_process_that_died_while_the_endpoint_is_silent(process: Start, released: threading.Event) -> None:
    run = process(Silent(released), exit_timeout=0.5)
    run.tell(BEGUN, *(event for key in range(1, 4001) for event in a_test(key, start=NOW)))
    run.start()
    run.transport.wait_until_sending(1)
    run.parent.silent.set()
    outcome = run.finish()
    assert (outcome.tests, outcome.produced, outcome.kept) == (4000, 16001, 16001)


def test_no_time_at_the_end(process: Start) -> None:
    run = process(exit_timeout=0.0)
    run.tell(BEGUN, *a_test(1, start=NOW), END)
    run.start()
    outcome = run.finish()
    assert outcome.delivered + outcome.kept == 5


def test_memory_is_bounded_while_the_endpoint_is_behind(process: Start, released: threading.Event) -> None:
    """The journal is read no faster than the endpoint takes what is in it."""
    tests = 6000
    run = process(Silent(released), ACCEPTED)
    run.tell(BEGUN, *(event for key in range(1, tests + 1) for event in a_test(key, start=NOW)), END)
    run.start()
    run.transport.wait_until_sending(1)
    wait_until(lambda: run.exporter.busy, "the journal is not read on")
    assert run.reader.behind > 0
    released.set()
    assert run.finish() == Outcome(tests, 4 * tests + 1, 4 * tests + 1, 0, 0, "", ())
    in_one_read = 16
    assert run.transport.most_waiting < QUEUE_LENGTH + in_one_read


def test_signals_that_were_asked_for(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "run.jsonl")
    settings = {"timeout": 10, "metrics": True, "logs": False}
    senders = senders_for(ScriptedTransport(), progress, settings)
    assert (senders.metrics is None, senders.logs is None, len(senders.all)) == (False, True, 2)
    for sender in senders.all:
        sender.close()
        sender.join(time.monotonic() + HANGS)
    progress.close()
