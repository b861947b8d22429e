"""What is known of a test before it runs. Plain functions are described some tests ahead: all pay for it."""

from __future__ import annotations

import enum
import inspect
import sys
from collections.abc import Iterator
from json.encoder import encode_basestring_ascii as quoted
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_otlp import events
from pytest_otlp.events import Case
from pytest_otlp.namedtuple import NamedTuple
from pytest_otlp.nodeids import suite_of
from pytest_otlp.redact import REDACTED, is_secret, without_user_info
from pytest_otlp.reports import TEXT_LIMIT, VALUE_LIMIT
from pytest_otlp.safe import cut_middle, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

AHEAD = 64
"""Tests that are described in one go. One at a time, between all that pytest does for a test, each would cost several
times as much: the processor's caches hold none of this code by then."""
_FUNCTIONS = (FunctionType, MethodType)


class Described(NamedTuple):
    """A test that is about to run."""

    item: pytest.Item
    """Kept, so that its identity stays its own."""
    nodeid: str
    name: str
    """The node id as an element of a line."""
    case: str
    """The `Case`, as another."""


class Cases:
    """`describe`, encoded; most tests are plain functions without markers or parameters."""

    def __init__(self, redact: Sequence[str]) -> None:
        self._redact = redact
        self._items: Sequence[pytest.Item] = ()
        self._nodeids: Sequence[str] = ()
        """Of the items. Since pytest 9.2 each question for one makes it anew."""
        self._places: dict[int, int] = {}
        self._seen: set[int] = set()
        """Blocks of `AHEAD` tests that were described as far as they can be ahead."""
        self._ahead: dict[int, Described] = {}
        """By the identity of the item, as the places are."""
        self._parent: object = None
        """Of the last test; what follows is the same for all in it."""
        self._bare = False
        self._prefix = self._path = self._quoted_path = self._suite = self._description = ""

    def expect(self, items: Sequence[pytest.Item], nodeids: Sequence[str]) -> None:
        """These will run, most of them in this order."""
        self._items, self._nodeids = items, nodeids
        self._places = {id(item): place for place, item in enumerate(items)}

    def of(self, item: pytest.Item) -> Described:
        """For a test of which no more is known than its item."""
        found = self._ahead.pop(id(item), None) or self._looked_for(item)
        # It may have got a marker since.
        return found if found is not None and not item.own_markers else self._described(item)

    def _looked_for(self, item: pytest.Item) -> Described | None:
        """Describes the plain tests around it, if that was not done."""
        place = self._places.get(id(item))
        if place is None or place // AHEAD in self._seen:
            return None
        block = place // AHEAD
        self._seen.add(block)
        if len(self._ahead) > AHEAD:
            self._ahead.clear()  # those of another worker of xdist, or that were deselected on the way
        tests = slice(block * AHEAD, (block + 1) * AHEAD)
        for near, nodeid in zip(self._items[tests], self._nodeids[tests], strict=False):
            if case := self._safely_plain(near, nodeid):
                self._ahead[id(near)] = Described(near, nodeid, quoted(nodeid), case)
        return self._ahead.pop(id(item), None)

    def _safely_plain(self, item: pytest.Item, nodeid: str) -> str:
        try:
            return self._plain(item, nodeid)
        except Exception:  # noqa: BLE001  as in `_described`
            return ""

    def _described(self, item: pytest.Item) -> Described:
        """Items of other plugins may raise anything when asked."""
        nodeid = item.nodeid
        try:
            case = self._plain(item, nodeid) or events.encode_case(describe(item, self._redact))
        except Exception:  # noqa: BLE001  see above
            case = events.encode_case(Case("", 0, "", suite_of(nodeid)))
        return Described(item, nodeid, quoted(nodeid), case)

    def _plain(self, item: pytest.Item, nodeid: str) -> str:
        """Empty for a test that is not plain."""
        if type(item) is not pytest.Function or item.own_markers or "[" in nodeid or "callspec" in item.__dict__:
            return ""
        if item.parent is not self._parent:
            self._enter(item.parent)
        function = item.obj
        path, line, _ = item.location
        if not self._bare or type(function) not in _FUNCTIONS or nodeid != self._prefix + item.name or line is None:
            return ""
        if path != self._path:
            self._path, self._quoted_path = path, quoted(path.replace("\\", "/"))
        doc = function.__doc__
        description = self._description if doc is None else quoted(_cleaned(doc))
        name = quoted(f"{function.__module__}.{function.__qualname__}")
        return f'[{self._quoted_path},{line + 1},{name},{self._suite},{description},[],[],""]'

    def _enter(self, parent: pytest.Collector | None) -> None:
        self._parent = parent
        self._bare = parent is not None and not any(node.own_markers for node in parent.listchain())
        if "pytest_bdd" in sys.modules:
            self._bare = False  # its scenarios look plain
        if parent is not None:
            self._prefix, self._suite = f"{parent.nodeid}::", quoted(parent.nodeid)
            self._description = quoted(_description_of_class(parent))


