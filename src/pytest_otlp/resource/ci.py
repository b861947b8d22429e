"""CI systems: one pure function each, from the variables the system documents to `cicd.*` and `vcs.*` attributes.

A new system is one function and one line in `DETECTORS`. To the functions an unset variable is an empty one, and they
may give empty values; `detect_ci` sees to both.
`vcs.ref.head.revision` is the commit that was checked out and tested: of a pull request often its test merge.
Names follow the semantic conventions 1.44.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.parse import quote

from pytest_otlp.resource.urls import provider_of, repository, slug, strip_user_info

Env: TypeAlias = Mapping[str, str]
Detector: TypeAlias = Callable[[Env], dict[str, str]]

# As the receiver formats one: a positive 64-bit integer in decimal.
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")


def detect_ci(env: Env) -> dict[str, str]:
    """The attributes of the first system in `DETECTORS` whose variable is set; empty outside of CI."""
    for variable, detector in DETECTORS:
        if env.get(variable, "").lower() not in ("", "0", "false"):
            found = detector(defaultdict(str, env))
            return {name: _clean(name, value) for name, value in found.items() if value}
    return {}


def github_parent(env: Env) -> tuple[str, str] | None:
    """Trace id and span id, in hex, of the workflow run's root span as the Collector's GitHub receiver derives them.

    None outside of GitHub Actions. The rule: SHA-256 of "<run id><attempt>" followed by "t" for the trace, whose id
    is the digest's first 16 bytes, and by "s" for the span, whose id is its second 8 bytes.
    """
    run_id, attempt = env.get("GITHUB_RUN_ID", ""), env.get("GITHUB_RUN_ATTEMPT", "")
    if not (_NUMBER.fullmatch(run_id) and _NUMBER.fullmatch(attempt)):
        return None
    from hashlib import sha256  # noqa: PLC0415  it loads OpenSSL

    trace, span = (sha256(f"{run_id}{attempt}{kind}".encode()).hexdigest() for kind in "ts")
    return trace[:32], span[16:32]


def _clean(name: str, value: str) -> str:
    return strip_user_info(value) if name.endswith(".url.full") else value


def _first(env: Env, *names: str) -> str:
    return next((env[name] for name in names if env.get(name)), "")


def _ref(side: str, ref: str, kind: str = "branch") -> dict[str, str]:
    """Name and type of a reference; a full one (`refs/tags/v1`) says its type itself."""
    for prefix, stated in (("refs/heads/", "branch"), ("refs/tags/", "tag")):
        if ref.startswith(prefix):
            ref, kind = ref.removeprefix(prefix), stated
    return {f"vcs.ref.{side}.name": ref, f"vcs.ref.{side}.type": kind if ref else ""}


def _head(branch: str, tag: str = "") -> dict[str, str]:
    return _ref("head", tag, "tag") if tag else _ref("head", branch)


def _github(env: Env) -> dict[str, str]:
    server, name = env["GITHUB_SERVER_URL"] or "https://github.com", env["GITHUB_REPOSITORY"]
    project = f"{server}/{name}" if name else ""
    ref, head = env["GITHUB_REF"], env["GITHUB_HEAD_REF"]
    change = re.match(r"refs/pull/(\d+)/", ref)
    # pull_request_target names the pull request's head but runs on the base's commit, unless it checks out another.
    revision = "" if head and not change else env["GITHUB_SHA"]
    return {
        "cicd.pipeline.name": env["GITHUB_WORKFLOW"],
        "cicd.pipeline.run.id": env["GITHUB_RUN_ID"],
        "cicd.pipeline.run.url.full": _github_run(project, env),
        "cicd.pipeline.task.name": env["GITHUB_JOB"],
        "cicd.worker.name": env["RUNNER_NAME"],
        **repository(project, provider_of(f"{server}/x") or "github"),
        **_ref("head", head or env["GITHUB_REF_NAME"], "branch" if head else env["GITHUB_REF_TYPE"]),
        **_ref("base", env["GITHUB_BASE_REF"]),
        "vcs.ref.head.revision": revision,
        "vcs.change.id": change[1] if change else "",
    }


def _github_run(project: str, env: Env) -> str:
    run_id, attempt = env["GITHUB_RUN_ID"], env["GITHUB_RUN_ATTEMPT"]
    run = f"{project}/actions/runs/{run_id}" if project and run_id else ""
    return f"{run}/attempts/{attempt}" if run and attempt else run


def _gitlab(env: Env) -> dict[str, str]:
    head = _first(
        env,
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
        "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME",
        "CI_COMMIT_BRANCH",
        "CI_COMMIT_REF_NAME",
    )
    base = _first(env, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME")
    return {
        "cicd.pipeline.name": _first(env, "CI_PIPELINE_NAME", "CI_PROJECT_PATH"),
        "cicd.pipeline.run.id": env["CI_PIPELINE_ID"],
        "cicd.pipeline.run.url.full": env["CI_PIPELINE_URL"],
        "cicd.pipeline.task.name": env["CI_JOB_NAME"],
        "cicd.pipeline.task.run.id": env["CI_JOB_ID"],
        "cicd.pipeline.task.run.url.full": env["CI_JOB_URL"],
        "cicd.worker.name": env["CI_RUNNER_DESCRIPTION"],
        **repository(env["CI_PROJECT_URL"], "gitlab"),
        **slug(env["CI_PROJECT_PATH"]),
        **_head(head, env["CI_COMMIT_TAG"]),
        **_ref("base", base),
        "vcs.ref.head.revision": env["CI_COMMIT_SHA"],
        "vcs.ref.base.revision": _first(
            env,
            "CI_MERGE_REQUEST_TARGET_BRANCH_SHA",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA",
            "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_SHA",
        ),
        "vcs.change.id": _first(env, "CI_MERGE_REQUEST_IID", "CI_EXTERNAL_PULL_REQUEST_IID"),
    }


def _jenkins(env: Env) -> dict[str, str]:
    # Of a change request, BRANCH_NAME is a name that Jenkins made up (PR-24).
    names = ("CHANGE_BRANCH",) if env["CHANGE_ID"] else ("BRANCH_NAME", "GIT_LOCAL_BRANCH", "GIT_BRANCH")
    head = _first(env, *names).removeprefix("refs/remotes/").removeprefix("origin/")
    tag = env["TAG_NAME"] or (head.removeprefix("tags/") if head.startswith("tags/") else "")
    return {
        "cicd.pipeline.name": env["JOB_NAME"],
        # A build number is unique in its job only.
        "cicd.pipeline.run.id": _first(env, "BUILD_TAG", "BUILD_NUMBER"),
        "cicd.pipeline.run.url.full": env["BUILD_URL"],
        "cicd.pipeline.task.name": env["STAGE_NAME"],
        "cicd.worker.name": env["NODE_NAME"],
        **repository(_first(env, "GIT_URL", "GIT_URL_1")),
        **_head("" if head == "detached" else head, tag),
        **_ref("base", env["CHANGE_TARGET"]),
        "vcs.ref.head.revision": env["GIT_COMMIT"],
        "vcs.change.id": env["CHANGE_ID"],
    }


def _buildkite(env: Env) -> dict[str, str]:
    change = env["BUILDKITE_PULL_REQUEST"]
    build, job = env["BUILDKITE_BUILD_URL"], env["BUILDKITE_JOB_ID"]
    commit = env["BUILDKITE_COMMIT"]
    return {
        "cicd.pipeline.name": _first(env, "BUILDKITE_PIPELINE_NAME", "BUILDKITE_PIPELINE_SLUG"),
        "cicd.pipeline.run.id": env["BUILDKITE_BUILD_ID"],
        "cicd.pipeline.run.url.full": build,
        "cicd.pipeline.task.name": _first(env, "BUILDKITE_LABEL", "BUILDKITE_STEP_KEY"),
        "cicd.pipeline.task.run.id": job,
        "cicd.pipeline.task.run.url.full": f"{build}#{job}" if build and job else "",
        "cicd.worker.name": env["BUILDKITE_AGENT_NAME"],
        **repository(env["BUILDKITE_REPO"]),
        **_head(env["BUILDKITE_BRANCH"], env["BUILDKITE_TAG"]),
        **_ref("base", env["BUILDKITE_PULL_REQUEST_BASE_BRANCH"]),
        # A build that was started by hand without a commit says HEAD until its checkout.
        "vcs.ref.head.revision": "" if commit == "HEAD" else commit,
        "vcs.change.id": "" if change == "false" else change,
    }


def _circleci(env: Env) -> dict[str, str]:
    job, workflow = env["CIRCLE_BUILD_URL"], env["CIRCLE_WORKFLOW_ID"]
    # An own server has its pages elsewhere, and no variable says where.
    cloud = re.match(r"https://(app\.)?circleci\.com/", job)
    return {
        "cicd.pipeline.name": env["CIRCLE_PROJECT_REPONAME"],
        "cicd.pipeline.run.id": _first(env, "CIRCLE_PIPELINE_ID", "CIRCLE_WORKFLOW_ID"),
        "cicd.pipeline.run.url.full": (
            f"https://app.circleci.com/pipelines/workflows/{workflow}" if cloud and workflow else ""
        ),
        "cicd.pipeline.task.name": env["CIRCLE_JOB"],
        "cicd.pipeline.task.run.id": _first(env, "CIRCLE_WORKFLOW_JOB_ID", "CIRCLE_BUILD_NUM"),
        "cicd.pipeline.task.run.url.full": job,
        **repository(env["CIRCLE_REPOSITORY_URL"]),
        **_head(env["CIRCLE_BRANCH"], env["CIRCLE_TAG"]),
        "vcs.ref.head.revision": env["CIRCLE_SHA1"],
        "vcs.change.id": env["CIRCLE_PR_NUMBER"] or env["CIRCLE_PULL_REQUEST"].rpartition("/")[2],
    }


_AZURE_PROVIDERS = {
    "TfsGit": "azure_devops",
    "GitHub": "github",
    "GitHubEnterprise": "github",
    "Bitbucket": "bitbucket",
}


def _azure(env: Env) -> dict[str, str]:
    source, change_head = env["BUILD_SOURCEBRANCH"], env["SYSTEM_PULLREQUEST_SOURCEBRANCH"]
    head = change_head or ("" if source.startswith("refs/pull/") else source)
    run, job = _azure_run(env), env["SYSTEM_JOBID"]
    return {
        "cicd.pipeline.name": env["BUILD_DEFINITIONNAME"],
        "cicd.pipeline.run.id": env["BUILD_BUILDID"],
        "cicd.pipeline.run.url.full": run,
        "cicd.pipeline.task.name": _first(env, "SYSTEM_JOBDISPLAYNAME", "AGENT_JOBNAME"),
        "cicd.pipeline.task.run.id": job,
        "cicd.pipeline.task.run.url.full": f"{run}&view=logs&j={job}" if run and job else "",
        "cicd.worker.name": env["AGENT_NAME"],
        **repository(env["BUILD_REPOSITORY_URI"], _AZURE_PROVIDERS.get(env["BUILD_REPOSITORY_PROVIDER"], "")),
        **_ref("head", head),
        **_ref("base", env["SYSTEM_PULLREQUEST_TARGETBRANCH"]),
        "vcs.ref.head.revision": env["BUILD_SOURCEVERSION"],
        # The number is GitHub's; Azure Repos has only the id.
        "vcs.change.id": _first(env, "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "SYSTEM_PULLREQUEST_PULLREQUESTID"),
    }


def _azure_run(env: Env) -> str:
    collection = _first(env, "SYSTEM_COLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI").rstrip("/")
    project, build = quote(env["SYSTEM_TEAMPROJECT"]), env["BUILD_BUILDID"]
    return f"{collection}/{project}/_build/results?buildId={build}" if collection and project and build else ""


def _bitbucket(env: Env) -> dict[str, str]:
    name = env["BITBUCKET_REPO_FULL_NAME"]
    project = f"https://bitbucket.org/{name}" if name else ""
    run = f"{project}/pipelines/results/{env['BITBUCKET_BUILD_NUMBER']}" if project else ""
    step = env["BITBUCKET_STEP_UUID"]
    return {
        "cicd.pipeline.name": name,
        "cicd.pipeline.run.id": _first(env, "BITBUCKET_PIPELINE_UUID", "BITBUCKET_BUILD_NUMBER").strip("{}"),
        "cicd.pipeline.run.url.full": run,
        "cicd.pipeline.task.run.id": step.strip("{}"),
        "cicd.pipeline.task.run.url.full": f"{run}/steps/{quote(step)}" if run and step else "",
        **repository(project, "bitbucket"),
        **_head(env["BITBUCKET_BRANCH"], env["BITBUCKET_TAG"]),
        **_ref("base", env["BITBUCKET_PR_DESTINATION_BRANCH"]),
        "vcs.ref.head.revision": env["BITBUCKET_COMMIT"],
        "vcs.ref.base.revision": env["BITBUCKET_PR_DESTINATION_COMMIT"],
        "vcs.change.id": env["BITBUCKET_PR_ID"],
    }


def _teamcity(env: Env) -> dict[str, str]:
    """Branch and repository are build parameters that TeamCity keeps out of the environment: they are left to git."""
    url = env["BUILD_URL"]
    build = re.search(r"[?&]buildId=(\d+)|/buildConfiguration/[^/?#]+/(\d+)", url)
    return {
        "cicd.pipeline.name": env["TEAMCITY_BUILDCONF_NAME"],
        "cicd.pipeline.run.id": (build[1] or build[2]) if build else env["BUILD_NUMBER"],
        "cicd.pipeline.run.url.full": url,
        "vcs.ref.head.revision": env["BUILD_VCS_NUMBER"],
    }


def _travis(env: Env) -> dict[str, str]:
    """The repository's address is left to git: Travis gives `owner/name` and no host."""
    change = env["TRAVIS_PULL_REQUEST"]
    change = "" if change == "false" else change
    branch = env["TRAVIS_BRANCH"]
    return {
        "cicd.pipeline.name": env["TRAVIS_REPO_SLUG"],
        "cicd.pipeline.run.id": env["TRAVIS_BUILD_ID"],
        "cicd.pipeline.run.url.full": env["TRAVIS_BUILD_WEB_URL"],
        "cicd.pipeline.task.name": _first(env, "TRAVIS_JOB_NAME", "TRAVIS_JOB_NUMBER"),
        "cicd.pipeline.task.run.id": env["TRAVIS_JOB_ID"],
        "cicd.pipeline.task.run.url.full": env["TRAVIS_JOB_WEB_URL"],
        **slug(env["TRAVIS_REPO_SLUG"]),
        **_head(env["TRAVIS_PULL_REQUEST_BRANCH"] if change else branch, env["TRAVIS_TAG"]),
        **_ref("base", branch if change else ""),
        "vcs.ref.head.revision": env["TRAVIS_COMMIT"],
        "vcs.change.id": change,
    }


