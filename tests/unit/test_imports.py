from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from pytest_otlp.imports import when_imported

NAME = "imported_late"


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that counts how often it ran."""
    (tmp_path / f"{NAME}.py").write_text("import sys\nsys.imported_late = getattr(sys, 'imported_late', 0) + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    monkeypatch.setattr(sys, NAME, 0, raising=False)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])


def test_called_once_and_after_the_import() -> None:
    seen: list[int] = []
    before = [*sys.meta_path]
    when_imported(NAME, lambda: seen.append(sys.imported_late))  # type: ignore[attr-defined]
    assert (seen, NAME in sys.modules) == ([], False)
    module = importlib.import_module(NAME)
    assert seen == [1]
    assert sys.meta_path == before
    assert module.__spec__ is not None
    assert module.__spec__.loader is module.__loader__
    assert type(module.__loader__).__module__.startswith(("_frozen_importlib", "importlib"))
    importlib.reload(module)
    assert seen == [1]


def test_called_at_once_where_it_is_imported_already() -> None:
    importlib.import_module(NAME)
    seen: list[int] = []
    when_imported(NAME, lambda: seen.append(1))
    assert seen == [1]


def test_taken_back() -> None:
    seen: list[int] = []
    before = [*sys.meta_path]
    withdraw = when_imported(NAME, lambda: seen.append(1))
    withdraw()
    withdraw()
    assert sys.meta_path == before
    importlib.import_module(NAME)
    assert seen == []


def test_other_modules_and_missing_ones_are_left_to_others() -> None:
    seen: list[int] = []
    when_imported(f"{NAME}.missing", lambda: seen.append(1))
    importlib.import_module(NAME)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{NAME}.missing")
    assert seen == []


def test_a_finder_of_the_old_kind_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [object(), *sys.meta_path])
    seen: list[int] = []
    when_imported(NAME, lambda: seen.append(1))
    importlib.import_module(NAME)
    assert seen == [1]
