from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.runs import Runner
from support.traces import is_start_marker

OK = "def test_ok(): pass"
BROKEN_IMPORT = """
pytest aborted !1 error during collection *Interrupted
  collection
    test_bad.py error !No module named 'nowhere_to_be_found' *ModuleNotFoundError
"""
BROKEN_CONFTEST = """
pytest aborted !1 error during collection *Interrupted
  collection
    sub error !No module named 'nowhere_to_be_found' *ModuleNotFoundError
"""
BROKEN_SYNTAX = """
pytest aborted !1 error during collection *Interrupted
  collection
    test_bad.py error !invalid syntax (test_bad.py, line 1) *SyntaxError
"""
RAISING = """
pytest aborted !1 error during collection *Interrupted
  collection
    test_bad.py error !no shop *ValueError
"""
BAD_PARAMETERS = """
pytest aborted !1 error during collection *Interrupted
  collection
    test_bad.py::TestBad error !In test_a: function uses no argument 'x' *Failed
"""
BROKEN_TEST = """
pytest aborted !1 error during collection *Interrupted
  collection
    test_it.py error !No module named 'nowhere_to_be_found' *ModuleNotFoundError
"""
BROKEN_FIXTURE = """
import pytest

@pytest.fixture
def broken(): raise LookupError("no shop")

def test_ok(): pass
def test_broken(broken): pass
"""
BROKEN_SETUP = """
pytest failure !1 error
  collection
  test_it.py::test_ok skipped (setup, teardown)
  test_it.py::test_broken error !no shop
    setup error ! *LookupError
      fixture broken (function) !
    teardown
"""
SKIPPED = """
pytest success
  collection
    test_bad.py skipped pytest.reason="could not import 'nowhere': No module named 'nowhere'"
  test_ok.py::test_ok passed (setup, call, teardown)
"""


@pytest.mark.parametrize(
    ("files", "tree"),
    [
        pytest.param({"test_bad.py": "import nowhere_to_be_found"}, BROKEN_IMPORT, id="import"),
        pytest.param(
            {"sub/conftest.py": "import nowhere_to_be_found", "sub/test_a.py": OK}, BROKEN_CONFTEST, id="conftest"
        ),
        pytest.param({"test_bad.py": "def test_a(:"}, BROKEN_SYNTAX, id="syntax"),
        pytest.param({"test_bad.py": "raise ValueError('no shop')"}, RAISING, id="raises"),
        pytest.param(
            {
                "test_bad.py": """
                    import pytest
                    @pytest.mark.parametrize("x", [1])
                    class TestBad:
                        def test_a(self): pass
                """
            },
            BAD_PARAMETERS,
            id="parametrize",
        ),
        pytest.param({"test_bad.py": "import pytest; pytest.importorskip('nowhere')"}, SKIPPED, id="importorskip"),
    ],
)
def test_files_that_cannot_be_collected(run_pytest: Runner, files: Mapping[str, str], tree: str) -> None:
    run = run_pytest({**files, "test_ok.py": OK})
    # pytest 8.0 has the function's name where later ones have the node id.
    assert run.tree("pytest.reason").replace("In test_bad.py::TestBad::test_a", "In test_a") == tree


def test_a_collection_error_has_its_place_and_its_traceback(run_pytest: Runner) -> None:
    run = run_pytest({"test_bad.py": "import nowhere_to_be_found", "test_ok.py": OK}, "--continue-on-collection-errors")
    assert (
        run.tree()
        == """
pytest failure !1 error
  collection
    test_bad.py error !No module named 'nowhere_to_be_found' *ModuleNotFoundError
  test_ok.py::test_ok passed (setup, call, teardown)
"""
    )
    span = run.named("test_bad.py")
    assert span.attributes == {
        "code.file.path": "test_bad.py",
        "pytest.outcome": "error",
        "error.type": "ModuleNotFoundError",
    }
    (event,) = span.events
    assert event.attributes["exception.stacktrace"].splitlines()[-2:] == [
        "test_bad.py:1: in <module>",
        "    import nowhere_to_be_found",
    ] or event.attributes["exception.stacktrace"].endswith("No module named 'nowhere_to_be_found'")
    assert event.attributes["exception.stacktrace"] in run.stdout


def test_a_file_that_takes_long_to_collect_has_a_span(run_pytest: Runner) -> None:
    run = run_pytest({"test_slow.py": f"import time; time.sleep(0.02)\n{OK}", "test_ok.py": OK})
    slow = run.named("test_slow.py")
    assert slow in run.below(run.named("collection"))
    assert slow.end - slow.start >= 20_000_000
    assert slow.attributes == {"code.file.path": "test_slow.py", "test.suite.name": "test_slow.py"}