def _drone(env: Env) -> dict[str, str]:
    change = env["DRONE_BUILD_EVENT"] == "pull_request"
    build = env["DRONE_BUILD_LINK"]
    stage, number = env["DRONE_STAGE_NUMBER"], env["DRONE_STEP_NUMBER"]
    step = f"{stage}/{number}" if stage and number else ""
    return {
        "cicd.pipeline.name": env["DRONE_STAGE_NAME"],
        "cicd.pipeline.run.id": env["DRONE_BUILD_NUMBER"],
        "cicd.pipeline.run.url.full": build,
        "cicd.pipeline.task.name": env["DRONE_STEP_NAME"],
        "cicd.pipeline.task.run.id": step,
        "cicd.pipeline.task.run.url.full": f"{build}/{step}" if build and step else "",
        "cicd.worker.name": env["DRONE_STAGE_MACHINE"],
        **repository(_first(env, "DRONE_REPO_LINK", "DRONE_GIT_HTTP_URL", "DRONE_REMOTE_URL")),
        **_head(env["DRONE_SOURCE_BRANCH" if change else "DRONE_BRANCH"], env["DRONE_TAG"]),
        **_ref("base", env["DRONE_TARGET_BRANCH"] if change else ""),
        "vcs.ref.head.revision": _first(env, "DRONE_COMMIT_SHA", "DRONE_COMMIT"),
        "vcs.change.id": env["DRONE_PULL_REQUEST"] if change else "",
    }


