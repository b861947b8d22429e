"""A real `pytest-otlp view` in a process of its own, and what a browser would ask it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from typing_extensions import Self

from pytest_otlp.exporter.encode import encode
from pytest_otlp.exporter.records import Attributes, Record
from pytest_otlp.viewer import columns

TIMEOUT = 30.0
"""s: a bound for what hangs."""
COMMAND = (sys.executable, "-m", "pytest_otlp.cli", "view")


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Event(NamedTuple):
    id: str
    name: str
    data: Any
    arrival: float
    """s, monotonic."""


class View:
    """The process. `with View(folder) as view` has it listen on ports that are free."""

    def __init__(self, folder: Path, *args: str, ports: Sequence[int] = (0, 0, 0), host: str = "127.0.0.1") -> None:
        folder.mkdir(exist_ok=True)
        self.state = {"XDG_STATE_HOME": str(folder), "LOCALAPPDATA": str(folder)}
        """The variables by which others of the same user find it."""
        self._host = "127.0.0.1" if host == "0.0.0.0" else host
        named = [f"--{name}-port={port}" for name, port in zip(("http", "grpc", "page"), ports, strict=True)]
        with (folder / "view.err").open("wb") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, f"--host={host}", *named, *args],
                env={**os.environ, **self.state},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.lines: list[str] = []
        self._folder = folder
        self._read_until_it_listens()
        address = urlsplit(next(line for line in self.lines if line.startswith("page: ")).removeprefix("page: "))
        self.page_port, self.token = address.port or 0, address.fragment.removeprefix("token=")
        listening = next(line for line in self.lines if line.startswith("listening: "))
        words = listening.replace(",", " ").replace(";", " ").split()
        self.http_port, self.grpc_port = (int(word.rpartition(":")[2]) for word in words if word.startswith("http://"))
        self._cookie = ""

    def _read_until_it_listens(self) -> None:
        assert self.process.stdout is not None
        watchdog = threading.Timer(TIMEOUT, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line.rstrip("\n"))
                if line.startswith("send a run:"):
                    return
        finally:
            watchdog.cancel()
        self.kill()
        raise AssertionError(self.errors)

    @property
    def ports(self) -> tuple[int, int, int]:
        return self.http_port, self.grpc_port, self.page_port

    @property
    def errors(self) -> str:
        return (self._folder / "view.err").read_text("utf-8", "replace")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """As Ctrl-C or a service manager does it; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(TIMEOUT)
        finally:
            self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        port: int = 0,
    ) -> Answer:
        """As it is, without the cookie."""
        connection = http.client.HTTPConnection(self._host, port or self.page_port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    @property
    def cookie(self) -> str:
        """The page's, had for the token."""
        if not self._cookie:
            told = json.dumps({"token": self.token}).encode()
            answer = self.request("POST", "/api/session", told, {"Content-Type": "application/json"})
            assert answer.status == 204, answer
            self._cookie = answer.headers["set-cookie"].partition(";")[0]
        return self._cookie

    def get(self, path: str) -> Any:
        answer = self.request("GET", path, headers={"Cookie": self.cookie})
        assert answer.status == 200, answer
        return answer.json

    def clear(self) -> None:
        """Removes everything."""
        for run in self.runs():
            self.request("DELETE", f"/api/runs/{run['id']}", headers={"Cookie": self.cookie})
        self.request("DELETE", "/api/traces", headers={"Cookie": self.cookie})

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/api/runs")["runs"]
        return found

    def run(self) -> dict[str, Any]:
        """The only one."""
        (found,) = self.runs()
        return found

    def tests(self, run: str) -> list[Any]:
        return rows(self.get(f"/api/runs/{run}/tests"))

    def detail(self, run: str, test: str) -> Detail:
        """Of the one test whose name ends so."""
        (number,) = [number for number, row in enumerate(self.tests(run)) if row["name"].endswith(test)]
        return Detail(self.get(f"/api/runs/{run}/tests/{number}"))

    def send(
        self, resource: Attributes, records: Sequence[Record], signal_name: str = "traces", *, ports: int = 0
    ) -> Answer:
        (payload,) = encode(resource, records).payloads
        assert isinstance(payload.data, bytes)
        headers = {"Content-Type": "application/x-protobuf"}
        return self.request("POST", f"/v1/{signal_name}", payload.data, headers, port=ports or self.http_port)

    def wait_for(self, condition: Callable[[Self], Any]) -> Any:
        """What the condition says, as soon as that is something."""
        deadline = time.monotonic() + TIMEOUT
        while not (found := condition(self)):
            assert time.monotonic() < deadline, (self.runs(), self.errors)
            time.sleep(0.02)
        return found

    def events(self, last: str = "") -> Stream:
        return Stream(self._host, self.page_port, self.cookie, last)


class Detail:
    """One test."""

    def __init__(self, told: Any) -> None:
        self.told = told
        self.logs = told["logs"]
        self.spans = rows(told["spans"])

    def tree(self) -> list[tuple[int, str]]:
        """Depth and name of each span, in order."""
        depths: list[int] = []
        for span in self.spans:
            depths.append(0 if span["parent"] < 0 else depths[span["parent"]] + 1)
        return [(depth, span["name"]) for depth, span in zip(depths, self.spans, strict=True)]

    def more(self, name: str) -> Any:
        (found,) = [span["more"] for span in self.spans if span["name"] == name]
        return found


def rows(table: Any) -> list[Any]:
    """A table of columns as a list of rows."""
    values = {}
    for name, column in table["columns"].items():
        values[name] = columns.decoded(column, table["count"])
    return [{name: found[number] for name, found in values.items()} for number in range(table["count"])]


class Stream:
    """Server-sent events, read as they come."""

    def __init__(self, host: str, port: int, cookie: str, last: str) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        headers = {"Cookie": cookie, **({"Last-Event-ID": last} if last else {})}
        self._connection.request("GET", "/api/events", headers=headers)
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        self.seen: list[Event] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for event in self._events():
                with self._changed:
                    self.seen.append(event)
                    self._changed.notify_all()
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass  # closed

    def _events(self) -> Iterator[Event]:
        fields: dict[str, str] = {}
        while line := self._answer.readline():
            text = line.decode().rstrip("\n")
            if text:
                name, _, value = text.partition(": ")
                fields[name] = value
            elif "event" in fields:
                yield Event(fields.get("id", ""), fields["event"], json.loads(fields["data"]), time.monotonic())
                fields = {}

    def wait_for(self, condition: Callable[[list[Event]], Any]) -> Any:
        deadline = time.monotonic() + TIMEOUT
        with self._changed:
            while not (found := condition(self.seen)):
                assert self._changed.wait(deadline - time.monotonic()), [event.name for event in self.seen]
        return found

    def named(self, name: str) -> list[Any]:
        return [event.data for event in list(self.seen) if event.name == name]

    def close(self) -> None:
        self._connection.close()
