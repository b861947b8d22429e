from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.scene import Scene
from faults.table import Figures, Table
from support.certificates import Authority
from support.runs import Run, Runner


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.faults)


def pytest_configure(config: pytest.Config) -> None:
    page = os.environ.get("PYTEST_OTLP_FAULTS_TABLE")
    if page and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(page), "faults-table")


@pytest.fixture(scope="session")
def baselines() -> dict[object, Run]:
    """Runs without the plugin, by what was run."""
    return {}


@pytest.fixture
def scene(tmp_path: Path, baselines: dict[object, Run], request: pytest.FixtureRequest) -> Iterator[Scene]:
    (tmp_path / "baseline").mkdir()
    scene = Scene(Runner(tmp_path), baselines)
    yield scene
    noted: list[Figures] = scene.figures
    request.node.user_properties.append(("faults", noted))


@pytest.fixture(params=[pytest.param((), id="n0"), pytest.param(("-n2",), id="n2")])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The arguments for a run in one process, and on two workers."""
    arguments: tuple[str, ...] = request.param
    if arguments:
        pytest.importorskip("xdist")
    return arguments


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other_authority"))
