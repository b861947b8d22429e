"""The configurations that the guides show, read by the programs they are for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from backends.programs import CONFIG, ROOT, find_program

EXAMPLES = ROOT / "docs/examples"


def check(*command: str | Path) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_pipeline_to_merge_into_a_collector() -> None:
    check(find_program("otelcol"), "validate", "--config", EXAMPLES / "existing-collector.yaml")


def test_the_receiver_of_alertmanager(tmp_path: Path) -> None:
    """It takes the place of the one in the shipped file, and its route."""
    config = yaml.safe_load((CONFIG / "alertmanager.yaml").read_text("utf-8"))
    config |= yaml.safe_load((EXAMPLES / "receiver.yaml").read_text("utf-8"))
    (tmp_path / "alertmanager.yaml").write_text(yaml.safe_dump(config))
    check(find_program("amtool"), "check-config", tmp_path / "alertmanager.yaml")
