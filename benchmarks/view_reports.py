"""The same trivial tests with each reporter: the reports that the viewer's benchmark opens one after the other."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers import BASE, Peer
from benchmarks.venvs import PINS, Environments, versions
from pytest_otlp.version import __version__

A_FILE = 100
"""Tests."""
NODE_PINS = Path(__file__).with_name("view_peers")
NODE_FILES = [NODE_PINS / name for name in ("package.json", "package-lock.json")]
PYTEST_HTML = Peer("pytest-html", requires=(*BASE, "pytest-html"))

_PYTEST = 'import pytest\n\n\n@pytest.mark.parametrize("n", range({a_file}))\ndef test_case(n):\n    pass\n'
_JAVASCRIPT = (
    'import {{ test }} from "{package}";\nfor (let n = 0; n < {a_file}; n++) test(`case ${{n}}`, () => {{}});\n'
)


class Report(NamedTuple):
    """A report on the disk, and what the browser does with it: selectors of a test, a filter and an order."""

    name: str
    version: str
    path: Path
    row: str
    filter: str = ""
    text: str = ""
    sort: str = ""
    fragment: str = ""
    """Leads to the tests, where these are not what it begins with."""
    served: bool = False
    """It does not open from the disk."""

    def size(self) -> int:
        """Bytes, of all files."""
        return sum(file.stat().st_size for file in _files(self.path))


class Peers:
    """Reporters, installed in folders of their own below `folder`.

    The reports of others are made once, and kept while the pins stay the same: 20,000 tests take some of them minutes.
    """

    def __init__(self, folder: Path, tests: int) -> None:
        """Nothing is installed before it is asked for."""
        self._folder = folder
        self._count = max(1, tests // A_FILE)
        pins = hashlib.sha256(b"".join(file.read_bytes() for file in (PINS, *NODE_FILES))).hexdigest()[:12]
        self._out = folder / f"reports-{self._count * A_FILE}-{pins}"
        self._out.mkdir(parents=True, exist_ok=True)

    def reports(self) -> Iterator[Report]:
        """One by one; what cannot be made is told on standard error and left out."""
        for make in (self._ours, self._pytest_html, self._playwright, self._vitest):
            name = make.__name__.strip("_")
            print(f"report of {self._count * A_FILE:,} tests: {name}", file=sys.stderr, flush=True)
            try:
                yield make()
            except (subprocess.SubprocessError, OSError) as error:
                print(f"{name} is left out: {error}", file=sys.stderr, flush=True)

    def _ours(self) -> Report:
        path = self._out / "pytest-otlp.html"
        self._pytest(Path(sys.executable), "-p", "otlp", f"--otel-html={path}")
        return Report(
            "pytest-otlp",
            __version__,
            path,
            ".tests .row",
            filter="#filter",
            text="case[42]",
            sort=".tests .row-head > :last-child button",
            fragment="#view=tests",
        )

    def _pytest_html(self) -> Report:
        path = self._out / "pytest-html.html"
        python = Environments(self._folder).python(PYTEST_HTML)
        plugins = ("-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin")
        if not path.exists():
            new = path.with_name("new.html")
            self._pytest(python, *plugins, f"--html={new}", "--self-contained-html")
            new.replace(path)
        return Report(
            "pytest-html",
            _version(versions(python), "pytest-html"),
            path,
            ".results-table-row",
            filter='input[data-test-result="passed"]',
            sort='th[data-column-type="duration"]',
        )

    def _pytest(self, python: Path, *arguments: str) -> None:
        suite = _suite(self._folder / "pytest-suite", self._count, "test_{:04}.py", _PYTEST)
        (suite / "pytest.ini").write_text("[pytest]\n")
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(suite)]
        _run(command, suite, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    def _playwright(self) -> Report:
        node = self._node()
        path = self._out / "playwright" / "index.html"
        if not path.exists():
            suite = _suite(node / "playwright", self._count, "t{:04}.spec.mjs", _JAVASCRIPT, package="@playwright/test")
            (suite / "playwright.config.mjs").write_text("export default { workers: 2 };\n")
            where = {"PLAYWRIGHT_HTML_OPEN": "never", "PLAYWRIGHT_HTML_OUTPUT_DIR": str(path.parent)}
            _run(["npx", "playwright", "test", "-c", "playwright", "--reporter=html"], node, **where)
        return Report(
            "Playwright",
            self._node_version("@playwright/test"),
            path,
            ".test-file-test",
            filter=".subnav-search-input",
            text="case 42",
        )

    def _vitest(self) -> Report:
        node = self._node()
        path = self._out / "vitest" / "index.html"
        if not path.exists():
            suite = _suite(node / "vitest", self._count, "t{:04}.test.mjs", _JAVASCRIPT, package="vitest")
            _run(["npx", "vitest", "run", f"--root={suite}", "--reporter=html", "--pool=threads", "--no-isolate"], node)
            shutil.move(suite / ".vitest", path.parent)
        return Report(
            "Vitest",
            self._node_version("vitest"),
            path,
            '[data-testid="explorer-item"]',
            filter='input[placeholder^="Search"]',
            text="case 42",
            served=True,
        )

    def _node(self) -> Path:
        """The folder with the packages of Node; made once, kept while the pins stay the same."""
        folder = self._folder / "node"
        stamp = folder / "stamp"
        wanted = hashlib.sha256(b"".join(file.read_bytes() for file in NODE_FILES)).hexdigest()
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for file in NODE_FILES:
                shutil.copy(file, folder)
            _run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], folder)
            stamp.write_text(wanted)
        return folder

    def _node_version(self, package: str) -> str:
        said = json.loads((NODE_PINS / "package.json").read_text(encoding="utf-8"))
        return str(said["dependencies"][package])


def _suite(folder: Path, files: int, name: str, text: str, package: str = "") -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    content = text.format(a_file=A_FILE, package=package)
    for number in range(files):
        (folder / name.format(number)).write_text(content, encoding="utf-8")
    return folder


def _run(command: Sequence[str], folder: Path, **more: str) -> None:
    """Raises CalledProcessError, TimeoutExpired."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_"))}
    environment.pop("CI", None)
    quiet = subprocess.DEVNULL
    subprocess.run(command, cwd=folder, env={**environment, **more}, check=True, stdout=quiet, timeout=1800)


def _version(installed: Sequence[str], name: str) -> str:
    return next(line.partition("==")[2] for line in installed if line.startswith(f"{name}=="))


def _files(path: Path) -> Iterator[Path]:
    """A report that is one file, or has others beside it."""
    if path.name == "index.html":
        yield from (file for file in path.parent.rglob("*") if file.is_file())
    else:
        yield path
