"""What projects can do with the plugin: a hook, a marker, the run's ids."""

from __future__ import annotations

import json

import pytest

from support.page import Page
from support.runs import Run, Runner

ROUTES = ["", "-n2"]

HOOK = """
    def pytest_otel_test_attributes(item, report):
        if item.name == "test_bad":
            raise LookupError("secret")
        if item.name == "test_none":
            return {}
        name = item.name if item.name == "test_own" else report.when
        return {
            "team.name": "cart",
            "team.phase": name,
            "team.sizes": [1, 2],
            "team.object": {"a": 1},
            "team.none": None,
            "api_key": "hunter2",
            "pytest.outcome": "mine",
        }
"""
HOOKED = """
    def test_own(): pass
    def test_bad(): pass
    def test_none(): pass
    def test_fails(): assert 0
"""


def others(run: Run, test: str) -> dict[str, object]:
    known = ("pytest.", "test.", "code.", "error.")
    found = run.test(test).attributes
    return {name: value for name, value in found.items() if not name.startswith(known)}


@pytest.mark.parametrize("args", ROUTES)
def test_attributes_of_a_hook(run_pytest: Runner, args: str) -> None:
    if args:
        pytest.importorskip("xdist")
    files = {"conftest.py": HOOK, "test_it.py": HOOKED}
    run = run_pytest(files, *args.split())
    assert run.summary == {"passed": 3, "failed": 1}
    told = {
        "team.name": "cart", "team.sizes": [1, 2], "team.object": "{'a': 1}", "api_key": "[redacted]",
    }  # fmt: skip
    assert others(run, "test_own") == {**told, "team.phase": "test_own"}
    assert others(run, "test_fails") == {**told, "team.phase": "teardown"}
    assert others(run, "test_none") == others(run, "test_bad") == {}
    assert run.test("test_own").attributes["pytest.outcome"] == "passed"
    (line,) = (line for line in run.our_lines if "delivered" in line)
    assert line.endswith("; pytest_otel_test_attributes failed for test_it.py::test_bad (LookupError)")
    assert "secret" not in run.stdout
    if not args:  # the order of workers' dots varies
        assert run.their_lines == run_pytest.without(files).their_lines


def test_the_example_of_the_page(run_pytest: Runner) -> None:
    (example,) = (block.text for block in Page("docs/telemetry.md").blocks() if block.language == "python")
    suite = """
        import pytest

        @pytest.mark.owner("cart")
        def test_owned(): pass

        def test_not_owned(): pass
    """
    run = run_pytest({"conftest.py": example, "test_it.py": suite}, ini="markers = owner(team): -")
    assert others(run, "test_owned") == {"team.name": "cart"}
    assert others(run, "test_not_owned") == {}


@pytest.mark.parametrize("answer", ["5", "pytest.fail('no')", "pytest.skip('no')"])
def test_an_answer_that_is_none(run_pytest: Runner, answer: str) -> None:
    hook = f"import pytest\ndef pytest_otel_test_attributes(item, report): return {answer}"
    run = run_pytest({"conftest.py": hook, "test_it.py": "def test_a(): pass"})
    assert run.summary == {"passed": 1}
    assert "pytest_otel_test_attributes failed" in run.our_lines[-1]


def test_a_hook_of_a_folder_is_asked_for_its_tests_only(run_pytest: Runner) -> None:
    files = {
        "sub/conftest.py": "def pytest_otel_test_attributes(item): return {'of': 'sub'}",
        "sub/test_in.py": "def test_in(): pass",
        "test_out.py": "def test_out(): pass",
    }
    run = run_pytest(files)
    assert others(run, "test_in") == {"of": "sub"}
    assert others(run, "test_out") == {}


def test_a_hook_without_the_plugin_is_no_error(run_pytest: Runner) -> None:
    run = run_pytest.without({"conftest.py": HOOK, "test_it.py": HOOKED})
    assert run.summary == {"passed": 3, "failed": 1}


MARKED = """
    import pytest
    from opentelemetry import trace

    def here():
        return trace.get_current_span().get_span_context().is_valid

    @pytest.fixture(autouse=True)
    def seen(request):
        expected = request.node.name.endswith("here")
        assert here() is expected
        yield
        assert here() is expected

    def test_1_here(): assert here()

    @pytest.mark.otel(context=False)
    def test_2(otel_span):
        assert not here()
        otel_span.set_attribute("lost", 1)

    @pytest.mark.otel(context=True)
    def test_3_here(): assert here()

    @pytest.mark.otel(context=False)
    class TestAll:
        def test_4(self): assert not here()
        @pytest.mark.otel
        def test_5_here(self): assert here()

    def test_6_here(): assert here()
"""


@pytest.mark.parametrize("args", ["", "-n2", "-p no:randomly --otel-detail=tests"])
def test_marked_tests_have_an_empty_context(run_pytest: Runner, args: str) -> None:
    if args == "-n2":
        pytest.importorskip("xdist")
    run = run_pytest(MARKED, "--strict-markers", *args.split())
    assert run.summary == {"passed": 6}, run.stdout
    assert "pytest.property.lost" not in run.test("test_2").attributes


@pytest.mark.parametrize("ini", ["", "otel_context = off"])
def test_the_marker_is_known(run_pytest: Runner, ini: str) -> None:
    suite = "import pytest\n@pytest.mark.otel(context=False)\ndef test_a(): pass"
    assert run_pytest.without(suite, "--strict-markers", ini=ini).summary == {"passed": 1}
    assert run_pytest(suite, "--strict-markers", ini=ini).summary == {"passed": 1}


CURRENT = """
    import json
    import pytest_otlp

    def test_a():
        with open("seen.json", "w") as file:
            json.dump(pytest_otlp.current_run(), file)
"""


@pytest.mark.parametrize("args", ROUTES)
def test_the_current_run(run_pytest: Runner, args: str) -> None:
    if args:
        pytest.importorskip("xdist")
    conftest = """
        import pytest_otlp
        def pytest_sessionstart(): print("SEEN", pytest_otlp.current_run().trace_id)
    """
    files = {"conftest.py": conftest, "test_it.py": CURRENT}
    run = run_pytest(files, "--otel-trace-url=http://jaeger/{trace_id}", "--otel-trace-per=file", "-s", *args.split())
    root = run.root
    seen = json.loads((run.folder / "seen.json").read_text())
    assert seen == [root.trace_id, root.resource["pytest.run.id"], f"http://jaeger/{root.trace_id}"]
    assert f"SEEN {root.trace_id}" in run.stdout


def test_there_is_none_without_a_run(run_pytest: Runner) -> None:
    run = run_pytest.without(CURRENT)
    assert json.loads((run.folder / "seen.json").read_text()) is None


def test_a_run_within_a_run(run_pytest: Runner) -> None:
    suite = """
        import pytest, pytest_otlp
        pytest_plugins = "pytester"

        def test_inner(pytester, monkeypatch):
            monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
            outer = pytest_otlp.current_run()
            pytester.makepyfile('''
                import pytest_otlp
                def test_a(): assert pytest_otlp.current_run() != %r
            ''' % (tuple(outer),))
            result = pytester.runpytest_inprocess("-p", "pytest_otlp.plugin", "--otel-endpoint=file:out.jsonl")
            result.assert_outcomes(passed=1)
            assert pytest_otlp.current_run() == outer
    """
    run = run_pytest(suite)
    assert run.summary == {"passed": 1}, run.stdout
