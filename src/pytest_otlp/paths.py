"""Paths as they are told: with slashes on every system, relative to pytest's root folder where they are in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_otlp.safe import text_of

if TYPE_CHECKING:
    import pytest


def root_of(config: pytest.Config) -> str:
    """The folder that paths are relative to, with a slash at its end."""
    return _with_slashes(f"{config.rootpath}/")


def relative(path: object, root: str) -> str:
    """`root`: see `root_of`."""
    return _with_slashes(text_of(path)).removeprefix(root)


def _with_slashes(path: str) -> str:
    return path.replace("\\", "/")


def working_tree(folder: Path) -> Path | None:
    """The top of the git working tree that an absolute path is in."""
    return next(filter(_has_git, (folder, *folder.parents)), None)


def _has_git(folder: Path) -> bool:
    """A file in a further working tree of a repository, or in a submodule."""
    try:
        return (folder / ".git").exists()
    except OSError:
        return False
