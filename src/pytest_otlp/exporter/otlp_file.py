"""OTLP/JSON lines in a file."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from pytest_otlp.exporter.encode import encode
from pytest_otlp.exporter.otlp_json import json_lines
from pytest_otlp.exporter.records import Attributes, Record, Signal
from pytest_otlp.exporter.transport import Answer, Encoded, Payload, Verdict


class FileTransport:
    """Appends to a file, which is opened with the first line; all signals share it."""

    one_by_one = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._torn = False
        self._lock = threading.Lock()

    @property
    def target(self) -> str:
        return self._path

    def encode(self, signal: Signal, resource: Attributes, records: Sequence[Record]) -> Encoded:
        return encode(resource, records, json_lines(signal))

    def send(self, _signal: Signal, payload: Payload, _timeout: float) -> Answer:
        """Writes to a local file, for which there is no timeout to be had."""
        assert isinstance(payload.data, bytes)
        with self._lock:
            try:
                self._append(payload.data)
            except OSError as error:
                return Answer(Verdict.REFUSED, f"cannot be written: {error.strerror}")
        return Answer(Verdict.ACCEPTED)

    def _append(self, line: bytes) -> None:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, _FLAGS, 0o666)
        # A line that the full disk cut off spoils no other.
        rest = memoryview(b"\n" + line if self._torn else line)
        while rest:
            written = os.write(self._descriptor, rest)
            rest = rest[written:]
            self._torn = bool(rest)

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
