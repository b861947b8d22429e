"""What is published has the page in it, for people who have no Node."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
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
    subprocess.run(command, check=True, capture_output=True)
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
