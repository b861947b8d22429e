from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.runs import Runner
from support.viewer import View

pytest.importorskip("starlette", reason="the extra `view` is not installed")
pytest.importorskip("uvicorn", reason="the extra `view` is not installed")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    """One receiver for all tests that leave it as it was."""
    with View(tmp_path_factory.mktemp("view") / "state") as found:
        yield found


@pytest.fixture
def view(shared: View) -> Iterator[View]:
    """A receiver with nothing in it."""
    shared.clear()
    yield shared
    assert shared.errors == ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a receiver of one's own keeps what it remembers."""
    return tmp_path / "state"


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)
