from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_otlp.resource import detect, merge

CAPTURED = Path(__file__).parent / "captured"


def environment(name: str) -> dict[str, str]:
    captured: dict[str, str] = json.loads((CAPTURED / f"{name}.json").read_text("utf-8"))["environment"]
    return captured


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for command in (
        ["init", "--quiet", "--initial-branch=trunk"],
        ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "--message=first"],
        ["remote", "add", "origin", "git@github.com:local/checkout.git"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True, timeout=60)
    return tmp_path


def test_ci_variables_win_over_git(checkout: Path) -> None:
    found = detect(root=checkout, env=environment("github-tag"))
    assert found["vcs.repository.name"] == "web-shop"
    assert found["vcs.ref.head.name"] == "v1.4.0"
    assert found["vcs.ref.head.type"] == "tag"


def test_git_for_what_the_ci_system_leaves_open(checkout: Path) -> None:
    env = environment("teamcity-branch")
    found = detect(root=checkout, env=env)
    assert found["cicd.pipeline.name"] == "Unit tests"
    assert found["vcs.ref.head.revision"] == env["BUILD_VCS_NUMBER"]
    assert found["vcs.ref.head.name"] == "trunk"
    assert found["vcs.ref.head.type"] == "branch"
    assert found["vcs.repository.url.full"] == "https://github.com/local/checkout"


def test_git_alone(checkout: Path) -> None:
    found = detect(root=checkout, env={})
    assert found["vcs.ref.head.name"] == "trunk"
    assert not [name for name in found if name.startswith("cicd.")]


@pytest.fixture
def asked(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there as soon as somebody ran git."""
    if sys.platform == "win32":
        pytest.skip("the program is a shell script")
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "git"
    program.write_text(f'#!/bin/sh\n: > "{folder}/asked"\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder / "asked"


def test_git_is_not_asked_where_the_variables_say_all(checkout: Path, asked: Path) -> None:
    detect(root=checkout, env=environment("github-branch"))
    assert not asked.exists()
    detect(root=checkout, env=environment("travis-branch"))
    assert asked.exists()


def test_git_is_not_asked_outside_of_a_working_tree(tmp_path: Path, asked: Path) -> None:
    folder = tmp_path / "tests" / "unit"
    folder.mkdir(parents=True)
    assert detect(root=folder, env={}) == {}
    assert not asked.exists()
    (tmp_path / ".git").write_text("gitdir: elsewhere\n")
    detect(root=folder, env={})
    assert asked.exists()


def test_the_users_attributes_win() -> None:
    detected: dict[str, str | int] = {"host.name": "here", "process.pid": 1, "vcs.owner.name": "a"}
    assert merge(detected, {"host.name": "there", "team": "x"}) == {
        "host.name": "there",
        "process.pid": 1,
        "vcs.owner.name": "a",
        "team": "x",
    }
    assert detected["host.name"] == "here"


def test_the_service_name_is_decided_before() -> None:
    assert merge({"service.name": "chosen"}, {"service.name": "weaker"}) == {"service.name": "chosen"}
    assert merge({}, {"service.name": "weaker"}) == {"service.name": "weaker"}
