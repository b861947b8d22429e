"""`make backends`, as far as it can be tested without building: that its pins agree, and that it builds once."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backends.programs import ROOT

BUILD = ROOT / "backends" / "build.py"
PINS: dict[str, Any] = runpy.run_path(str(BUILD))["read_pins"]()


def build(target: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTEST_OTLP_BACKENDS": str(target), "PATH": ""}
    return subprocess.run(
        [sys.executable, str(BUILD), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", ["prometheus", "tempo", "loki", "compose"])
def test_module_and_go_sum_hold_the_pinned_version(name: str) -> None:
    pin = PINS[name]
    assert f"{pin.module} {pin.version}" in (pin.folder / "go.mod").read_text()
    assert f"{pin.module} {pin.version} {pin.sum}\n" in (pin.folder / "go.sum").read_text()


def test_the_collector_is_the_release_of_its_builder() -> None:
    pin = PINS["collector"]
    assert f"version: {pin.release}\n" in (pin.folder / "builder.yaml").read_text()
    assert f"v{pin.release}" == pin.version


def test_a_build_without_go_says_what_is_missing(tmp_path: Path) -> None:
    done = build(tmp_path, "jaeger")
    assert done.returncode == 1
    assert done.stderr == "jaeger: go is not installed, or not on PATH\n"


def test_what_is_built_is_not_built_again(tmp_path: Path) -> None:
    pin = PINS["jaeger"]
    (tmp_path / "jaeger").touch()
    (tmp_path / ".jaeger.stamp").write_text(pin.digest())
    done = build(tmp_path, "jaeger")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"jaeger: {pin.release}, built before" in done.stdout


def test_another_pin_is_built_again(tmp_path: Path) -> None:
    (tmp_path / "jaeger").touch()
    (tmp_path / ".jaeger.stamp").write_text("of another version")
    assert build(tmp_path, "jaeger").returncode == 1


def test_an_unknown_name_is_a_usage_error(tmp_path: Path) -> None:
    done = build(tmp_path, "zipkin")
    assert done.returncode == 2
    assert "unknown: zipkin" in done.stderr
