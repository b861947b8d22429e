"""Processes that do not end as they should: the run's, the exporter's, and children of tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace as changed
from pathlib import Path

import pytest

from faults.scene import Ended, Live, Protocol, Scene, check_delivered, exporter_of, passing, replay, whole
from pytest_otlp.exporter.progress import Progress
from support import traces
from support.deadline import wait_until
from support.otlp_server import SILENT, OtlpServer, Reply, Request, always
from support.received import ReceivedSpan
from support.runs import Run, journals_in

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, and /proc to find the exporter")

HOLD = """
import os, pathlib, signal, sys, time

def hold():
    pathlib.Path("held").touch()
    deadline = time.monotonic() + 100
    while not pathlib.Path("go").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
"""
TEN_AND_ONE = (
    HOLD
    + """
def test_a0(): pass
def test_a1(): pass
def test_a2(): assert 0
def test_a3(): pass
def test_a4(): pass
def test_b():
    END
def test_c(): pass
"""
)
FINISHED = {f"test_it.py::test_a{n}": "failed" if n == 2 else "passed" for n in range(5)}


def has_root(server: OtlpServer) -> bool:
    return any(_is_root(span) for span in server.spans())


def _is_root(span: ReceivedSpan) -> bool:
    return "test.suite.run.status" in span.attributes and not traces.is_start_marker(span)


def outcomes(run: Run) -> dict[str, object]:
    return {span.name: span.attributes["pytest.outcome"] for span in run.tests}


def closed_by_the_exporter(live: Live, server: OtlpServer, exit_code: int) -> Run:
    """Waits for a run whose process left without a word, and for the exporter, which is not its child any more."""
    code, out, err = live.process.wait(30)
    assert code == exit_code, out + err
    assert "Traceback" not in err
    server.wait_for(has_root, 30)
    # Requests are answered in any order: with the journal gone, all of them are.
    wait_until(lambda: not journals_in(live.folder), "everything is delivered")
    run = Run(live.folder, code, out, err, server.spans())
    assert traces.problems(run.spans) == []
    assert run.root.attributes["test.suite.run.status"] == "aborted"
    assert run.root.status == traces.ERROR
    return run


def wait_for(path: Path) -> None:
    wait_until(path.exists, f"{path} is there")


@contextmanager
def released(live: Live) -> Iterator[None]:
    """Lets go of what waits in `hold`, also in workers that outlive their run."""
    try:
        yield
    finally:
        (live.folder / "go").touch()


# 16


@pytest.mark.parametrize(
    ("end", "exit_code"),
    [
        pytest.param("os._exit(3)", 3, id="exit"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV, id="segfault"),
        pytest.param("os.abort()", -signal.SIGABRT, id="abort"),
    ],
)
def test_16_a_test_ends_the_process(scene: Scene, end: str, exit_code: int) -> None:
    with OtlpServer() as server, scene.live(TEN_AND_ONE.replace("END", end), server) as live:
        run = closed_by_the_exporter(live, server, exit_code)
    assert outcomes(run) == {**FINISHED, "test_it.py::test_b": "interrupted"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_16_a_signal_ends_pytest(scene: Scene, number: signal.Signals, protocol: Protocol) -> None:
    with (
        OtlpServer(protocol) as server,
        scene.live(TEN_AND_ONE.replace("END", "hold()"), server, protocol=protocol) as live,
        released(live),
    ):
        wait_for(live.folder / "held")
        os.kill(live.pid, number)
        run = closed_by_the_exporter(live, server, -number)
    assert outcomes(run) == {**FINISHED, "test_it.py::test_b": "interrupted"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_16_a_signal_ends_the_controller(scene: Scene, number: signal.Signals) -> None:
    pytest.importorskip("xdist")
    files = {"test_a.py": TEN_AND_ONE.replace("END", "pass"), "test_z.py": HOLD + "\ndef test_held(): hold()\n"}
    with (
        OtlpServer() as server,
        scene.live(files, server, "-n2", "--dist=loadfile") as live,
        released(live),
    ):
        server.wait_for(lambda server: len(traces.tests_of(server.spans())) == 7, 30)
        wait_for(live.folder / "held")
        os.kill(live.pid, number)
        run = closed_by_the_exporter(live, server, -number)
    found = outcomes(run)
    assert found.pop("test_z.py::test_held") == "interrupted"
    assert sorted(str(outcome) for outcome in found.values()) == ["failed", *["passed"] * 6]


@pytest.mark.parametrize("endpoint", ["dead", "silent"])
def test_16_a_killed_run_without_an_endpoint_is_kept(scene: Scene, endpoint: str) -> None:
    """A request that hangs for ten minutes does not hide that the parent is gone: the exporter leaves in time."""
    suite, env = TEN_AND_ONE.replace("END", "hold()"), {"OTEL_EXPORTER_OTLP_TIMEOUT": "600000"}
    with (
        OtlpServer(behaviour=always(SILENT)) as silent,
        scene.live(suite, silent if endpoint == "silent" else "http://127.0.0.1:1", env=env, exit_timeout=1) as live,
        released(live),
    ):
        wait_for(live.folder / "held")
        exporter = exporter_of(live)
        if endpoint == "silent":
            silent.wait_for(lambda server: server.requests, 30)
        os.kill(live.pid, signal.SIGKILL)
        code, out, err = live.process.wait(30)
        wait_for_end_of(exporter)
    (journal,) = journals_in(live.folder)
    with OtlpServer() as server:
        assert replay(journal, server.endpoint).exit_code == 0
    run = Run(live.folder, code, out, err, server.spans())
    assert traces.problems(run.spans) == []
    assert outcomes(run) == {**FINISHED, "test_it.py::test_b": "interrupted"}
    assert not journal.exists()


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGSEGV)"], ids=["exit", "segfault"])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_16_a_test_ends_a_worker(scene: Scene, protocol: Protocol, end: str) -> None:
    pytest.importorskip("xdist")
    with OtlpServer(protocol) as server:
        run = check_delivered(scene.run(TEN_AND_ONE.replace("END", end), server, "-n2", protocol=protocol))
    assert outcomes(run) == {**FINISHED, "test_it.py::test_b": "crashed", "test_it.py::test_c": "passed"}


def test_16_a_timeout_by_thread(scene: Scene) -> None:
    pytest.importorskip("pytest_timeout")
    suite = TEN_AND_ONE.replace("END", "time.sleep(30)")
    with (
        OtlpServer() as server,
        scene.live(suite, server, "-p", "timeout", "--timeout=1", "--timeout-method=thread") as live,
    ):
        run = closed_by_the_exporter(live, server, 1)
    assert outcomes(run) == {**FINISHED, "test_it.py::test_b": "interrupted"}


# 17

DIES = """
import os, pathlib, signal, time

