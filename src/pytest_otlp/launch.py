"""The exporter process, as the process that runs the tests sees it: started once, waited for once."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_otlp.descriptors import Held
from pytest_otlp.journal import LAST_WORD
from pytest_otlp.namedtuple import NamedTuple

if TYPE_CHECKING:
    from pytest_otlp.endpoints import Endpoint

_GRACE = 1.0
"""s beyond the exit timeout that the exporter has for its last words."""
_LOOK = 0.05
"""s between two looks at what becomes of the journal."""
_LEAVING = 1.0
"""s that the exporter has to be no child of ours any more; it takes some ms."""


class Counts(NamedTuple):
    """`produced = delivered + rejected + kept`, in spans."""

    produced: int
    delivered: int
    rejected: int
    kept: int


class Result(NamedTuple):
    """The exporter's last words."""

    tests: int
    spans: Counts
    problem: str
    """Why not everything was delivered; empty where it was."""
    notices: tuple[str, ...]
    """What else the user should know: a signal that was refused."""


class ExporterError(Exception):
    """The message says why there is no result."""


class UnheardError(ExporterError):
    """It goes on alone: what it does not deliver stays in the journal."""


class ExporterProcess:
    """One exporter, isolated from the tested project, out of reach of the terminal's signals, and where the system can
    tell it of our end, no child of this process: tests wait for their children, count them and kill them.

    It takes longer to get ready than a short run lasts, so it is started first, and told later what to do.
    """

    def __init__(self, *, echo: bool) -> None:
        """Starts it; where that fails, `finish` says why.

        `echo`: it may write to this process' standard output (the console endpoint).
        """
        self._process: subprocess.Popen[bytes] | None = None
        self._pipes: list[Held] = []
        self._journal = Path()
        self._problem = ""
        self._concluded = False
        watched = _own_descriptor()
        self._leaves = bool(watched)
        try:
            self._process = _started(watched, echo=echo)
            self._pipes = _out_of_the_way(self._process)
        except OSError as error:
            self._fail(error)
        finally:
            for descriptor in watched:
                os.close(descriptor)

    def _fail(self, error: OSError) -> None:
        self._problem = f"the exporter could not be started ({error.strerror or error})"

    def follow(self, settings: Mapping[str, Any]) -> None:
        """Tells it what to do, through its standard input: nothing of the settings shows in a process list."""
        if self._process is None:
            return
        self._journal = Path(settings["journal"])
        try:
            _tell(self._process, json.dumps({**settings, "path": _library_path(), "parent": os.getpid()}).encode())
        except OSError as error:
            self._fail(error)
            self.abandon()

    def let_go(self) -> None:
        """Waits for the process that we started where another one goes on, so that tests do not find it.

        That takes some ms while it starts: collecting the tests meanwhile costs nothing.
        """
        if self._process is not None and self._leaves:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LEAVING)

    def conclude(self) -> None:
        """Tells it that the last line is written: it hurries now. Once is enough."""
        if self._process is not None and not self._concluded and self._heard:
            self._concluded = True
            with suppress(OSError, ValueError):  # it has ended, and may have said why
                _tell(self._process, LAST_WORD)

    @property
    def _heard(self) -> bool:
        return all(pipe.intact for pipe in self._pipes)

    def finish(self, timeout: float) -> Result:
        """Has it conclude, and waits for its end: for at most `timeout` seconds and a little.

        Raises:
            ExporterError: it could not be started, failed, or left no word.
            UnheardError: it cannot be heard, or the user waits no longer.
        """
        if self._process is None or self._problem:
            raise ExporterError(self._problem)
        try:
            if not self._heard:
                self._wait_unheard(timeout)
                raise UnheardError("a test closed the pipe to the exporter")
            self.conclude()
            output, _ = self._process.communicate(timeout=timeout + _GRACE)
            return _result(output)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            raise ExporterError("the exporter left no word") from None
        except KeyboardInterrupt:  # the tests are over: the exit status is theirs
            raise UnheardError("interrupted while the exporter delivered") from None
        finally:
            self.abandon()

    def _wait_unheard(self, timeout: float) -> None:
        """It reads in the journal that the run is over, and removes that when all is delivered."""
        deadline = time.monotonic() + timeout
        while self._journal.exists() and time.monotonic() < deadline:
            time.sleep(_LOOK)

    def abandon(self) -> None:
        """A process that still runs goes on alone, and nobody warns of it or of its pipes."""
        if self._process is None:
            return
        self.let_go()
        if self._process.poll() is None:
            self._process.returncode = 0
        for pipe in self._pipes:
            pipe.close()


def exporter_for(endpoint: Endpoint) -> ExporterProcess:
    return ExporterProcess(echo=endpoint.kind == "console")


def _own_descriptor() -> list[int]:
    """One of this process, by which another can see it end (`pidfd_open`); empty where the system has none."""
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):  # a Python built for older systems has none
        with suppress(OSError):  # Linux before 5.3, or a sandbox
            return [os.pidfd_open(os.getpid())]
    return []


def _started(watched: Sequence[int], *, echo: bool) -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise OSError("this Python does not know its own interpreter")
    script = Path(__file__).parent / "exporter" / "__main__.py"
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(script), *map(str, watched)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=1 if echo else subprocess.DEVNULL,
        start_new_session=True,
        # Windows has no sessions, and Ctrl-C reaches all in a console but other groups.
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        cwd=script.parent,
        pass_fds=watched,
    )


def _out_of_the_way(process: subprocess.Popen[bytes]) -> list[Held]:
    """Its pipes under numbers that tests do not reach for. The process' own files do not close them."""
    held = []
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        held.append(Held(os.dup(pipe.fileno())))
        pipe.close()
    telling, heard = held
    process.stdin = open(telling.number, "wb", buffering=0, closefd=False)  # noqa: SIM115  `Held` closes it
    process.stdout = open(heard.number, "rb", closefd=False)  # noqa: SIM115  see above
    return held


def _tell(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(line + b"\n")


def _result(output: bytes) -> Result:
    words = json.loads(output)
    if "failed" in words:
        raise ExporterError(f"the exporter failed ({words['failed']})")
    return Result(words["tests"], Counts(*words["spans"]), words["problem"], tuple(words["notices"]))


def _library_path() -> list[str]:
    """Where the exporter finds this package and its libraries, without `site` and its .pth files.

    Those may start a coverage tool or a tracer in any Python process, and the tested project's folder may be on the
    path of this process.
    """
    import opentelemetry  # noqa: PLC0415  a namespace package: costs nothing
    import pytest  # noqa: PLC0415

    known = {*site.getsitepackages(), site.getusersitepackages()}
    own = [str(Path(__file__).parent.parent), str(Path(pytest.__file__).parent.parent)]
    libraries = [str(Path(entry).parent) for entry in opentelemetry.__path__]
    return list(dict.fromkeys([*own, *libraries, *(entry for entry in sys.path if entry in known)]))
