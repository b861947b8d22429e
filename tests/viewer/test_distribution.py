"""What is published has the page in it, for people who have no Node."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from pytest_otlp.viewer import page
from support.page import ROOT
from support.viewer import View

BUILT = ("index.html", "report.js", "report.css")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        page.check()
    except page.NoPageError:
        pytest.skip("the page is not built: `make page`")
    if not (ROOT / "src" / "pytest_otlp").exists():
        pytest.skip("no source here to build")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    pytest.importorskip("build", reason="the package `build` is not installed")
    job = {"GITHUB_SERVER_URL": "https://git.example", "GITHUB_REPOSITORY": "shop/tests"}
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **job})
    return out


def test_wheel_and_sdist_have_the_page(distributions: Path) -> None:
    """The wheel is built from the sdist, without version control or Node."""
    (wheel,) = distributions.glob("*.whl")
    (sdist,) = distributions.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as tar:
        in_sdist = {name.partition("/")[2] for name in tar.getnames()}
    for name in BUILT:
        assert f"pytest_otlp/viewer/page/{name}" in in_wheel
        assert f"src/pytest_otlp/viewer/page/{name}" in in_sdist
    assert any(name.startswith("pytest_otlp/viewer/page/assets/") for name in in_wheel)
    assert not [name for name in in_wheel | in_sdist if "node_modules" in name]


def test_the_page_of_an_index_leads_to_the_repository(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(name))
    links = re.findall(r"(!?)\[[^]]+\]\(([^)]+)\)", str(metadata.get_payload()))
    found = [(bool(picture), path.partition("#")[0]) for picture, path in links]
    home = f"https://git.example/shop/tests/{{}}/v{metadata['Version']}/"
    for picture, path in found:
        start = home.format("raw" if picture else "blob")
        assert path.startswith(start)
        assert (ROOT / path.removeprefix(start)).is_file()
    assert {picture for picture, _ in found} == {True, False}
    assert "Source, https://git.example/shop/tests" in metadata.get_all("Project-URL", [])


def test_links_of_a_build_elsewhere_are_text() -> None:
    """Rather than lead nowhere."""
    pytest.importorskip("hatchling", reason="what builds the package is not installed")
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))
    home = hook["repository"]({"GITHUB_SERVER_URL": "https://git.example"})
    text = "See [docs/a.md](docs/a.md#b), [below](#below) and [else](https://else.example).\n\n![A run](docs/a.png)\n"
    told = hook["readable_anywhere"](text, home, "v1")
    assert told == "See docs/a.md, [below](#below) and [else](https://else.example).\n\n\n"


def test_the_installed_wheel_serves_the_page(
    distributions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    where = [sys.executable, "-c", "import pytest_otlp; print(pytest_otlp.__file__)"]
    found = subprocess.run(where, check=True, capture_output=True, text=True, env={**os.environ})
    assert found.stdout.startswith(str(tmp_path / "site"))
    with View(tmp_path / "state") as view:
        answer = view.request("GET", "/")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.body == page.file("index.html")[0]
        asset = next(word for word in answer.body.decode().split('"') if "assets/" in word)
        found_asset = view.request("GET", f"/{asset.lstrip('./')}")
        assert found_asset.status == 200
        assert "immutable" in found_asset.headers["cache-control"]
