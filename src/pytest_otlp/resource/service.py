"""The service's name and what the user says about the resource. Imported by the process that runs the tests."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

_VARIABLE = "OTEL_RESOURCE_ATTRIBUTES"


def service_name(explicit: str | None, env: Mapping[str, str], root: Path) -> str:
    """The first that is not blank: `explicit`, `OTEL_SERVICE_NAME`, `service.name` in `OTEL_RESOURCE_ATTRIBUTES`,
    the project's name in `root`/pyproject.toml, the name of the folder `root`.

    A pyproject.toml that cannot be read or parsed counts as one without a name.
    """
    given = (explicit, env.get("OTEL_SERVICE_NAME"), resource_attributes(env)[0].get("service.name"))
    return (
        next((name for name in given if name and name.strip()), "")
        or _project_name(root)
        or root.absolute().name
        # What the specification prescribes where nothing is known; here: the root of a file system.
        or "unknown_service"
    )


def resource_attributes(env: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The attributes in `OTEL_RESOURCE_ATTRIBUTES`, and one warning text for each pair that is none.

    `key=value` pairs, comma separated, both percent-encoded UTF-8 (OpenTelemetry specification, Resource SDK,
    "Specifying resource information via an environment variable"). A warning never shows a value.
    """
    attributes: dict[str, str] = {}
    warnings = []
    for position, pair in enumerate(env.get(_VARIABLE, "").split(","), start=1):
        if not pair.strip():
            continue
        try:
            key, value = _parse(pair, position)
        except ValueError as error:
            warnings.append(f"{_VARIABLE}: {error}; ignored")
        else:
            attributes[key] = value
    return attributes, warnings


def _parse(pair: str, position: int) -> tuple[str, str]:
    key, equals, value = (part.strip() for part in pair.partition("="))
    if not (key and equals):
        # Not shown: it may be the rest of a secret with a comma in it.
        raise ValueError(f"pair {position} is not of the form key=value")
    try:
        return unquote(key, errors="strict"), unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{key!r} is not percent-encoded UTF-8") from None


def _project_name(root: Path) -> str:
    document = _read_toml(root / "pyproject.toml")
    tool = document.get("tool")
    for table in (document.get("project"), tool.get("poetry") if isinstance(tool, dict) else None):
        name = table.get("name") if isinstance(table, dict) else None
        if isinstance(name, str) and name.strip():
            return name
    return ""


def _read_toml(path: Path) -> dict[str, object]:
    try:
        text = path.read_text("utf-8")
        # Here, because most of the time nothing else has loaded it; before 3.11 pytest depends on tomli.
        parser = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        document: dict[str, object] = parser.loads(text)
    except (OSError, ValueError, RecursionError):
        return {}
    return document