@pytest.mark.parametrize(
    ("text", "args", "tree"),
    [
        pytest.param(OK, ["nowhere.py"], "\npytest failure !exit code 4\n  collection\n", id="no such file"),
        pytest.param("import nowhere_to_be_found", [], BROKEN_TEST, id="import error"),
        pytest.param("import nowhere_to_be_found", ["--collect-only"], BROKEN_TEST, id="import error and --co"),
        pytest.param(OK, ["--collect-only", "nowhere.py"], "\npytest failure !exit code 4\n  collection\n", id="--co"),
        pytest.param(BROKEN_FIXTURE, ["--setup-only"], BROKEN_SETUP, id="--setup-only"),
    ],
)
def test_a_failed_run_without_tests(run_pytest: Runner, text: str, args: list[str], tree: str) -> None:
    # pytest shows the fixtures of --setup-only between its results.
    assert run_pytest(text, *args).tree() == tree


@pytest.mark.parametrize(
    "arg",
    [
        "--collect-only",
        "--fixtures",
        "--fixtures-per-test",
        "--markers",
        "--help",
        "--version",
        "--setup-plan",
        "--setup-only",
    ],
)
def test_what_runs_no_tests_sends_nothing(run_pytest: Runner, arg: str) -> None:
    run = run_pytest(OK, arg, "--otel-logs=on")
    assert (run.exit_code, run.spans, run.our_lines, run.logs, run.metrics) == (0, [], [], [], [])
    assert [*run.folder.glob(".pytest_cache/**/otlp/*")] == []


@pytest.mark.parametrize(
    ("text", "args"),
    [
        pytest.param("", [], id="no tests"),
        pytest.param(OK, ["-k", "other"], id="all deselected"),
        pytest.param("import pytest; pytest.skip('not here', allow_module_level=True)", [], id="all skipped"),
    ],
)
def test_a_run_that_finds_no_tests_sends_nothing(run_pytest: Runner, text: str, args: list[str]) -> None:
    run = run_pytest(text, *args, "--otel-logs=on")
    assert run.exit_code == 5
    if run.spans:
        # A machine so slow that the marker of the start went out: then the root must follow.
        assert any(is_start_marker(span) for span in run.spans)
        assert run.root.end - run.root.start >= 1_000_000_000
    else:
        assert (run.logs, run.metrics, run.our_delivery) == ([], [], None)
    assert [*run.folder.glob(".pytest_cache/**/otlp/*")] == []


def test_a_collection_that_shows_must_end(run_pytest: Runner) -> None:
    """What takes long is marked as in progress: its root follows, whatever comes of it."""
    run = run_pytest("import time; time.sleep(1.5)")
    assert (run.exit_code, run.root.attributes["test.suite.run.status"]) == (5, "skipped")
    assert any(is_start_marker(span) for span in run.spans)


@pytest.mark.parametrize(
    ("hook", "exit_code", "tree"),
    [
        pytest.param("raise ValueError('bad start')", 3, "\npytest failure !bad start *ValueError\n", id="raises"),
        pytest.param("raise pytest.UsageError('bad use')", 4, "\npytest failure !exit code 4\n", id="usage error"),
        pytest.param("pytest.exit('enough', 7)", 7, "\npytest failure !enough *_pytest.outcomes.Exit\n", id="exit"),
    ],
)
def test_an_error_before_the_session_has_started(run_pytest: Runner, hook: str, exit_code: int, tree: str) -> None:
    conftest = f"import pytest\ndef pytest_sessionstart():\n    {hook}"
    run = run_pytest({"conftest.py": conftest, "test_ok.py": OK})
    assert (run.exit_code, run.tree()) == (exit_code, tree)


def test_a_usage_error_before_there_is_a_session(run_pytest: Runner) -> None:
    conftest = """
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_configure():
            raise pytest.UsageError("bad use")
    """
    run = run_pytest({"conftest.py": conftest, "test_ok.py": OK})
    assert run.exit_code == run.root.attributes["process.exit.code"] == 4


@pytest.mark.parametrize(
    ("hook", "exit_code", "tree"),
    [
        pytest.param(
            "raise ValueError('bad end')",
            1,
            """
pytest failure !bad end *ValueError
  collection
  test_ok.py::test_ok passed (setup, call, teardown)
""",
            id="raises",
        ),
        pytest.param(
            "session.exitstatus = 9",
            9,
            """
pytest failure !exit code 9
  collection
  test_ok.py::test_ok passed (setup, call, teardown)
""",
            id="another exit code",
        ),
        pytest.param(
            "pytest.exit('enough', 6)",
            6,
            """
pytest failure !enough *_pytest.outcomes.Exit
  collection
  test_ok.py::test_ok passed (setup, call, teardown)
""",
            id="exit",
        ),
    ],
)
def test_the_end_of_a_session_changes_the_result(run_pytest: Runner, hook: str, exit_code: int, tree: str) -> None:
    conftest = f"import pytest\ndef pytest_sessionfinish(session):\n    {hook}"
    run = run_pytest({"conftest.py": conftest, "test_ok.py": OK})
    assert (run.exit_code, run.tree()) == (exit_code, tree)
