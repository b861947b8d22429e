"""A function that runs as soon as a module was imported by somebody: we need it only then, and it may be costly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def when_imported(module: str, call: Callable[[], None]) -> Callable[[], None]:
    """Calls `call` once: now, or right after the import of `module`, in the thread that imports it.

    Returns what takes the request back.
    """
    if module in sys.modules:
        call()
        return lambda: None
    finder = _Finder(module, call)
    sys.meta_path.insert(0, finder)
    return finder.withdraw


class _Finder:
    """Stands before the other finders (PEP 302), says nothing of any module but one, and leaves with that."""

    def __init__(self, module: str, call: Callable[[], None]) -> None:
        self._module = module
        self._call = call

    def withdraw(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._module:
            return None
        self.withdraw()
        spec = _spec_by_others(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._call)
        return spec


def _spec_by_others(name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec = find_spec(name, path, target) if find_spec is not None else None
        if spec is not None:
            found: ModuleSpec = spec
            return found
    return None


class _Loader(Loader):
    """Does what the module's own loader does, and a little more at the end of the import."""

    def __init__(self, loader: Loader, call: Callable[[], None]) -> None:
        self._loader = loader
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._call()
