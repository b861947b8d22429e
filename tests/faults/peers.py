"""What two other plugins do in the same cases: `python tests/faults/peers.py` runs them, each case once, and writes
docs/faults-peers.json, of which `make faults` makes columns of its table. With numbers of cases, only
these are run anew.

They have virtual environments of their own, made by benchmarks/venvs.py, and the same servers as our own tests. What
cannot be asked of a plugin that exports from the test process, or was not tried, has no entry.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks.peers import ALONE, Peer, named  # noqa: E402  found only now
from benchmarks.venvs import Environments, versions  # noqa: E402

from faults.scene import free_port, passing  # noqa: E402
from faults.test_answers import LOUD, http_wait  # noqa: E402
from faults.test_endings import CTRL_C, TEN_AND_ONE, sixty_one  # noqa: E402
from faults.test_outcomes import BROKEN, PHASES  # noqa: E402
from faults.test_plugins import ASYNC, LIBRARIES  # noqa: E402
from support import environment  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.otlp_server import (  # noqa: E402
    SILENT,
    Behaviour,
    OtlpServer,
    Reply,
    Tls,
    accept,
    always,
    failing,
    login_page,
    only,
    partial_success,
    redirect,
    slow,
)
from support.received import ReceivedSpan  # noqa: E402

PAGE = ROOT / "docs" / "faults-peers.json"
NAMES = ("pytest-opentelemetry", "pytest-otel")
BESIDE = ("freezegun", "responses", "pytest-rerunfailures", "pytest-asyncio", "pytest-repeat", "opentelemetry-distro")
LONGEST = 150.0
"""s that a run may take; one that takes longer is killed and said to hang."""
SECRET = "hunter2-hunter2"

FROZEN = """
import freezegun, pytest

@pytest.fixture(autouse=True, scope="module")
def frozen():
    with freezegun.freeze_time("2000-01-01"):
        yield

@pytest.mark.parametrize("n", range(5))
def test_n(n): pass
"""
MOCKED = {
    "conftest.py": """
        import pytest, responses

        @pytest.fixture(autouse=True, scope="session")
        def mock():
            with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
                yield mocked
    """,
    "test_it.py": """
        import time
        import pytest

        @pytest.mark.parametrize("n", range(3))
        def test_n(n, mock):
            time.sleep(3)
            assert len(mock.calls) == 0
    """,
}
PROVIDER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

def test_set():
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    assert trace.get_tracer_provider() is provider

def test_stays():
    assert type(trace.get_tracer_provider()).__name__ == "TracerProvider"

def test_shut_down():
    trace.get_tracer_provider().shutdown()
"""
CAPTURED = """
import os, time
from pathlib import Path

def test_log(caplog):
    # Long enough for an exporter to have been refused.
    time.sleep(6)
    assert caplog.records == []

def test_environment():
    began = Path("/proc/self/environ").read_text().split("\\0")
    changed = {f"{name}={text}" for name, text in os.environ.items()} ^ set(filter(None, began))
    assert [line for line in changed if not line.startswith("PYTEST_")] == []
"""
QUARTERS = """
import time
import pytest

@pytest.mark.parametrize("n", range(56))
def test_n(n): time.sleep(0.25)
"""
KINDS = '''
import unittest

def add(a, b):
    """
    >>> add(1, 2)
    3
    """
    return a + b

class TestAdd(unittest.TestCase):
    def test_add(self): assert add(1, 2) == 3

def test_repeated(): pass
'''
HEAD, MARK_FIXTURE, MARK = LIBRARIES["asyncio function"]
AWAITED = ASYNC.replace("HEAD", HEAD).replace("MARK_FIXTURE", MARK_FIXTURE).replace("MARK", MARK)
OWNED = "\x1b]0;owned\x07\x1b[2J"
SURROGATE = 'def test_a(): pass\ndef test_b(): raise ValueError("half \\ud800 pair")\ndef test_c(): pass\n'
LIAR = """
class Liar(Exception):
    def __str__(self): raise ValueError("no str")
    __repr__ = __str__

def test_a(): pass
def test_b(): raise Liar
def test_c(): pass
"""
BIG = """
def test_a(record_property):
    print("\\0\\x1b[31m" + "x" * 1_000_000)
    for n in range(10_000):
        record_property(f"n{n}", 2 ** 70 + n)
def test_b(): pass
"""
FORK = """
import os

def test_fork():
    child = os.fork()
    if not child:
        raise SystemExit(0)
    os.waitpid(child, 0)

def test_b(): pass
"""
SUBTESTS = """
def test_each(subtests):
    for n in range(4):
        with subtests.test(n=n):
            assert n != 2
"""
RERUN = """
calls = []

def test_flaky():
    calls.append(1)
    assert len(calls) == 2
"""


