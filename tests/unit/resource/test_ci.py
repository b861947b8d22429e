"""Each CI system, by environments as its documentation and public build logs show them (captured/)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_otlp.resource.ci import DETECTORS, detect_ci, github_parent

CAPTURED = sorted((Path(__file__).parent / "captured").glob("*.json"))
SYSTEMS = {
    "appveyor": "APPVEYOR",
    "azure": "TF_BUILD",
    "bitbucket": "BITBUCKET_BUILD_NUMBER",
    "buildkite": "BUILDKITE",
    "circleci": "CIRCLECI",
    "drone": "DRONE",
    "github": "GITHUB_ACTIONS",
    "gitlab": "GITLAB_CI",
    "jenkins": "JENKINS_URL",
    "teamcity": "TEAMCITY_VERSION",
    "travis": "TRAVIS",
}


def captured(name: str) -> dict[str, str]:
    text = (Path(__file__).parent / "captured" / f"{name}.json").read_text("utf-8")
    environment: dict[str, str] = json.loads(text)["environment"]
    return environment


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_captured_environment(path: Path) -> None:
    case = json.loads(path.read_text("utf-8"))
    assert detect_ci(case["environment"]) == case["attributes"]


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_nothing_secret_and_nothing_empty(path: Path) -> None:
    attributes = detect_ci(json.loads(path.read_text("utf-8"))["environment"])
    assert "" not in attributes.values()
    assert "NotARealToken" not in str(attributes)


def test_every_system_has_a_branch_a_change_and_a_tag() -> None:
    assert {variable for variable, _ in DETECTORS} == set(SYSTEMS.values())
    wanted = {f"{system}-{kind}" for system in SYSTEMS for kind in ("branch", "change", "tag")}
    assert wanted <= {path.stem for path in CAPTURED}


@pytest.mark.parametrize("system", SYSTEMS)
def test_only_the_telling_variable_is_set(system: str) -> None:
    attributes = detect_ci({SYSTEMS[system]: "1"})
    assert not {name for name in attributes if name.startswith("vcs.ref") or name.endswith("url.full")}


@pytest.mark.parametrize("value", ["", "0", "false", "False"])
def test_a_variable_that_says_no(value: str) -> None:
    assert detect_ci(captured("github-branch") | {"GITHUB_ACTIONS": value}) == {}


def test_outside_of_ci() -> None:
    assert detect_ci({"PATH": "/usr/bin", "CI": "true", "GIT_BRANCH": "main"}) == {}


def test_a_pull_request_target_run_is_on_another_commit_than_the_pull_request() -> None:
    attributes = detect_ci(
        captured("github-change")
        | {
            "GITHUB_EVENT_NAME": "pull_request_target",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
        }
    )
    assert attributes["vcs.ref.head.name"] == "feature/cart"
    assert "vcs.ref.head.revision" not in attributes
    assert "vcs.change.id" not in attributes


@pytest.mark.parametrize(
    ("server", "provider"),
    [("https://github.example.com", "github"), ("https://code.example.com", "github"), ("https://gitea.com", "gitea")],
)
def test_actions_elsewhere(server: str, provider: str) -> None:
    attributes = detect_ci(captured("github-branch") | {"GITHUB_SERVER_URL": server})
    assert attributes["vcs.provider.name"] == provider
    assert attributes["vcs.repository.url.full"] == f"{server}/acme/web-shop"
    assert attributes["cicd.pipeline.run.url.full"].startswith(f"{server}/acme/web-shop/actions/runs/")


@pytest.mark.parametrize("name", [None, ""])
def test_actions_without_a_repository(name: str | None) -> None:
    env = {key: value for key, value in captured("github-branch").items() if key != "GITHUB_REPOSITORY"}
    attributes = detect_ci(env if name is None else {**env, "GITHUB_REPOSITORY": name})
    assert attributes["cicd.pipeline.run.id"] == env["GITHUB_RUN_ID"]
    assert attributes["vcs.provider.name"] == "github"
    assert not {name for name in attributes if name.endswith("url.full") or name.startswith("vcs.repository")}


@pytest.mark.parametrize(
    ("variables", "name", "kind"),
    [
        ({"GIT_BRANCH": "origin/feature/x"}, "feature/x", "branch"),
        ({"GIT_BRANCH": "refs/remotes/origin/main"}, "main", "branch"),
        ({"GIT_BRANCH": "refs/tags/v1"}, "v1", "tag"),
        ({"GIT_BRANCH": "origin/tags/v1"}, "v1", "tag"),
        ({"GIT_BRANCH": "origin/main", "GIT_LOCAL_BRANCH": "topic"}, "topic", "branch"),
        ({"GIT_BRANCH": "detached"}, None, None),
        ({"BRANCH_NAME": "PR-3", "CHANGE_ID": "3"}, None, None),
    ],
)
def test_jenkins_names_of_a_branch(variables: dict[str, str], name: str | None, kind: str | None) -> None:
    attributes = detect_ci({"JENKINS_URL": "https://jenkins.example.com/", **variables})
    assert (attributes.get("vcs.ref.head.name"), attributes.get("vcs.ref.head.type")) == (name, kind)


def test_user_info_in_a_link_is_stripped() -> None:
    attributes = detect_ci({"JENKINS_URL": "x", "BUILD_URL": "https://me:secret@jenkins.example.com/job/a/1/"})
    assert attributes["cicd.pipeline.run.url.full"] == "https://jenkins.example.com/job/a/1/"


def test_github_parent_is_the_collectors() -> None:
    # The digests are sha256sum's, of 118732198452t and 118732198452s.
    assert github_parent(captured("github-branch")) == (
        "71e472d1be78a0efdd76c3cb7d6a294f",
        "66cd5ca3a2d59e70",
    )


def test_github_parent_of_another_attempt_is_another() -> None:
    first = github_parent(captured("github-branch") | {"GITHUB_RUN_ATTEMPT": "1"})
    assert first is not None
    assert first != github_parent(captured("github-branch"))


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"GITHUB_RUN_ID": "1"},
        {"GITHUB_RUN_ATTEMPT": "1"},
        {"GITHUB_RUN_ID": "", "GITHUB_RUN_ATTEMPT": ""},
        {"GITHUB_RUN_ID": "x1", "GITHUB_RUN_ATTEMPT": "1"},
        {"GITHUB_RUN_ID": "1" * 5000, "GITHUB_RUN_ATTEMPT": "1"},
    ],
)
def test_no_github_parent(environment: dict[str, str]) -> None:
    assert github_parent(environment) is None
