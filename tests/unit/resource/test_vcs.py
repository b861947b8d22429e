from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_otlp.resource.vcs import _git, detect_git

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

TIMEOUT = 60.0


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgSign=false"]
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT).stdout.strip()


def late(seconds: float, text: str) -> str:
    """A shell command that answers late, in the shell's own process: nothing is left when that is killed."""
    return f"exec '{sys.executable}' -I -S -c 'import time; time.sleep({seconds}); print({json.dumps(text)})'"


@pytest.fixture(autouse=True)
def _own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of the developer's, and no repository around the temporary folder."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=trunk")
    git(root, "commit", "--quiet", "--allow-empty", "--message=first")
    return root


@pytest.fixture
def revision(repo: Path) -> str:
    return git(repo, "rev-parse", "HEAD")


def test_branch_and_remote(repo: Path, revision: str) -> None:
    git(repo, "remote", "add", "origin", "git@github.com:acme/shop.git")
    git(repo, "checkout", "--quiet", "-b", "feature/cart")
    assert detect_git(repo, TIMEOUT) == {
        "vcs.repository.url.full": "https://github.com/acme/shop",
        "vcs.repository.name": "shop",
        "vcs.owner.name": "acme",
        "vcs.provider.name": "github",
        "vcs.ref.head.name": "feature/cart",
        "vcs.ref.head.type": "branch",
        "vcs.ref.head.revision": revision,
    }


def test_subfolder(repo: Path, revision: str) -> None:
    inner = repo / "packages" / "a"
    inner.mkdir(parents=True)
    assert detect_git(inner, TIMEOUT)["vcs.ref.head.revision"] == revision


def test_no_remote(repo: Path, revision: str) -> None:
    assert detect_git(repo, TIMEOUT) == {
        "vcs.ref.head.name": "trunk",
        "vcs.ref.head.type": "branch",
        "vcs.ref.head.revision": revision,
    }


def test_local_remote_is_no_address(repo: Path) -> None:
    git(repo, "remote", "add", "origin", str(repo.parent / "elsewhere.git"))
    assert "vcs.repository.url.full" not in detect_git(repo, TIMEOUT)


def test_detached_head_has_no_name(repo: Path, revision: str) -> None:
    git(repo, "checkout", "--quiet", "--detach")
    git(repo, "tag", "v1")
    assert detect_git(repo, TIMEOUT) == {"vcs.ref.head.revision": revision}


def test_user_info_is_stripped(repo: Path) -> None:
    git(repo, "remote", "add", "origin", "https://ci:s3cr3t@git.example.com/acme/shop.git")
    found = detect_git(repo, TIMEOUT)
    assert found["vcs.repository.url.full"] == "https://git.example.com/acme/shop"
    assert "s3cr3t" not in str(found)


def test_the_branchs_own_remote(repo: Path) -> None:
    git(repo, "remote", "add", "origin", "https://github.com/me/shop")
    git(repo, "remote", "add", "upstream", "https://github.com/acme/shop")
    git(repo, "config", "branch.trunk.remote", "upstream")
    assert detect_git(repo, TIMEOUT)["vcs.owner.name"] == "acme"


def test_worktree(repo: Path, tmp_path: Path) -> None:
    git(repo, "remote", "add", "origin", "https://github.com/acme/shop")
    git(repo, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "tree"))
    found = detect_git(tmp_path / "tree", TIMEOUT)
    assert found["vcs.ref.head.name"] == "other"
    assert found["vcs.repository.name"] == "shop"


def test_shallow_clone(repo: Path, tmp_path: Path) -> None:
    git(repo, "commit", "--quiet", "--allow-empty", "--message=second")
    git(tmp_path, "clone", "--quiet", "--depth=1", repo.as_uri(), "shallow")
    assert git(tmp_path / "shallow", "rev-list", "--count", "HEAD") == "1"
    assert detect_git(tmp_path / "shallow", TIMEOUT) == {
        "vcs.ref.head.name": "trunk",
        "vcs.ref.head.type": "branch",
        "vcs.ref.head.revision": git(repo, "rev-parse", "HEAD"),
    }


def test_no_commit_yet(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert detect_git(tmp_path, TIMEOUT) == {}


def test_no_repository(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    assert detect_git(plain, TIMEOUT) == {}


@pytest.mark.parametrize("root", ["missing", "nul\0"])
def test_no_such_folder(tmp_path: Path, root: str) -> None:
    assert detect_git(tmp_path / root, TIMEOUT) == {}


def test_no_git(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert detect_git(repo, TIMEOUT) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="the programs are shell scripts")
class TestPrograms:
    @staticmethod
    def program(path: Path, script: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        path.chmod(0o755)
        return path

    def test_slow_git(self, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Had it been waited for, its answer would be there."""
        self.program(tmp_path / "bin" / "git", late(60, "abc\nrefs/heads/x"))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
        assert detect_git(repo, 0.2) == {}

    def test_the_limit_is_for_all_processes(self, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Either answer would come in time alone. What the first one said is kept."""
        first, second = late(1, "abc\nrefs/heads/x"), late(3.5, "https://github.com/o/r")
        self.program(tmp_path / "bin" / "git", f'case "$*" in *rev-parse*) {first};; *) {second};; esac')
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
        assert detect_git(repo, 4) == {
            "vcs.ref.head.name": "x",
            "vcs.ref.head.type": "branch",
            "vcs.ref.head.revision": "abc",
        }

    def test_git_in_the_working_directory(self, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.program(tmp_path / "git", "echo abc")
        monkeypatch.setenv("PATH", ".", prepend=os.pathsep)
        monkeypatch.chdir(tmp_path)
        assert detect_git(repo, TIMEOUT) == {}

    def test_nothing_that_the_repository_names_is_run(self, repo: Path, tmp_path: Path) -> None:
        ran = tmp_path / "ran"
        evil = str(self.program(tmp_path / "evil", f'echo "$0 $*" >> "{ran}"'))
        for name in ("post-index-change", "reference-transaction", "fsmonitor-watchman"):
            self.program(repo / "hooks" / name, evil)
        git(repo, "remote", "add", "origin", f"ext::{evil} %S")
        for key, value in {
            "core.fsmonitor": evil,
            "core.hooksPath": str(repo / "hooks"),
            "core.pager": evil,
            "pager.rev-parse": evil,
            "pager.ls-remote": evil,
            "core.sshCommand": evil,
            "core.askPass": evil,
            "core.editor": evil,
            "credential.helper": f"!{evil}",
            "alias.rev-parse": f"!{evil}",
            "alias.ls-remote": f"!{evil}",
            "protocol.ext.allow": "always",
        }.items():
            git(repo, "config", key, value)
        assert detect_git(repo, TIMEOUT)["vcs.ref.head.name"] == "trunk"
        _git(repo, time.monotonic() + TIMEOUT, "status")
        assert not ran.exists()
        # The trap is a real one: what git would do on its own springs it.
        git(repo, "status")
        assert ran.exists()


def test_the_repository_of_a_hook_is_not_the_tests(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "--quiet", "--initial-branch=hooked", str(other))
    git(other, "commit", "--quiet", "--allow-empty", "--message=other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert detect_git(repo, TIMEOUT)["vcs.ref.head.name"] == "trunk"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give a folder away")
def test_dubious_ownership(repo: Path) -> None:
    for path in (repo, repo / ".git"):
        os.chown(path, 12345, 12345)
    assert detect_git(repo, TIMEOUT) == {}