def describe(item: pytest.Item, redact: Sequence[str]) -> Case:
    """What is known of a test before it runs. Items of other plugins may have no function, no line, no path."""
    path, line, _ = item.location
    function = getattr(item, "obj", None)
    markers, group = _markers(item)
    case = Case(
        path.replace("\\", "/"),
        0 if line is None else line + 1,
        _function_name(function, item),
        suite_of(item.nodeid),
        _description(item, function),
        markers,
        tuple(_parameters(item, redact)) if hasattr(item, "callspec") else (),
        group,
    )
    if "pytest_bdd" not in sys.modules:
        return case
    from pytest_otlp.bdd import of_scenario  # noqa: PLC0415  only beside it

    return of_scenario(case, item, redact)


def _function_name(function: object, item: pytest.Item) -> str:
    name = getattr(function, "__qualname__", None)
    if not isinstance(name, str):
        return text_of(item.name)
    module = getattr(function, "__module__", None)
    return f"{module}.{name}" if isinstance(module, str) else name


def _description(item: pytest.Item, function: object) -> str:
    """The test's docstring, else its class's. Objects inherit their type's docstring: only functions have their own."""
    if isinstance(doc := getattr(function, "__doc__", None), str) and hasattr(function, "__code__"):
        return _cleaned(doc)
    return _description_of_class(item.parent)


def _description_of_class(node: object) -> str:
    if isinstance(node, pytest.Class) and isinstance(doc := vars(node.obj).get("__doc__"), str):
        return _cleaned(doc)
    return ""


def _cleaned(doc: str) -> str:
    return cut_middle(inspect.cleandoc(doc), TEXT_LIMIT)


def _markers(item: pytest.Item) -> tuple[tuple[str, ...], str]:
    """Names, nearest first, and the xdist group. Every test pays for this: most have none."""
    node: pytest.Item | pytest.Collector | None = item
    while node is not None and not node.own_markers:
        node = node.parent
    if node is None:
        return (), ""
    markers = list(item.iter_markers())
    groups = [marker for marker in markers if marker.name == "xdist_group"]
    return tuple(dict.fromkeys(marker.name for marker in markers)), _group_name(groups[0]) if groups else ""


def _group_name(marker: pytest.Mark) -> str:
    return text_of(marker.args[0] if marker.args else marker.kwargs.get("name", "default"))


def _parameters(item: pytest.Item, redact: Sequence[str]) -> Iterator[tuple[str, str]]:
    callspec: Any = item.callspec  # type: ignore[attr-defined]
    for name, value in callspec.params.items():
        alone = callspec.id if len(callspec.params) == 1 else ""
        placeholder = alone or f"{name}{callspec.indices.get(name, 0)}"
        shown = REDACTED if is_secret(name, redact) else _parameter_text(value, placeholder)
        yield name, without_user_info(shown)[:VALUE_LIMIT]


def _parameter_text(value: object, placeholder: str) -> str:
    """A value as pytest shows it in an id: never the `repr` of an object, which may be long, secret or raise."""
    # Of the type: at the question for its class a lazy object looks itself up.
    kind = type(value)
    if issubclass(kind, str):
        return str.__str__(cast("str", value))
    if value is None or issubclass(kind, bool | int | float | complex | enum.Enum):
        return text_of(value)
    if issubclass(kind, bytes):
        return bytes.decode(cast("bytes", value), "ascii", "backslashreplace")
    return _own_name(value) or placeholder


def _own_name(value: object) -> str:
    """Of a class, a function or a module; any code of the user's may run at the question."""
    try:
        name = getattr(value, "__name__", "")
    except Exception:  # noqa: BLE001
        return ""
    return name if isinstance(name, str) else ""
