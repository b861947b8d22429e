"""Which modules the tests' process has because of us."""

from __future__ import annotations

import json
import os

import pytest

from support.runs import Runner

SUITE = """
    import json, sys

    def test_a():
        with open("modules.json", "w") as file:
            json.dump(sorted(sys.modules), file)
"""
HEAVY = (
    "opentelemetry.trace",
    "opentelemetry.sdk",
    "opentelemetry.exporter",
    "google.protobuf",
    "grpc",
    "requests",
    "pytest_otlp.exporter",
)


def modules(run_pytest: Runner, prefix: str) -> set[str]:
    names = json.loads((run_pytest.folder / "modules.json").read_text())
    return {name for name in names if name == prefix or name.startswith(f"{prefix}.")}


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_off_means_off(run_pytest: Runner, args: list[str]) -> None:
    if args:
        pytest.importorskip("xdist")
    assert run_pytest.without(SUITE, *args).exit_code == 0
    assert modules(run_pytest, "pytest_otlp") == {"pytest_otlp", "pytest_otlp.plugin", "pytest_otlp.options"}
    assert modules(run_pytest, "opentelemetry") == set()


@pytest.mark.parametrize(
    "args", [[], ["--otel-logs=on", "--otel-detail=fixtures"], ["-n1"]], ids=["alone", "with everything", "xdist"]
)
def test_the_exporter_stays_out_of_the_tests(run_pytest: Runner, args: list[str]) -> None:
    if "-n1" in args:
        pytest.importorskip("xdist")
    assert run_pytest(SUITE, *args).exit_code == 0
    assert {name: modules(run_pytest, name) for name in HEAVY} == {name: set() for name in HEAVY}
    assert ("pytest_otlp.xdist" in modules(run_pytest, "pytest_otlp")) == ("-n1" in args)


def test_modules_of_the_project_do_not_reach_the_exporter(run_pytest: Runner) -> None:
    """It would end at a module named as one that it imports, and leave a file behind for `sitecustomize`."""
    note = "import os\nopen(f'{os.path.dirname(__file__)}/loaded-{os.getpid()}', 'w').close()"
    shadows = {f"{name}.py": "raise SystemExit('shadowed')" for name in ("grpc", "google", "certifi")}
    files = {**shadows, "sitecustomize.py": note, "test_it.py": "def test_a(): pass"}
    path = os.pathsep.join([str(run_pytest.folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = run_pytest(files, env={"PYTHONPATH": path})
    assert run.exit_code == 0, run.stderr
    assert len(run.tests) == 1
    assert len(list(run.folder.glob("loaded-*"))) == 1


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_our_modules_are_imported_as_python_imports_them(run_pytest: Runner, args: list[str]) -> None:
    """Where pytest rewrites their asserts, each start takes longer, and one that cannot keep the result far longer."""
    if args:
        pytest.importorskip("xdist")
    suite = """
        import sys

        def test_a():
            ours = {name: module for name, module in sys.modules.items() if name.startswith("pytest_otlp.")}
            rewritten = {name for name, module in ours.items() if "Rewriting" in type(module.__loader__).__name__}
            assert "pytest_otlp.worker" in ours
            assert rewritten <= {f"pytest_otlp.{name}" for name in ("plugin", "options", "finder")}
            assert not [finder for finder in sys.meta_path if "pytest_otlp.finder" in str(finder)]
    """
    assert run_pytest(suite, *args).exit_code == 0
