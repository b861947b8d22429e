"""The store: one thread that writes, and as many readers as there are."""

from __future__ import annotations

import os
import queue
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from pytest_otlp.locks import locked
from pytest_otlp.viewer import retention
from pytest_otlp.viewer.body import EncodingError, TooLargeError, unpacked
from pytest_otlp.viewer.changes import Changes
from pytest_otlp.viewer.intake import Content, Kind, content_of, take
from pytest_otlp.viewer.ledger import Ledger
from pytest_otlp.viewer.otlp import BrokenError
from pytest_otlp.viewer.retention import Keep
from pytest_otlp.viewer.schema import StoreError, opened, reader

IN_MEMORY = ":memory:"
MOST_WAITING = 64 * 1024 * 1024
"""Bytes of requests that may wait for the writer."""
_BATCH = 16
"""Requests that go into one transaction, where as many wait."""


_TOLD = (BrokenError, EncodingError, TooLargeError)


class FullError(Exception):
    """The writer is behind: try again later."""


class WriteError(Exception):
    """The store could not be written: a full disk, mostly."""


def _locked(path: Path) -> int | None:
    """The lock that keeps a second writer away, whose numbers would be others; None where there are no locks.

    Raises:
        StoreError: somebody else writes it.
    """
    try:
        # Not the store itself: SQLite's own locks are on that, and go when a descriptor of it is closed.
        return locked(path.with_name(f"{path.name}-lock"))
    except BlockingIOError:
        reason = "another `pytest-otlp view` has it open; stop that, or use --db with another file"
        raise StoreError(f"{path}: {reason}") from None
    except OSError:
        return None


class _Job:
    """Something to be done within a transaction: reading a request, then writing what it holds."""

    def __init__(
        self, size: int, read: Callable[[], Content] | None, work: Callable[[Ledger], int], *, live: bool = True
    ) -> None:
        self.size = size
        self.read = read
        self.work = work
        self.live = live
        self.done: Future[int] = Future()


class Store:
    """Everything that was received. `:memory:` is a file of a folder that goes away with the store."""

    def __init__(self, path: str | Path, keep: Keep, published: Callable[[Changes], None] = lambda _: None) -> None:
        """`published` hears of each commit, in the writer's thread.

        Raises:
            StoreError: it cannot be opened.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="pytest-otlp-") if str(path) == IN_MEMORY else None
        self.path = Path(self._folder.name, "runs.db") if self._folder else Path(path)
        self.place = str(path)
        """For people."""
        self._published = published
        self._keep = keep
        self._ledger = Ledger(opened(self.path))
        try:
            self._lock_held = _locked(self.path)
        except StoreError:
            self._ledger.connection.close()
            raise
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="view-writer", daemon=True)
        self._writer.start()

    def offer(
        self, kind: Kind, body: bytes, *, json: bool = False, encoding: str = "", live: bool = True
    ) -> Future[int]:
        """Has a request written; the result comes when it is committed, so that it outlives this process.

        `encoding`: of the body, as HTTP has it; it is unpacked when its turn comes. `live`: it comes from a run that
        goes on, as far as is known.

        The future raises BrokenError where the body is no such message, TooLargeError or EncodingError where it
        cannot be unpacked, WriteError where nothing can be written.

        Raises:
            FullError: too much waits already.
        """
        job = _Job(len(body), lambda: content_of(kind, unpacked(body, encoding), json=json), lambda _: 0, live=live)
        with self._lock:
            if self._waiting and self._waiting + job.size > MOST_WAITING:
                raise FullError
            self._waiting += job.size
        self._jobs.put(job)
        return job.done

    def change(self, work: Callable[[Ledger], int]) -> Future[int]:
        """Has the writer do something else within a transaction."""
        job = _Job(0, None, work)
        self._jobs.put(job)
        return job.done

    def close(self) -> None:
        """After all that waits is written."""
        self._jobs.put(None)
        self._writer.join()
        while not self._readers.empty():
            self._readers.get().close()
        self._ledger.connection.close()
        if self._lock_held is not None:
            os.close(self._lock_held)
        if self._folder:
            with suppress(OSError):
                self._folder.cleanup()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one answer: it sees one state of the store."""
        try:
            connection = self._readers.get_nowait()
        except queue.Empty:
            connection = reader(self.path)
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.execute("ROLLBACK")
            self._readers.put(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The writer's connection, when nothing waits for it: for what a store that nobody else uses is made into."""
        self.change(lambda _: 0).result()
        yield self._ledger.connection
        self._ledger.rollback()

    def _write(self) -> None:
        while (jobs := self._next()) is not None:
            self._batch(jobs)
            with self._lock:
                self._waiting -= sum(job.size for job in jobs)

    def _next(self) -> list[_Job] | None:
        """What waits, up to a batch; None at the end."""
        first = self._jobs.get()
        if first is None:
            return None
        jobs = [first]
        while len(jobs) < _BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _batch(self, jobs: list[_Job]) -> None:
        ready = [job for job in jobs if self._prepared(job)]
        try:
            self._ledger.begin()
            self._ledger.now = time.time_ns() // 1000
            counts = [job.work(self._ledger) for job in ready]
            retention.apply(self._ledger, self._keep)
            changes = self._ledger.commit(self._ledger.now)
        except Exception as error:  # noqa: BLE001  the writer outlives whatever was sent
            self._ledger.rollback()
            self._failed(ready, error)
            return
        self._published(changes)
        for job, number in zip(ready, counts, strict=True):
            job.done.set_result(number)

    def _failed(self, jobs: list[_Job], error: Exception) -> None:
        """One request that cannot be written takes no other with it: each is tried alone."""
        if len(jobs) > 1:
            for job in jobs:
                self._batch([job])
            return
        for job in jobs:
            if isinstance(error, sqlite3.OperationalError):
                job.done.set_exception(WriteError(str(error)))
            else:
                job.done.set_exception(BrokenError("its content cannot be kept"))

    def _prepared(self, job: _Job) -> bool:
        if job.read is None:
            return True
        try:
            content = job.read()
        except Exception as error:  # noqa: BLE001  told to whoever sent it
            job.done.set_exception(error if isinstance(error, _TOLD) else BrokenError("it cannot be read"))
            return False
        job.read = None
        # Not a function of the job: a circle would keep the content until the next look for cycles.
        job.work = partial(take, content=content, live=job.live)
        return True


__all__ = ["IN_MEMORY", "FullError", "Keep", "Store", "StoreError", "WriteError"]
