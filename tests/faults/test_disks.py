"""Journals that cannot be written, or not to their end."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from faults.scene import Protocol, Scene, check_delivered, passing
from support import traces
from support.deadline import wait_until
from support.otlp_server import OtlpServer
from support.runs import Run, journals_in

# What the system says of a file that may not grow is as good as a full disk, and needs no disk of its own.
FULL = {
    "conftest.py": """
        import pathlib
        import resource

        def pytest_runtest_setup(item):
            if item.name == "test_n[20]":
                (journal,) = pathlib.Path(".pytest_cache/d/otlp").glob("*.jsonl")
                most = journal.stat().st_size + 700
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

        def pytest_runtest_teardown(item):
            if item.name == "test_n[40]":
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    """,
    "test_it.py": passing(60),
}

# An interpreter that needs longer to start than the run takes.
LATE = """
    import pathlib
    import sys

    slow = pathlib.Path("slow").absolute()
    slow.write_text(f'#!/bin/sh\\nsleep 0.5\\nexec {sys.executable} "$@"\\n')
    slow.chmod(0o755)
    sys.executable = str(slow)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits")
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_14_the_disk_is_full_for_a_while(scene: Scene, protocol: Protocol) -> None:
    with OtlpServer(protocol) as server, scene.live(FULL, server, protocol=protocol) as live:
        ended = live.ended(None)
    assert ended.run.exit_code == 0
    assert ended.run.summary == {"passed": 60}
    assert traces.problems(ended.run.spans) == []
    dropped = re.search(r"(\d+) facts could not be written", ended.text)
    assert dropped, ended.text
    assert int(dropped[1]) > 0
    whole = {span.name for span in ended.run.tests if span.attributes["pytest.outcome"] == "passed"}
    # Before and after, nothing is missing.
    assert {f"test_it.py::test_n[{n}]" for n in (*range(20), *range(42, 60))} <= whole
    # Each fact is of one test, and each test that is not whole has lost one at least.
    assert 60 - len(whole) <= int(dropped[1])


def test_14_the_project_cannot_be_written(scene: Scene, tmp_path: Path) -> None:
    """The journal is in the system's temporary folder then."""
    (tmp_path / "temporary").mkdir()
    ini = "cache_dir = /dev/null/cache"
    with (
        OtlpServer() as server,
        scene.live(passing(5), server, ini=ini, env={"TMPDIR": str(tmp_path / "temporary")}) as live,
    ):
        ended = live.ended(None)
    assert ended.run.exit_code == 0
    # pytest warns of such a cache folder, and counts it otherwise than a warning of a test.
    assert traces.problems(ended.run.spans) == []
    assert len(ended.run.tests) == 5
    (of_the_user,) = (tmp_path / "temporary").iterdir()
    assert [*of_the_user.iterdir()] == []


def test_14_nothing_can_be_written(scene: Scene) -> None:
    """The run goes on without telemetry, and says so in the one line at its start."""
    ini = "cache_dir = /dev/null/cache"
    # pytest itself needs no temporary folder here.
    block = {"conftest.py": "import tempfile\ntempfile.tempdir = '/dev/null/nowhere'\n", "test_it.py": passing(5)}
    without = scene.without(block, ini=ini)
    with OtlpServer() as server, scene.live(block, server, ini=ini) as live:
        code, out, err = live.process.wait(30)
        assert server.requests == []
    assert (code, without.exit_code) == (0, 0), out + err
    assert out.count("otlp: off, because no journal can be written") == 1
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a journal without a name may not be found")
@pytest.mark.parametrize("where", ["def test_first(): ", ""], ids=["in a test", "while collecting"])
@pytest.mark.parametrize("conftest", ["", LATE], ids=["it gets ready", "it is not there yet"])
def test_14_the_suite_removes_the_cache(scene: Scene, where: str, conftest: str) -> None:
    """The exporter finds it all the same."""
    module = f"import shutil\n{where}shutil.rmtree('.pytest_cache', ignore_errors=True)\n" + passing(5)
    suite = {"conftest.py": conftest, "test_it.py": module}
    with OtlpServer() as server, scene.live(suite, server) as live:
        ended = live.ended(scene.without(suite))
    assert ended.line is not None
    assert ended.line.delivered == ended.line.produced
    assert len(ended.run.tests) == 5 + bool(where)


@pytest.mark.parametrize("last", ["60", "os.sysconf('SC_OPEN_MAX')"], ids=["low", "all"])
@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of POSIX systems")
def test_14_a_test_closes_descriptors_and_opens_files(scene: Scene, last: str) -> None:
    """What it opens gets numbers that may have been ours: nothing of ours comes into its files."""
    suite = f"""
        import os

        def test_a():
            os.closerange(3, {last})
            global opened
            opened = [os.open(f"data{{n}}.txt", os.O_RDWR | os.O_CREAT) for n in range(60)]

        def test_b(): pass
    """
    with OtlpServer() as server, scene.live(suite, server, "-s", "-p", "no:faulthandler") as live:
        code, out, err = live.process.wait(30)
        assert (code, err) == (0, ""), out + err
        wait_until(lambda: not journals_in(live.folder), "everything is delivered")
        run = Run(live.folder, code, out, err, server.spans())
    assert traces.problems(run.spans) == []
    assert len(run.tests) == 2
    assert {path.read_text() for path in live.folder.glob("data*.txt")} == {""}
    said = f"2 tests, {len(run.spans)} spans delivered to "
    if last != "60":  # ours with them
        said = "a test closed the pipe to the exporter, which is done: it has removed the journal"
    assert out.splitlines()[-1].startswith(f"otlp: {said}")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_14_a_test_closes_the_journal(scene: Scene) -> None:
    """As one does that closes all descriptors but the first; here only ours, for pytest has some of its own."""
    suite = """
        import os

        def test_a(): pass

        def test_b():
            for name in os.listdir("/proc/self/fd"):
                path = f"/proc/self/fd/{name}"
                if os.path.exists(path) and os.readlink(path).endswith(".jsonl"):
                    os.close(int(name))

        def test_c(): pass
    """
    with OtlpServer() as server:
        run = check_delivered(scene.run(suite, server))
    assert len(run.tests) == 3
