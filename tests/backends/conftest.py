from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.collector import Collector
from backends.jaeger import Jaeger
from backends.project import Project


@pytest.fixture(scope="session")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    jaeger = Jaeger(tmp_path_factory.mktemp("jaeger"))
    with jaeger.program.running():
        yield jaeger


@pytest.fixture(scope="session")
def collector(tmp_path_factory: pytest.TempPathFactory, jaeger: Jaeger) -> Iterator[Collector]:
    collector = Collector(tmp_path_factory.mktemp("collector"), jaeger.http)
    with collector.program.running():
        yield collector


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "shop"
    folder.mkdir()
    return Project(folder, f"shop-{uuid.uuid4().hex[:8]}")