@dataclass(frozen=True)
class Case:
    """A run, and what is done to it."""

    number: int
    what: str
    suite: str | Mapping[str, str]
    tests: int
    """That are to arrive, as spans of tests."""
    behaviour: Behaviour | None = accept
    """None: nothing listens."""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    tls: bool = False
    away: tuple[float, float] | None = None
    """s after the start between which nothing listens."""
    launcher: str = ""
    """A command of the environment that starts pytest."""
    then: Callable[[subprocess.Popen[bytes], Path], None] = lambda _process, _folder: None
    look: Callable[[list[ReceivedSpan]], str] = lambda _spans: ""
    """What else is to be said of the spans."""


def kill(number: signal.Signals) -> Callable[[subprocess.Popen[bytes], Path], None]:
    def then(process: subprocess.Popen[bytes], folder: Path) -> None:
        _wait_for(folder / "held")
        process.send_signal(number)

    return then


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def traces_and_roots(spans: list[ReceivedSpan]) -> str:
    roots = [span for span in spans if not span.parent_id]
    said = Counter({0: "unset", 1: "OK", 2: "ERROR"}[span.status] for span in roots)
    return f"{len({span.trace_id for span in spans})} traces, roots: {_listed(said)}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in counts.items()) or "none"


def durations(spans: list[ReceivedSpan]) -> str:
    return f"shortest and longest span: {_seconds(min, spans)} and {_seconds(max, spans)} s" if spans else ""


def _seconds(choose: Callable[[Iterator[int]], int], spans: list[ReceivedSpan]) -> str:
    return f"{choose(span.end - span.start for span in spans) / 1e9:,.1f}"


def how_often(spans: list[ReceivedSpan]) -> str:
    """How often a span of a test came."""
    times = Counter(span.span_id for span in spans if _is_test(span)).values()
    return f"each {max(times)} times" if times and max(times) > 1 else ""


def where_attributes_landed(spans: list[ReceivedSpan]) -> str:
    """On how many tests, or what is below them, stands what three of them and two of their fixtures set."""
    known = {span.span_id: span for span in spans}

    def test_of(span: ReceivedSpan | None) -> str:
        while span and not _is_test(span):
            span = known.get(span.parent_id)
        return span.name if span else ""

    def tests_with(attribute: str) -> int:
        return len({test_of(span) for span in spans if attribute in span.attributes} - {""})

    seen = {"tests": ("in_test", 3), "fixtures": ("in_fixture", 2), "teardowns": ("in_teardown", 2)}
    return "the current span seen in " + ", ".join(
        f"{tests_with(name)} of {n} {what}" for what, (name, n) in seen.items()
    )


