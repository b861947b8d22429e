"""Install a wheel into an environment of its own, far from the checkout, and watch a run with it: `smoke.py WHEEL`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

SUITE = """
import pytest

def test_passes():
    pass

def test_fails():
    assert 1 == 2

@pytest.mark.skip(reason="not today")
def test_is_skipped():
    pass
"""
EXPECTED = {"test_smoke.py::test_passes", "test_smoke.py::test_fails", "test_smoke.py::test_is_skipped"}
TESTS_FAILED = 1
SECONDS = 300


def main(wheel: Path) -> None:
    """Exit with a message if the installed plugin does not behave."""
    with tempfile.TemporaryDirectory(prefix="pytest-otlp-smoke-") as name:
        folder = Path(name)
        python = install(wheel.resolve(), folder / "venv")
        suite = folder / "suite"
        suite.mkdir()
        suite.joinpath("test_smoke.py").write_text(SUITE, encoding="utf-8")
        code = run([python, "-m", "pytest", "--otel-endpoint=file:out.jsonl"], suite)
        check(code == TESTS_FAILED, f"exit code {code}, not {TESTS_FAILED}")
        names = span_names(suite / "out.jsonl")
        check(names >= EXPECTED, f"no span of {sorted(EXPECTED - names)}")
        code = run([python, "-m", "pip", "check"], suite)
        check(code == 0, "the wheel's requirements contradict each other")
    print(f"{wheel.name}: {len(names)} kinds of span, every test among them")


def install(wheel: Path, folder: Path) -> Path:
    """Return the interpreter of a new environment with only the wheel, and what it requires, in it."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", wheel], folder)
    check(code == 0, "the wheel cannot be installed")
    return python


def run(command: list[str | Path], folder: Path) -> int:
    """Return the exit code of the command, which sees nothing of the surrounding run's settings."""
    hidden = ("OTEL_", "PYTEST_", "PYTHONPATH", "TRACEPARENT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return subprocess.run(command, cwd=folder, env=environment, timeout=SECONDS, check=False).returncode


def span_names(path: Path) -> set[str]:
    """Return the names of all spans in a file of OTLP/JSON lines."""
    requests: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {
        span["name"]
        for request in requests
        for resource in request.get("resourceSpans", ())
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }


def check(condition: bool, complaint: str) -> None:  # a plain assertion would go with -O
    if not condition:
        sys.exit(f"smoke: {complaint}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
