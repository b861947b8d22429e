"""How a run was set up, as attributes of its root: what pytest's header tells, without what may be secret.

Neither an argument nor an absolute path is among them: these may hold passwords, and the names of people.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import pytest

from pytest_otlp import semconv
from pytest_otlp.paths import working_tree

Setup: TypeAlias = dict[str, str | int | list[str]]


def attributes_of(config: pytest.Config) -> Setup:
    """Once for each run, before anything is collected."""
    found = {
        semconv.PLUGINS: list(dict.fromkeys(_plugins(config))),
        semconv.ROOTDIR: _rootdir(config.rootpath),
        semconv.CONFIGFILE: _configfile(config),
        semconv.ARGS_COUNT: len(config.invocation_params.args),
        **_split(config),
    }
    return {name: value for name, value in found.items() if value not in ("", None, [])}


def _plugins(config: pytest.Config) -> Iterator[str]:
    """Name and version of each distribution, as pytest's header shows them: without the `pytest-` that most begin with.

    Read from the first lines of the metadata: to parse all of it, with the README in it, costs 1 ms for each.
    """
    for _, dist in config.pluginmanager.list_plugin_distinfo():
        with suppress(Exception):  # a package that was imported from anywhere may raise anything
            text = dist.read_text("METADATA") or dist.read_text("PKG-INFO")
            fields = dict(line.split(": ", 1) for line in text.split("\n\n", 1)[0].splitlines() if ": " in line)
            yield f"{fields['Name']}-{fields['Version']}".removeprefix("pytest-")


def _rootdir(root: Path) -> str:
    """From the top of the git working tree, so that together with a test's file path it leads to the source.

    Empty without one.
    """
    top = working_tree(root)
    return root.relative_to(top).as_posix() if top else ""


def _configfile(config: pytest.Config) -> str:
    """From the root folder; of a file elsewhere only its name."""
    path = config.inipath
    if path is None:
        return ""
    return path.relative_to(config.rootpath).as_posix() if path.is_relative_to(config.rootpath) else path.name


def _split(config: pytest.Config) -> Setup:
    """Other plugins may have options of these names."""
    if not config.pluginmanager.is_registered(sys.modules.get("pytest_split.plugin")):
        return {}
    return {semconv.SPLITS: config.getoption("splits", None), semconv.SPLIT_GROUP: config.getoption("group", None)}
