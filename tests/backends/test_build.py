"""`make backends`, as far as it can be tested without building: that its pins agree, and that it builds once."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.programs import CONFIG, ROOT

BUILD = ROOT / "backends" / "build.py"
KINDS = ("receivers", "processors", "connectors", "exporters", "extensions")
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


def built_into_the_collector() -> set[tuple[str, str]]:
    """Kind and name of each component; the names without underscores, as their modules have them."""
    manifest = yaml.safe_load((PINS["collector"].folder / "builder.yaml").read_text("utf-8"))
    modules = {kind: [component["gomod"].split()[0] for component in manifest[kind]] for kind in KINDS}
    return {(kind, path.rpartition("/")[2].removesuffix(kind[:-1])) for kind in KINDS for path in modules[kind]}


def used_by_configurations() -> set[tuple[str, str]]:
    examples = [ROOT / "docs/examples" / name for name in ("existing-collector.yaml", "read-file.yaml")]
    configurations = [yaml.safe_load(path.read_text("utf-8")) for path in (*CONFIG.glob("collector*.yaml"), *examples)]
    return {
        (kind, name.partition("/")[0].replace("_", ""))
        for configuration in configurations
        for kind in KINDS
        for name in configuration.get(kind, ())
    }


def test_the_collector_has_what_the_configurations_use_and_no_more() -> None:
    for_tests = {("exporters", "file")}
    assert built_into_the_collector() == used_by_configurations() | for_tests


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
