"""Runs that fail outside of their tests."""

from __future__ import annotations

import pytest

from faults.scene import Scene, check_delivered
from support import traces
from support.otlp_server import OtlpServer

BROKEN = {
    "test_import.py": "import nowhere_to_be_found\n",
    "test_ok.py": "def test_ok(): pass\n",
}
PHASES = """
import pytest

@pytest.fixture
def bad_setup():
    raise LookupError("no shop")

@pytest.fixture
def bad_teardown():
    yield
    raise OSError("shop burnt down")

def test_ok(): pass
def test_setup(bad_setup): pass
def test_teardown(bad_teardown): pass
def test_both(bad_teardown): assert 0
"""


def test_20_a_collection_error(scene: Scene, workers: tuple[str, ...]) -> None:
    with OtlpServer() as server:
        run = check_delivered(scene.run(BROKEN, server, *workers))
    # pytest stops before the first test, its workers do not.
    assert run.exit_code == (1 if workers else 2)
    assert len(run.tests) == bool(workers)
    assert run.root.status == traces.ERROR
    assert run.root.attributes["pytest.tests.error"] == 1
    (failed,) = [span for span in run.spans if span.name == "test_import.py"]
    assert failed.status == traces.ERROR
    assert "nowhere_to_be_found" in failed.message


def test_20_a_collection_error_and_a_run(scene: Scene, workers: tuple[str, ...]) -> None:
    with OtlpServer() as server:
        run = check_delivered(scene.run(BROKEN, server, "--continue-on-collection-errors", *workers))
    assert run.exit_code == 1
    assert run.root.attributes["test.suite.run.status"] == "failure"
    assert [(span.name, span.attributes["pytest.outcome"]) for span in run.tests] == [("test_ok.py::test_ok", "passed")]


def test_20_errors_around_tests(scene: Scene, workers: tuple[str, ...]) -> None:
    with OtlpServer() as server:
        run = check_delivered(scene.run(PHASES, server, *workers))
    assert run.root.attributes["test.suite.run.status"] == "failure"
    assert run.root.status == traces.ERROR
    found = {span.name: (span.attributes["pytest.outcome"], span.message) for span in run.tests}
    assert found["test_it.py::test_ok"] == ("passed", "")
    assert found["test_it.py::test_setup"] == ("error", "no shop")
    assert found["test_it.py::test_teardown"] == ("error", "shop burnt down")
    assert found["test_it.py::test_both"][0] == "failed"
    assert run.phase("test_both", "teardown").attributes["pytest.outcome"] == "error"


@pytest.mark.parametrize("where", ["pytest_sessionstart", "pytest_sessionfinish", "pytest_unconfigure"])
def test_20_errors_around_the_session(scene: Scene, where: str) -> None:
    files = {
        "conftest.py": f"def {where}():\n    raise ValueError('broken hook')\n",
        "test_it.py": "def test_a(): pass\n",
    }
    without = scene.without(files)
    with OtlpServer() as server, scene.live(files, server) as live:
        code, out, err = live.process.wait(30)
        spans = server.spans()
    assert code == without.exit_code
    assert err.count("Traceback") == without.stderr.count("Traceback")
    assert out.count("\notlp:") <= 2
    assert traces.problems(spans) == []
    # What comes after the end of the session is nobody's news.
    assert traces.root_of(spans).status == (traces.ERROR if where != "pytest_unconfigure" else traces.UNSET)
