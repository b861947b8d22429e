"""The project's own page, shown to whoever is there to look at it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from pytest_otlp.viewer import browser
from pytest_otlp.viewer.report import report
from support.otlp_server import Request
from support.viewer import View

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "build" / "demo.png"
FILE = ROOT / "build" / "demo.html"
_SCRIPT = ROOT / "viewer" / "browser" / "picture.mjs"
_SIZE = "1280x800"
_PATIENCE = 60.0
"""s that the browser has for its pictures."""


class Page:
    """`pytest-otlp view` in a process of its own, which gets what the demo's receiver gets."""

    def __init__(self, view: View, store: Path) -> None:
        """`store`: where the view keeps its runs."""
        self._view = view
        self._store = store
        self.address = address_of(view)
        self.trouble = next((line for line in view.lines if "no page" in line), "")
        """Why there is nothing to look at, in an installation without the page."""
        self._refused: list[str] = []

    def take(self, request: Request) -> None:
        """Passes a request on as it came."""
        headers = {"Content-Type": "application/x-protobuf"}
        path = f"/v1/{request.signal}"
        answer = self._view.request("POST", path, request.body, headers, port=self._view.http_port)
        if answer.status != 200:
            self._refused.append(f"the viewer answered {answer.status} to {request.signal}")

    def address_of_run(self) -> str:
        """Of the only run."""
        return f"{self.address}&run={self._view.run()['id']}"

    def as_file(self) -> Path:
        """The run as one file, which stays when the page is gone."""
        return report([self._store], FILE).path

    def problems(self, outcomes: Mapping[str, int]) -> list[str]:
        """How what the page shows at the end differs from `outcomes`, which the receiver got."""
        if self._refused:
            return self._refused
        try:
            self._view.wait_for(lambda view: [run["state"] for run in view.runs()] == ["finished"])
        except AssertionError:
            return [f"the page shows the runs as {[run['state'] for run in self._view.runs()]}"]
        shown = Counter(self._view.run()["counts"])
        return [] if shown == Counter(outcomes) else [f"the page counts {dict(shown)}"]


def address_of(view: View) -> str:
    return f"http://127.0.0.1:{view.page_port}/#token={view.token}"


def opened(page: Page, *, onlooker: bool, env: Mapping[str, str]) -> bool:
    """Opens the page where somebody is there to see it in a browser."""
    return onlooker and not page.trouble and not browser.show(page.address, env)


def somebody_looks(stdin: TextIO, stdout: TextIO, env: Mapping[str, str]) -> bool:
    """Whether a person sees what is printed, and can answer."""
    return stdin.isatty() and stdout.isatty() and not env.get("CI")


def picture(address: str, fragments: Mapping[Path, str], size: str = _SIZE) -> str:
    """Writes PNG files of the page with these fragments of its address; why there are none, or empty."""
    node = shutil.which("node")
    if node is None or not (_SCRIPT.parent.parent / "node_modules" / "playwright-core").is_dir():
        return "pictures need Node and what `make page` installs"
    for path in fragments:
        path.parent.mkdir(parents=True, exist_ok=True)
    places = [word for path, fragment in fragments.items() for word in (fragment, str(path))]
    try:
        done = subprocess.run(
            [node, str(_SCRIPT), address, size, *places],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the browser took longer than {_PATIENCE:.0f} s"
    return "" if done.returncode == 0 else done.stderr.strip() or "the browser failed"


def until_enter(stdin: TextIO, seconds: float) -> None:
    """Waits for a line, the end of the input, or Ctrl-C, but no longer than so many seconds."""
    # A thread, since Windows cannot wait for its console with a limit; it ends with the process.
    reading = threading.Thread(target=stdin.readline, daemon=True)
    reading.start()
    try:
        reading.join(seconds)
    except KeyboardInterrupt:
        return
