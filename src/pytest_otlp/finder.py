"""Our modules, imported as Python itself imports them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _Finder:
    """Before pytest's own finder."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, path, target) if fullname.startswith("pytest_otlp.") else None


@contextmanager
def unrewritten() -> Iterator[None]:
    """Imports within it leave out pytest's rewriting of asserts, which takes in every module beside a plugin.

    To read what pytest keeps of a rewritten module takes several times as long as to read what Python keeps of it, and
    where pytest cannot keep it (a read-only installation, a new container each time) it compiles it at each start.
    """
    sys.meta_path.insert(0, _Finder)
    try:
        yield
    finally:
        with suppress(ValueError):  # somebody has made a new list
            sys.meta_path.remove(_Finder)
