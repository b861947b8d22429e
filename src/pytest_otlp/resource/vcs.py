"""What git knows about the checkout, for runs that no CI system describes. Runs in the exporter process."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from time import monotonic

from pytest_otlp.resource.urls import repository

# A git hook that runs the tests sets these for its own repository, which need not be the one of the tests.
_OTHER_REPOSITORY = {
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
}
# No prompt, no lock that a git of the user's would meet, no fetch of what a partial clone lacks.
_QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
# The repository's own configuration names programs; none of them may be run.
_SAFE = ("--no-pager", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")


class _NoAnswerError(Exception):
    """Git is not there, has no answer, or took too long."""


def detect_git(root: Path, timeout: float) -> dict[str, str]:
    """`vcs.*` of the repository that `root` lies in, from at most two git processes and `timeout` seconds in all.

    Empty without git, a repository, a commit, or the right to read it. A detached head has a revision and no name.
    The remote is git's own choice: the one the branch follows, else `origin`, else the only one.
    """
    deadline = monotonic() + timeout
    try:
        revision, _, ref = _git(root, deadline, "rev-parse", "HEAD", "--symbolic-full-name", "HEAD").partition("\n")
    except _NoAnswerError:
        return {}
    try:
        remote = repository(_git(root, deadline, "ls-remote", "--get-url"))
    except _NoAnswerError:
        remote = {}
    found = {**remote, **_head(ref), "vcs.ref.head.revision": revision}
    return {name: value for name, value in found.items() if value}


def _head(ref: str) -> dict[str, str]:
    branch = ref.removeprefix("refs/heads/")
    return {"vcs.ref.head.name": branch, "vcs.ref.head.type": "branch"} if branch != ref else {}


def _git(root: Path, deadline: float, *arguments: str) -> str:
    git = shutil.which("git")
    # A relative answer is a program in the working directory (Windows looks there), not the git of this machine.
    if git is None or not Path(git).is_absolute():
        raise _NoAnswerError
    try:
        done = subprocess.run(
            [git, "-C", os.fspath(root), *_SAFE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name not in _OTHER_REPOSITORY} | _QUIET,
            timeout=max(0.0, deadline - monotonic()),
            check=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise _NoAnswerError from error
    return done.stdout.decode("utf-8", "backslashreplace").strip()
