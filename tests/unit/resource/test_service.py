from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp.resource.service import resource_attributes, service_name

PROJECT = '[project]\nname = "from-project"\n'
ENV = {"OTEL_SERVICE_NAME": "from-variable", "OTEL_RESOURCE_ATTRIBUTES": "service.name=from-attributes"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "the-folder"
    folder.mkdir()
    return folder


def write(root: Path, text: str) -> None:
    (root / "pyproject.toml").write_text(text, "utf-8")


def test_order(root: Path) -> None:
    write(root, PROJECT)
    assert service_name("explicit", ENV, root) == "explicit"
    assert service_name(None, ENV, root) == "from-variable"
    assert service_name(None, ENV | {"OTEL_SERVICE_NAME": ""}, root) == "from-attributes"
    assert service_name(" ", ENV | {"OTEL_SERVICE_NAME": " \t"}, root) == "from-attributes"
    assert service_name(None, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=%20"}, root) == "from-project"
    assert service_name(None, {}, root) == "from-project"
    write(root, '[project]\nname = " "\n')
    assert service_name(None, {}, root) == "the-folder"
    write(root, "")
    assert service_name("", {}, root) == "the-folder"
    assert service_name(None, {}, Path(root.anchor)) == "unknown_service"


def test_relative_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert service_name(None, {}, Path()) == "the-folder"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[tool.poetry]\nname = "from-poetry"\n', "from-poetry"),
        (PROJECT + '[tool.poetry]\nname = "from-poetry"\n', "from-project"),
        ('[project]\nversion = "1"\n[tool.poetry]\nname = "from-poetry"\n', "from-poetry"),
        ('[project]\nname = "näme"\n', "näme"),
        ('[project]\nname = ""\n', "the-folder"),
        ("[project]\nname = 3\n", "the-folder"),
        ("project = 3\ntool = 3\n", "the-folder"),
        ("[tool]\npoetry = 3\n", "the-folder"),
        ("[project\n", "the-folder"),
        ("x = " + "[" * 100_000, "the-folder"),
    ],
)
def test_pyproject(root: Path, text: str, name: str) -> None:
    write(root, text)
    assert service_name(None, {}, root) == name


def test_unreadable_pyproject(root: Path) -> None:
    (root / "pyproject.toml").write_bytes(b"\xff\xfe\x00")
    assert service_name(None, {}, root) == "the-folder"
    (root / "pyproject.toml").unlink()
    (root / "pyproject.toml").mkdir()
    assert service_name(None, {}, root) == "the-folder"


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        (" a = 1 , b.c=2 ,", {"a": "1", "b.c": "2"}),
        ("a=x%2Cy%3Dz,b=%C3%A4", {"a": "x,y=z", "b": "ä"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1,a=2", {"a": "2"}),
        ("a=", {"a": ""}),
        ("a%2Cb=100%", {"a,b": "100%"}),
    ],
)
def test_resource_attributes(text: str, attributes: dict[str, str]) -> None:
    assert resource_attributes({"OTEL_RESOURCE_ATTRIBUTES": text}) == (attributes, [])


def test_no_resource_attributes() -> None:
    assert resource_attributes({}) == ({}, [])


def test_malformed_pairs_are_named_without_their_values() -> None:
    attributes, warnings = resource_attributes(
        {"OTEL_RESOURCE_ATTRIBUTES": "a=1,rest-of-a-secret,=secret,b=secret%ff,c=3"}
    )
    assert attributes == {"a": "1", "c": "3"}
    assert warnings == [
        "OTEL_RESOURCE_ATTRIBUTES: pair 2 is not of the form key=value; ignored",
        "OTEL_RESOURCE_ATTRIBUTES: pair 3 is not of the form key=value; ignored",
        "OTEL_RESOURCE_ATTRIBUTES: 'b' is not percent-encoded UTF-8; ignored",
    ]


@given(st.text())
def test_any_value_of_the_variable(text: str) -> None:
    attributes, warnings = resource_attributes({"OTEL_RESOURCE_ATTRIBUTES": text})
    pairs = [pair for pair in text.split(",") if pair.strip()]
    assert len(warnings) <= len(pairs)
    assert len(attributes) + len(warnings) <= len(pairs)
    assert all(attributes)
    assert all(warning.isprintable() for warning in warnings)


@pytest.mark.parametrize("module", ["service", "host"])
def test_light_in_the_process_of_the_tests(module: str) -> None:
    # What is loaded before is not ours: coverage, for one, starts in every process.
    code = f"import sys; old = {{*sys.modules}}; import pytest_otlp.resource.{module}; print(*{{*sys.modules}} - old)"
    command = [sys.executable, "-I", "-c", code]
    loaded = set(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split())
    assert f"pytest_otlp.resource.{module}" in loaded
    assert not loaded & {"subprocess", "socket", "tomllib", "tomli", "hashlib", "json"}
    assert not loaded & {"pytest_otlp.resource.ci", "pytest_otlp.resource.vcs"}
    assert not [name for name in loaded if name.startswith("opentelemetry")]