INSTRUMENT = "opentelemetry-instrument"
APPLICATION = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{endpoint}",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
HEADERS = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRET}"}
TEXT = {"Content-Type": "text/plain"}
HELD = TEN_AND_ONE.replace("END", "hold()")
CASES = (
    Case(1, "nothing listens", passing(15), 15, None),
    Case(2, "silent, 600 tests", passing(600), 600, always(SILENT)),
    Case(2, "silent, 600 tests, -n 2", passing(600), 600, always(SILENT), ("-n2",)),
    Case(3, "answers after 3 s", passing(15), 15, slow(3)),
    Case(3, "answers after 12 s", passing(15), 15, slow(12)),
    Case(4, "429, Retry-After: 2", passing(15), 15, failing(1, http_wait(429, 2))),
    Case(4, "503, Retry-After: 60", passing(15), 15, always(http_wait(503, 60))),
    Case(5, "401", passing(15), 15, always(Reply(401))),
    Case(6, "302", passing(15), 15, redirect("http://127.0.0.1:1/")),
    Case(6, "a login page", passing(15), 15, login_page),
    Case(7, "7 rejected", passing(15), 15, partial_success(7, "too old")),
    Case(8, "down for 9 s of 14", QUARTERS, 56, away=(2, 11)),
    Case(9, "not trusted", passing(15), 15, tls=True),
    Case(10, "metrics and logs refused", passing(15), 15, only("traces")),
    Case(11, "8,000 tests, 0.5 s a batch", passing(8000), 8000, slow(0.5)),
    Case(13, "1 MB of output each", LOUD, 9, args=("--tb=no",)),
    Case(16, "os._exit", TEN_AND_ONE.replace("END", "os._exit(3)"), 6),
    Case(16, "segfault", TEN_AND_ONE.replace("END", "os.kill(os.getpid(), signal.SIGSEGV)"), 6),
    Case(16, "SIGTERM", HELD, 6, then=kill(signal.SIGTERM)),
    Case(16, "kill -9", HELD, 6, then=kill(signal.SIGKILL)),
    Case(17, "a worker killed", sixty_one("n == 30"), 61, args=("-n2",), look=traces_and_roots),
    Case(18, "Ctrl-C", CTRL_C + "\ndef test_a(): pass\ndef test_b(): ctrl_c()\n", 2, look=traces_and_roots),
    Case(19, "a forked child leaves by SystemExit", FORK, 2),
    Case(20, "errors of collection", BROKEN, 0, look=traces_and_roots),
    Case(20, "errors of setup and teardown", PHASES, 4, look=traces_and_roots),
    Case(22, "a lone surrogate", SURROGATE, 3),
    Case(23, "__str__ raises", LIAR, 3),
    Case(24, "1 MB, NUL, 10,000 properties", BIG, 2),
    Case(26, "the application sets the provider", PROVIDER, 3),
    Case(27, "freezegun", FROZEN, 5, look=durations),
    Case(28, "responses", MOCKED, 3),
    Case(29, "caplog and os.environ, nothing listens", CAPTURED, 2, None),
    Case(30, "opentelemetry-instrument", passing(3), 3, env=APPLICATION, launcher=INSTRUMENT, look=how_often),
    Case(31, "-n 2", passing(40), 40, args=("-n2",), look=traces_and_roots),
    Case(32, "rerunfailures", RERUN, 2, args=("--reruns=1",)),
    Case(33, "subtests", SUBTESTS, 1, look=traces_and_roots),
    Case(34, "pytest-asyncio", AWAITED, 3, look=where_attributes_landed),
    Case(35, "doctest, unittest, repeat", KINDS, 4, args=("--doctest-modules", "--count=2")),
    Case(36, "a secret header, and 401", passing(15), 15, always(Reply(401)), env=HEADERS),
    Case(37, "escapes in a refusal", passing(15), 15, always(Reply(400, TEXT, f"no{OWNED}".encode()))),
    Case(38, "a line break in a header", passing(2), 2, env={"OTEL_EXPORTER_OTLP_HEADERS": f"a=Bearer {SECRET}%0Ab"}),
)


@dataclass(frozen=True)
class Done:
    """A run that is over."""

    seconds: float
    code: int | None
    """None where it was killed because it did not end."""
    output: str
    spans: list[ReceivedSpan] = field(default_factory=list)

    @property
    def counts(self) -> str:
        found = re.findall(r"^=+ (.*) in [\d.]+s.*=+$", self.output, re.MULTILINE)
        return re.sub(r"(, )?\d+ warnings?", "", found[-1]) if found else "no summary"

    @property
    def tests(self) -> int:
        return len({span.span_id for span in self.spans if _is_test(span)})


def _is_test(span: ReceivedSpan) -> bool:
    return span.attributes.get("pytest.nodeid") == span.name or "tests.name" in span.attributes


class Peers:
    """Runs cases with plugins that are not ours."""

    def __init__(self, environments: Environments, authority: Authority) -> None:
        self._environments = environments
        self._authority = authority

    def told(self, case: Case, peer: Peer, alone: Done) -> str:
        """One line of what it did."""
        tls = self._authority.issue("127.0.0.1") if case.tls else None
        with serving(case, tls) as servers:
            endpoint = servers[0].endpoint if case.behaviour else f"http://127.0.0.1:{free_port()}"
            done = self.run(case, peer, endpoint)
        spans = [span for server in servers for span in server.spans()]
        return _told(case, replace(done, spans=spans), alone)

    def run(self, case: Case, peer: Peer, endpoint: str) -> Done:
        python = self._environments.python(peer)
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _write(folder, case.suite)
            launcher = [str(python.parent / case.launcher)] if case.launcher else []
            command = [*launcher, str(python), "-m", "pytest", "-p", "no:cacheprovider", *case.args]
            command += [text.format(endpoint=endpoint, scratch=scratch) for text in peer.args]
            told = {**dict(peer.env), **case.env}
            env = {**_environment(), **{name: text.format(endpoint=endpoint) for name, text in told.items()}}
            return _run(command, folder, env, case)


