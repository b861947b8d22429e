"""`typing.NamedTuple` for what the process that runs the tests defines at each start, without compiling anything.

The original compiles a constructor for each class: with forty classes a quarter of what a run with the plugin needs to
begin. Instances cost a little more here; the exporter, which has many of some classes, defines those by the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["NamedTuple"]

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from collections.abc import Iterable, Mapping
    from functools import cache
    from operator import itemgetter
    from typing import Any

    @cache
    def _getter(place: int) -> property:
        """One for all classes."""
        return property(itemgetter(place))

    class _Definition(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: Mapping[str, Any]) -> _Definition:
            """Without a dictionary in each instance."""
            defined = super().__new__(cls, name, bases, {"__slots__": (), **body})
            defined._fields = defined.__match_args__ = fields = tuple(defined.__annotations__)
            defined._field_defaults = {field: body[field] for field in fields if field in body}
            defined._last = tuple(defined._field_defaults.values())
            for place, field in enumerate(fields):
                setattr(defined, field, _getter(place))
            return defined

    class NamedTuple(tuple, metaclass=_Definition):
        __slots__ = ()

        def __new__(cls, *values: Any, **named: Any) -> Any:
            missing = len(cls._fields) - len(values)
            if not named and 0 <= missing <= len(cls._last):
                return tuple.__new__(cls, values + cls._last[-missing:] if missing else values)
            defaults = cls._field_defaults
            try:
                rest = [named.pop(field) if field in named else defaults[field] for field in cls._fields[len(values) :]]
            except KeyError as error:
                raise TypeError(f"{cls.__name__} needs {error}") from None
            if named or missing < 0:
                raise TypeError(f"{cls.__name__} has no place for {[*named] or values[missing:]}")
            return tuple.__new__(cls, (*values, *rest))

        @classmethod
        def _make(cls, values: Iterable[Any]) -> NamedTuple:
            """From a value for each field, without a look at which are given."""
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, not {len(made)}")
            return made

        def _replace(self, **named: Any) -> NamedTuple:
            changed = type(self)(*map(named.pop, self._fields, self))
            if named:
                raise TypeError(f"{type(self).__name__} has no {[*named]}")
            return changed

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(map('{}={!r}'.format, self._fields, self))})"
