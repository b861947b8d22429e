"""The pictures of the page in docs/pictures, taken anew: `make pictures`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from demo.page import ROOT, address_of, picture
from demo.show import TIMEOUT, start

from support.viewer import View

FOLDER = ROOT / "docs" / "pictures"
SIZE = "1100x640"
ATTRIBUTES = "host.name=laptop,vcs.ref.head.name=main"
"""In place of what is nobody's business."""


def main() -> int:
    """Exit code 0 when all were taken."""
    with (
        tempfile.TemporaryDirectory() as folder,
        View(Path(folder), "--db=:memory:") as view,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
    ):
        process = start(view.endpoint, nowhere, OTEL_RESOURCE_ATTRIBUTES=ATTRIBUTES)
        try:
            process.wait(TIMEOUT)
        finally:
            process.kill()
            process.wait()
        problem = picture(address_of(view), fragments(view), SIZE)
    if problem:
        sys.stderr.write(f"{problem}\n")
    return 1 if problem else 0


def fragments(view: View) -> dict[Path, str]:
    """What the pictures show, as the address has it."""
    run = view.wait_for(lambda view: view.run() if view.run()["state"] == "finished" else None)["id"]
    rows = view.tests(run)
    paid = next(n for n, row in enumerate(rows) if row["name"].startswith("test_pays"))
    return {
        FOLDER / "viewer-run.png": f"run={run}",
        FOLDER / "viewer-test.png": f"run={run}&view=tests&q=file:checkout&sort=-duration&test={paid}",
        FOLDER / "viewer-timeline.png": f"run={run}&view=timeline",
    }


if __name__ == "__main__":
    sys.exit(main())
