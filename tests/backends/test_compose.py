"""docker-compose.yml, as `docker compose config` reads it: pinned, on loopback, watched, and in step with the files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.programs import CONFIG, ROOT, find_program

SMALL = {"collector-small", "jaeger-small", "collector-health"}
ALL = {"alertmanager", "collector", "collector-health", "grafana", "jaeger", "loki", "prometheus", "tempo"}


def has_compose() -> bool:
    asked = ["docker", "compose", "version"]
    return bool(shutil.which("docker")) and not subprocess.run(asked, capture_output=True, check=False).returncode


def config(*profiles: str) -> dict[str, Any]:
    if has_compose():
        command = ["docker", "compose", *(f"--profile={profile}" for profile in profiles), "config", "--format=json"]
    else:
        command = [str(find_program("compose-config")), *profiles]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """By name, of both profiles."""
    return {**config("small")["services"], **config("all")["services"]}


def test_the_profiles() -> None:
    assert config("small")["services"].keys() == SMALL
    assert config("all")["services"].keys() == ALL
    assert config()["services"].keys() == ALL, "`docker compose up` by itself"


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name


def test_nothing_is_open_to_other_machines(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_everything_has_a_health_check(services: dict[str, Any]) -> None:
    without = {name for name, service in services.items() if "healthcheck" not in service}
    # Nothing in its image can ask; `collector-health` does, over the network.
    assert without == {"collector", "collector-small"}
    assert services["collector-health"]["healthcheck"]["test"][-1] == "http://collector:13133/"


def test_what_is_kept_is_kept_in_named_volumes(services: dict[str, Any]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", ())]
    named = {mount["source"] for mount in mounts if mount["type"] == "volume"}
    assert named == config("all")["volumes"].keys()
    for mount in mounts:
        if mount["type"] == "bind":
            assert Path(mount["source"]).exists(), mount
            assert mount["read_only"], mount


def variables_of(service: dict[str, Any]) -> Iterator[str]:
    return (name for name in service.get("environment") or {} if not name.startswith("GF_"))


def test_the_variables_are_those_of_the_files(services: dict[str, Any]) -> None:
    """A name misspelt in either place would leave a part on its default address, which nobody reaches."""
    for name, service in services.items():
        files = [ROOT / mount["source"] for mount in service.get("volumes", ()) if mount["type"] == "bind"]
        found = [path for file in files for path in ([file] if file.is_file() else sorted(file.rglob("*.yaml")))]
        text = "".join(path.read_text("utf-8") for path in found)
        assert [variable for variable in variables_of(service) if variable not in text] == [], name


def test_the_targets_are_services(services: dict[str, Any]) -> None:
    text = "".join(path.read_text("utf-8") for path in (CONFIG / "prometheus/targets").glob("*.yml"))
    hosts = set(re.findall(r'"([a-z]+):\d+"', text))
    assert hosts == {"alertmanager", "collector", "loki", "tempo"}
    assert hosts <= services.keys()
