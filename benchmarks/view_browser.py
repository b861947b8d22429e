"""The page and the reports in a real browser, by viewer/bench."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.venvs import ROOT
from benchmarks.view_reports import Report


def browser(reports: Sequence[Report], each: int, tests: int) -> dict[str, Any]:
    """What viewer/bench measures with so many tests on the page, and `each` in the reports.

    Raises:
        OSError: it measured nothing.
    """
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as servers:
        out = Path(place, "figures.json")
        told = [
            {
                **report._asdict(),
                "path": "",
                "tests": each,
                "bytes": report.size(),
                "url": (servers.enter_context(served(report.path)) if report.served else report.path.as_uri())
                + report.fragment,
            }
            for report in reports
        ]
        environment = {
            **os.environ,
            "BENCH_OUT": str(out),
            "BENCH_REPORTS": json.dumps(told),
            "BENCH_TESTS": str(tests),
        }
        command = ["npx", "vitest", "run", "--project", "bench"]
        # What one of its figures fails with is in its output; the others are kept.
        subprocess.run(command, cwd=ROOT / "viewer", env=environment, check=False)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


@contextlib.contextmanager
def served(path: Path) -> Iterator[str]:
    """The address of a page that has to come over HTTP."""
    handler = functools.partial(_Silent, directory=path.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{path.name}"
        server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
