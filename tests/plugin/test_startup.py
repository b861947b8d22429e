"""How the run was set up, on its root: as pytest's own header tells it."""

from __future__ import annotations

import re

import pytest

from support.runs import Runner

SUITE = "def test_a(): pass"


@pytest.mark.parametrize("dist", [(), ("-n1",)], ids=["alone", "xdist"])
def test_plugins_as_the_header_shows_them(run_pytest: Runner, dist: tuple[str, ...]) -> None:
    if dist:
        pytest.importorskip("xdist")
    run = run_pytest(SUITE, *dist)
    (shown,) = re.findall(r"^plugins: (.+)$", run.stdout, re.MULTILINE)
    told = run.root.attributes["pytest.plugins"]
    assert sorted(told) == sorted(shown.split(", "))
    assert any(plugin.startswith("otlp-") for plugin in told)


def test_no_plugins_that_are_not_loaded(run_pytest: Runner) -> None:
    without = run_pytest(SUITE, "-p", "no:timeout").root.attributes["pytest.plugins"]
    assert not [plugin for plugin in without if plugin.startswith("timeout-")]


def test_where_the_root_folder_is_in_the_repository(run_pytest: Runner) -> None:
    assert "pytest.rootdir" not in run_pytest(SUITE).root.attributes
    (run_pytest.folder.parent / ".git").mkdir()
    root = run_pytest(SUITE).root
    assert (root.attributes["pytest.rootdir"], root.attributes["pytest.configfile"]) == ("suite", "pytest.ini")
    (run_pytest.folder / ".git").mkdir()
    assert run_pytest(SUITE).root.attributes["pytest.rootdir"] == "."


def test_a_configuration_file_elsewhere_is_told_by_name(run_pytest: Runner) -> None:
    elsewhere = run_pytest.folder.parent / "private" / "other.ini"
    elsewhere.parent.mkdir()
    elsewhere.write_text("[pytest]")
    run = run_pytest(SUITE, f"-c{elsewhere}", "--rootdir=.")
    assert run.root.attributes["pytest.configfile"] == "other.ini"


def test_arguments_are_counted_and_not_told(run_pytest: Runner) -> None:
    few = run_pytest(SUITE).root.attributes["pytest.args_count"]
    run = run_pytest(SUITE, "-k", "not hunter2", "--deselect=test_it.py::hunter2")
    assert run.root.attributes["pytest.args_count"] == few + 3
    assert "hunter2" not in repr([run.spans, run.metrics])


def test_splits_and_group(run_pytest: Runner) -> None:
    pytest.importorskip("pytest_split")
    suite = "def test_a(): pass\ndef test_b(): pass"
    attributes = run_pytest(suite, "-p", "pytest_split.plugin", "--splits=2", "--group=1").root.attributes
    assert (attributes["pytest.split.splits"], attributes["pytest.split.group"]) == (2, 1)
    assert "pytest.split.group" not in run_pytest(suite, "-p", "pytest_split.plugin").root.attributes