_APPVEYOR_HOSTS = {"gitHub": "github.com", "bitBucket": "bitbucket.org", "gitLab": "gitlab.com"}


def _appveyor(env: Env) -> dict[str, str]:
    change = env["APPVEYOR_PULL_REQUEST_NUMBER"]
    branch, name = env["APPVEYOR_REPO_BRANCH"], env["APPVEYOR_REPO_NAME"]
    host = _APPVEYOR_HOSTS.get(env["APPVEYOR_REPO_PROVIDER"])
    build, job = _appveyor_build(env), env["APPVEYOR_JOB_ID"]
    return {
        "cicd.pipeline.name": env["APPVEYOR_PROJECT_NAME"],
        "cicd.pipeline.run.id": env["APPVEYOR_BUILD_ID"],
        "cicd.pipeline.run.url.full": build,
        "cicd.pipeline.task.name": env["APPVEYOR_JOB_NAME"],
        "cicd.pipeline.task.run.id": job,
        "cicd.pipeline.task.run.url.full": f"{build}/job/{job}" if build and job else "",
        **repository(f"https://{host}/{name}" if host and name else ""),
        **slug(name),
        **_head(
            env["APPVEYOR_PULL_REQUEST_HEAD_REPO_BRANCH"] if change else branch,
            env["APPVEYOR_REPO_TAG_NAME"],
        ),
        **_ref("base", branch if change else ""),
        "vcs.ref.head.revision": env["APPVEYOR_REPO_COMMIT"],
        "vcs.change.id": change,
    }


def _appveyor_build(env: Env) -> str:
    account, project, build = (env[f"APPVEYOR_{part}"] for part in ("ACCOUNT_NAME", "PROJECT_SLUG", "BUILD_ID"))
    server = env.get("APPVEYOR_URL", "https://ci.appveyor.com")
    return f"{server}/project/{account}/{project}/builds/{build}" if account and project and build else ""


DETECTORS: tuple[tuple[str, Detector], ...] = (
    ("GITHUB_ACTIONS", _github),
    ("GITLAB_CI", _gitlab),
    ("BUILDKITE", _buildkite),
    ("CIRCLECI", _circleci),
    ("TF_BUILD", _azure),
    ("BITBUCKET_BUILD_NUMBER", _bitbucket),
    ("TEAMCITY_VERSION", _teamcity),
    ("TRAVIS", _travis),
    ("DRONE", _drone),
    ("APPVEYOR", _appveyor),
    # Last: people set JENKINS_URL for its command line tool, too.
    ("JENKINS_URL", _jenkins),
)
"""The variable that gives a system away, and what reads the others."""