@contextmanager
def serving(case: Case, tls: Tls | None) -> Iterator[list[OtlpServer]]:
    """Yields the server, which another one follows on the same port where the case has it go away."""
    with ExitStack() as stack:
        servers = [stack.enter_context(OtlpServer(behaviour=case.behaviour or accept, tls=tls))]

        def come_back() -> None:
            servers.append(stack.enter_context(OtlpServer(port=servers[0].port)))

        times = zip(case.away, (servers[0].stop, come_back), strict=True) if case.away else ()
        timers = [threading.Timer(seconds, act) for seconds, act in times]
        for timer in timers:
            timer.start()
        yield servers
        for timer in timers:
            timer.join()


def _write(folder: Path, suite: str | Mapping[str, str]) -> None:
    files = {"test_it.py": suite} if isinstance(suite, str) else suite
    for name, text in {**files, "pytest.ini": "[pytest]\n"}.items():
        (folder / name).write_text(textwrap.dedent(text), "utf-8", "surrogatepass")


def _environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not environment.is_telltale(name)}
    # Without bytecode every run would be measured with the compilation of all that it imports.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "PY_COLORS": "0", "COLUMNS": "100"}


def _run(command: list[str], folder: Path, env: Mapping[str, str], case: Case) -> Done:
    began = time.monotonic()
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            case.then(process, folder)
            code: int | None = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            seconds = time.monotonic() - began
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Done(seconds, code, (folder / "output").read_text("utf-8", "replace"))


def _told(case: Case, done: Done, alone: Done) -> str:
    time_taken = (
        f"{alone.seconds:.1f} → {done.seconds:.1f} s" if done.code is not None else f"killed after {LONGEST:.0f} s"
    )
    parts = [f"{time_taken}, {done.tests} of {case.tests} tests arrived"]
    if done.code != alone.code:
        parts.append(f"exit code {done.code} for {alone.code}")
    if done.counts != alone.counts:
        parts.append(f"{done.counts} for {alone.counts}")
    if "INTERNALERROR" in done.output and "INTERNALERROR" not in alone.output:
        parts.append("INTERNALERROR")
    if SECRET in done.output:
        parts.append("the header's value is printed")
    if OWNED in done.output:
        parts.append("the escapes are printed")
    return ", ".join([*parts, *filter(None, [case.look(done.spans)])])


def main() -> None:
    # What a shell runs in the background ignores Ctrl-C, and so would all that is started from here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    environments = Environments(ROOT / ".venvs" / "faults")
    known = {peer.name: replace(peer, requires=(*peer.requires, *BESIDE)) for peer in named(list(NAMES))}
    peers = [known[name] for name in NAMES]
    alone = replace(ALONE, requires=(*ALONE.requires, *BESIDE, "opentelemetry-sdk"))
    installed = [version_of(environments, peer) for peer in peers]
    wanted = {int(number) for number in sys.argv[1:]} or {case.number for case in CASES}
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        runs = Peers(environments, Authority(Path(folder)))
        for case in CASES:
            if case.number in wanted:
                plain = runs.run(case, alone, "")
                told = {peer.name: runs.told(case, peer, plain) for peer in peers}
                rows.append({"case": case.number, "what": case.what, **told})
                print(json.dumps(rows[-1]), flush=True)
    save(installed, rows, wanted)


def version_of(environments: Environments, peer: Peer) -> str:
    lines = (line.replace("_", "-") for line in versions(environments.python(peer)))
    return next(line for line in lines if line.startswith(f"{peer.name}=="))


def save(installed: Sequence[str], rows: Sequence[dict[str, Any]], wanted: set[int]) -> None:
    """Writes the page anew, with what it had of other cases."""
    before = json.loads(PAGE.read_text("utf-8"))["rows"] if PAGE.exists() else []
    every = [*(row for row in before if row["case"] not in wanted), *rows]
    content = {"versions": installed, "rows": sorted(every, key=lambda row: int(row["case"]))}
    PAGE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