import pytest

STARTED = pathlib.Path("started")
DOWN = "down\\n"
CONTROLS = "PYTEST_XDIST_WORKER" not in os.environ

def pytest_configure():
    if CONTROLS:
        STARTED.write_text("")  # an earlier run in this folder left one

def note(line):
    if CONTROLS:
        with STARTED.open("a") as file:
            file.write(line)

def pytest_runtest_logstart(nodeid):
    note(f"{nodeid}\\n")

@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(error):
    if error:
        note(DOWN)

def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition(STARTED.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)

def die(request):
    \"\"\"xdist's controller fails when it sends tests to a dead worker: here it has taken in all that was told.\"\"\"
    wait_for(lambda told: f"{request.node.nodeid}\\n" in told)
    os.kill(os.getpid(), signal.SIGKILL)

def my_turn(most):
    \"\"\"Whether this worker is one of so many that are to die; one after the other, for the reason of `die`.\"\"\"
    for turn in range(most):
        try:
            os.close(os.open(f"turn-{turn}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        # With a line after that the controller is done with those who died before.
        wait_for(lambda told: not turn or told.count(DOWN) >= turn and not told.endswith(DOWN))
        return True
    return False
"""


def sixty_one(condition: str) -> dict[str, str]:
    """Tests of which those kill their worker."""
    return {
        "conftest.py": DIES,
        "test_it.py": f"""
import pytest
from conftest import die, my_turn

@pytest.mark.parametrize("n", range(61))
def test_n(n, request):
    if {condition}:
        die(request)
""",
    }


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_17_a_worker_is_killed(scene: Scene, protocol: Protocol) -> None:
    pytest.importorskip("xdist")
    with OtlpServer(protocol) as server:
        ended = scene.run(sixty_one("n == 30"), server, "-n2", protocol=protocol)
    run = check_delivered(ended)
    assert run.exit_code == 1
    assert outcomes(run) == {f"test_it.py::test_n[{n}]": "crashed" if n == 30 else "passed" for n in range(61)}
    assert run.root.attributes["test.suite.run.status"] == "failure"


@pytest.mark.parametrize("most", [0, 1])
def test_17_workers_are_killed_and_not_replaced(scene: Scene, most: int) -> None:
    """xdist ends the session then, and how many tests run before that is a matter of chance: pytest counts them."""
    pytest.importorskip("xdist")
    suite = sixty_one(f"n % 10 == 5 and my_turn({most + 1})")
    with OtlpServer() as server, scene.live(suite, server, "-n2", f"--max-worker-restart={most}") as live:
        ended = live.ended(None)
    run = check_delivered(ended)
    assert run.exit_code == scene.without(suite, "-n2", f"--max-worker-restart={most}").exit_code == 1
    crashed = [name for name, outcome in outcomes(run).items() if outcome == "crashed"]
    assert len(crashed) == most + 1
    assert all(int(name[:-1].partition("[")[2]) % 10 == 5 for name in crashed)


# 18

CTRL_C = """
import os, signal, threading

def ctrl_c():
    \"\"\"As a terminal does it: to the whole process group.\"\"\"
    os.killpg(0, signal.SIGINT)
    threading.Event().wait(30)
"""


TOLD = """
import pathlib, time

def told(test):
    \"\"\"The process that owns the run has heard of it; a worker is ahead of it.\"\"\"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        journals = list(pathlib.Path(".pytest_cache/d/otlp").glob("*.jsonl"))
        if all(test in journal.read_text() for journal in journals):
            return
        time.sleep(0.01)
"""


def test_18_ctrl_c_in_a_test(scene: Scene, workers: tuple[str, ...]) -> None:
    suite = CTRL_C + TOLD + "\ndef test_a(): pass\ndef test_b(): told('test_b'); ctrl_c()\ndef test_c(): pass\n"
    with OtlpServer() as server, scene.live(suite, server, *workers) as live:
        ended = live.ended(None if workers else scene.without(suite))
    run = check_delivered(ended)
    assert run.exit_code == 2
    assert run.root.attributes["test.suite.run.status"] == "aborted"
    assert outcomes(run)["test_it.py::test_b"] == "interrupted"


IMPATIENT = """
import os, signal, sys, threading, time

def under_way(ident):
    frame = sys._current_frames()[ident]
    while frame:
        yield frame.f_code.co_name
        frame = frame.f_back

def ctrl_c_while_it_waits(ident):
    while "communicate" not in under_way(ident):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=ctrl_c_while_it_waits, args=[threading.main_thread().ident], daemon=True).start()
"""


def test_18_ctrl_c_while_the_exporter_delivers(scene: Scene) -> None:
    """Who is tired of waiting gets the tests' exit status, and is told where the run is."""
    files = {"conftest.py": IMPATIENT, "test_it.py": passing(15)}
    with (
        OtlpServer(behaviour=always(SILENT)) as silent,
        scene.live(files, silent, exit_timeout=2) as live,
    ):
        exporter = exporter_of(live)
        code, out, err = live.process.wait(30)
        assert (code, err) == (0, ""), out + err
        wait_for_end_of(exporter)
    (journal,) = journals_in(live.folder)
    problem = "interrupted while the exporter delivered, which goes on alone"
    remedy = f"what it does not deliver can be sent with: pytest-otlp replay {journal.relative_to(live.folder)}"
    assert out.splitlines()[-1] == f"otlp: {problem}; {remedy}"
    with OtlpServer() as server:
        assert replay(journal, server.endpoint).exit_code == 0
    assert len(traces.tests_of(server.spans())) == 15


def test_18_ctrl_c_while_collecting(scene: Scene, workers: tuple[str, ...]) -> None:
    # pytest collects here, where workers do; their controller collects nothing.
    suite = CTRL_C + "\nctrl_c()\ndef test_a(): pass\n"
    with OtlpServer() as server, scene.live(suite, server, *workers) as live:
        ended = live.ended(None if workers else scene.without(suite))
    run = check_delivered(ended)
    assert run.exit_code == 2
    assert run.root.attributes["test.suite.run.status"] == "aborted"
    assert run.tests == []


def test_18_internal_error_of_another_plugin(scene: Scene, workers: tuple[str, ...]) -> None:
    files = {
        "conftest.py": """
            def pytest_runtest_logreport(report):
                if report.nodeid.endswith("test_b") and report.when == "call":
                    raise ValueError("broken plugin")
        """,
        "test_it.py": "def test_a(): pass\ndef test_b(): pass\ndef test_c(): pass\n",
    }
    with OtlpServer() as server, scene.live(files, server, *workers) as live:
        ended = live.ended(None)
    assert ended.run.exit_code == scene.without(files, *workers).exit_code == 3
    run = check_delivered(ended)
    assert run.root.attributes["test.suite.run.status"] == "failure"
    assert run.root.status == traces.ERROR


@pytest.mark.parametrize(
    ("args", "end"),
    [
        pytest.param(("-x",), "assert 0", id="x"),
        pytest.param(("--maxfail=2",), "assert 0", id="maxfail"),
        pytest.param((), "pytest.exit('enough')", id="exit"),
        pytest.param((), "pytest.exit('enough', 7)", id="exit 7"),
    ],
)
def test_18_ended_early(scene: Scene, workers: tuple[str, ...], args: tuple[str, ...], end: str) -> None:
    suite = f"import pytest\n@pytest.mark.parametrize('n', range(12))\ndef test_n(n):\n    if n in (1, 2, 5): {end}\n"
    with OtlpServer() as server, scene.live(suite, server, *args, *workers) as live:
        # On workers, how far they got is a matter of chance.
        ended = live.ended(None if workers else scene.without(suite, *args))
    assert ended.run.exit_code == scene.without(suite, *args, *workers).exit_code
    check_delivered(ended)


# 19


@pytest.mark.parametrize("leave", ["os._exit(0)", "sys.exit(0)", "raise SystemExit(5)"])
def test_19_a_child_leaves_a_test(scene: Scene, leave: str) -> None:
    """`sys.exit` goes up through the child's whole pytest, which ends its copy of the session."""
    suite = f"""
        import os, sys

        def test_a(): pass

        def test_fork():
            child = os.fork()
            if not child:
                {leave}
            assert os.waitpid(child, 0)

        def test_c(): pass
    """
    with OtlpServer() as server, scene.live(suite, server) as live:
        code, out, err = live.process.wait(30)
        run = Run(live.folder, code, out, err, server.spans())
    assert code == scene.without(suite).exit_code == 0
    assert "Traceback" not in err
    assert outcomes(run) == {f"test_it.py::test_{name}": "passed" for name in ("a", "fork", "c")}
    assert len(run.our_lines) <= 2 + out.count("test session starts"), out
    assert traces.problems(run.spans) == []
    assert run.root.attributes["pytest.tests.passed"] == 3


def test_19_a_child_outlives_the_run(scene: Scene) -> None:
    """It holds copies of all descriptors; nobody waits for it."""
    suite = HOLD + "\ndef test_fork():\n    if not os.fork():\n        hold()\n        os._exit(0)\n"
    with OtlpServer() as server, scene.live(suite, server) as live, released(live):
        ended = live.ended(None)
    assert ended.run.exit_code == 0
    assert outcomes(check_delivered(ended)) == {"test_it.py::test_fork": "passed"}


def test_19_a_child_outlives_a_killed_run(scene: Scene) -> None:
    suite = (
        HOLD
        + "\ndef test_a(): pass\ndef test_fork():\n    if not os.fork():\n        hold()\n        os._exit(0)\n"
        + "    os._exit(4)\n"
    )
    with OtlpServer() as server, scene.live(suite, server) as live, released(live):
        run = closed_by_the_exporter(live, server, 4)
    assert outcomes(run) == {"test_it.py::test_a": "passed", "test_it.py::test_fork": "interrupted"}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_19_multiprocessing(scene: Scene, workers: tuple[str, ...], method: str) -> None:
    suite = f"""
        import multiprocessing
        import warnings

        def double(number):
            return 2 * number

        def test_pool():
            warnings.simplefilter("ignore")
            with multiprocessing.get_context("{method}").Pool(2) as pool:
                assert pool.map(double, [1, 2, 3]) == [2, 4, 6]

        def test_process():
            warnings.simplefilter("ignore")
            process = multiprocessing.get_context("{method}").Process(target=double, args=(1,))
            process.start()
            process.join()
            assert process.exitcode == 0
    """
    with OtlpServer() as server:
        run = check_delivered(scene.run(suite, server, *workers))
    assert outcomes(run) == {"test_it.py::test_pool": "passed", "test_it.py::test_process": "passed"}


def test_19_forked_with_a_crash(scene: Scene) -> None:
    pytest.importorskip("pytest_forked")
    suite = "import os\ndef test_a(): pass\ndef test_b(): os.kill(os.getpid(), 11)\ndef test_c(): assert 0\n"
    with OtlpServer() as server:
        run = check_delivered(scene.run(suite, server, "-p", "pytest_forked", "--forked"))
    found = outcomes(run)
    assert len(found) == 3
    # pytest-forked 1.7 takes every test under pytest 9 for crashed, so only this one is certain.
    assert found["test_it.py::test_b"] == "crashed"


# 21


def wait_for_end_of(pid: int) -> None:
    wait_until(lambda: has_ended(pid), "the process has ended")


def has_ended(pid: int) -> bool:
    """Also of one that nobody has waited for: it holds no file any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_21_the_exporter_is_killed(scene: Scene, workers: tuple[str, ...], number: signal.Signals) -> None:
    files = {"test_a.py": TEN_AND_ONE.replace("END", "pass"), "test_b.py": HOLD + "\ndef test_held(): hold()\n"}
    with OtlpServer() as server, scene.live(files, server, *workers, exit_timeout=1) as live, released(live):
        server.wait_for(lambda server: traces.tests_of(server.spans()), 30)
        wait_for(live.folder / "held")
        exporter = exporter_of(live)
        os.kill(exporter, number)
        (live.folder / "go").touch()
        try:
            ended = live.ended(None)
        finally:
            with suppress(ProcessLookupError):
                os.kill(exporter, signal.SIGKILL)
            wait_for_end_of(exporter)
        assert ended.run.exit_code == 1
        assert ended.run.summary == {"passed": 7, "failed": 1}
        (line,) = [line for line in ended.run.our_lines if "replay" in line]
        assert "the run is kept" in line
        with OtlpServer() as later:
            assert replay(ended.journal, later.endpoint).exit_code == 0
            again = later.spans()
    # The batch that was on its way when it died may have arrived, with the same ids.
    arrived = {span.span_id: span for span in [*server.spans(), *again]}
    run = whole(ended_with(ended, []), list(arrived.values()))
    assert len(run.tests) == 8
    assert ended.journals == []


IN_TWO_PARTS = """
import pathlib, time

def wait_for(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.01)

def test_a(): pass
def test_b(): wait_for("go1")
def test_c(): pass
def test_d(): wait_for("go2")
"""


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_21_what_was_acknowledged_is_not_sent_again(scene: Scene, protocol: Protocol) -> None:
    """The exporter is killed while an earlier payload is without an answer."""

    def behaviour(request: Request) -> Reply:
        return Reply(silent=any(span.name.endswith("test_a") for span in request.spans))

    with (
        OtlpServer(protocol, behaviour=behaviour) as server,
        scene.live(IN_TWO_PARTS, server, protocol=protocol, exit_timeout=1) as live,
    ):
        server.wait_for(lambda server: any(request.reply.silent for request in server.requests), 30)
        (live.folder / "go1").touch()
        server.wait_for(lambda server: any(span.name.endswith("test_c") for span in server.spans()), 30)
        taken = [span for span in server.spans() if not traces.is_marker(span)]
        (journal,) = journals_in(live.folder)
        wait_until(lambda: Progress.settled_of(journal) == len(taken), "the answers are noted")
        os.kill(exporter := exporter_of(live), signal.SIGKILL)
        wait_for_end_of(exporter)
        (live.folder / "go2").touch()
        ended = live.ended(None)
    with OtlpServer(protocol) as later:
        assert replay(ended.journal, later.endpoint, protocol).exit_code == 0
    assert not {span.span_id for span in taken} & {span.span_id for span in later.spans()}
    run = whole(ended_with(ended, taken), later.spans())
    assert len(run.tests) == 4


def ended_with(ended: Ended, spans: list[ReceivedSpan]) -> Ended:
    return changed(ended, run=changed(ended.run, spans=spans))
