"""Our two lines, and nothing else."""

from __future__ import annotations

import re
import sys

import pytest

from support.runs import Runner

SUITE = "def test_a(): pass\ndef test_b(): assert 0"


@pytest.mark.parametrize(
    ("args", "header", "summary"),
    [
        ([], True, True),
        (["-v"], True, True),
        (["-q"], False, True),
        (["-qq"], False, False),
        (["--no-header"], False, True),
        (["--no-summary"], True, True),
        (["-p", "no:terminal"], False, False),
    ],
    ids=lambda value: " ".join(value) or "plain" if isinstance(value, list) else "",
)
def test_our_lines(run_pytest: Runner, args: list[str], header: bool, summary: bool) -> None:
    run = run_pytest(SUITE, *args)
    assert len(run.tests) == 2
    lines = [re.sub(r"127\.0\.0\.1:\d+", "HOST", line) for line in run.our_lines]
    link = f"http://localhost:16686/trace/{run.root.trace_id}"
    expected = []
    if header:
        expected.append(f"otlp: HOST (http), service suite, trace {run.root.trace_id}, {link}")
    if summary:
        expected.append(f"otlp: 2 tests, {len(run.spans)} spans delivered to HOST - {link}")
    assert lines == expected
    assert not summary or run.stdout.splitlines()[-1] == run.our_lines[-1]


def test_another_reporter_in_the_place_of_pytests(run_pytest: Runner) -> None:
    """As pytest-rich puts one there on a terminal."""
    conftest = """
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_configure(config):
            config.pluginmanager.unregister(name="terminalreporter")
            config.pluginmanager.register(Reporter(), "another")

        class Reporter:
            def pytest_sessionfinish(self): print("theirs")
    """
    run = run_pytest({"conftest.py": conftest, "test_it.py": SUITE})
    theirs, ours = run.stdout.splitlines()
    assert theirs == "theirs"
    assert ours.startswith(f"otlp: 2 tests, {len(run.spans)} spans delivered to ")


OUTCOMES = """
    import warnings
    import pytest

    def test_passes():
        warnings.warn("old")

    def test_fails():
        print("said")
        assert 1 == 2

    @pytest.fixture
    def broken():
        raise LookupError("no shop")

    def test_breaks(broken): pass

    @pytest.mark.skip(reason="later")
    def test_skips(): pass

    @pytest.mark.xfail(reason="known")
    def test_xfails(): assert 0
"""


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["-rA"],
        ["-q", "--tb=short", "-x"],
        ["-v", "--setup-show", "--otel-detail=fixtures"],
        ["-W", "error", "--capture=no"],
        ["-k", "nothing"],
    ],
    ids=lambda args: " ".join(args) or "plain",
)
def test_the_rest_is_as_without_the_plugin(run_pytest: Runner, args: list[str]) -> None:
    run = run_pytest(OUTCOMES, *args)
    bare = run_pytest.without(OUTCOMES, *(arg for arg in args if not arg.startswith("--otel")))
    assert run.exit_code == bare.exit_code
    assert run.stderr == bare.stderr
    assert run.their_lines == bare.their_lines


LEAVES_AT_THE_END = """
    import os, sys

    def pytest_unconfigure(config):
        sys.stdout.flush()
        os._exit(0)
"""


def test_a_conftest_that_leaves_at_the_end(run_pytest: Runner) -> None:
    """In a container nothing outlives this process: all is delivered, and said, before."""
    run = run_pytest({"conftest.py": LEAVES_AT_THE_END, "test_it.py": "def test_a(): pass"})
    assert run.our_delivery == (1, len(run.spans))


def test_xdist_prints_the_same(run_pytest: Runner) -> None:
    pytest.importorskip("xdist")
    args = ["-n1", "-v"]
    run, bare = run_pytest(OUTCOMES, *args), run_pytest.without(OUTCOMES, *args)
    assert run.exit_code == bare.exit_code
    assert run.their_lines == bare.their_lines


@pytest.mark.skipif(sys.platform == "win32", reason="what is open cannot be removed there")
def test_a_journal_that_a_test_removes(run_pytest: Runner) -> None:
    """With it went what could be sent again; nothing else may be said."""
    suite = "import shutil\ndef test_a(): shutil.rmtree('.pytest_cache/d')\ndef test_b(): pass"
    run = run_pytest.without(suite, "--otel-endpoint=http://127.0.0.1:9")
    assert run.summary == {"passed": 2}
    assert run.our_lines[-1].endswith("; the journal is gone: it was removed while the run went on")
    assert "left no word" not in run.stdout
    assert "replay" not in run.stdout
