"""Put the files that docs/ shows into the pages anew: a block of code below `<!-- file: PATH -->` is that file."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- file: (?P<path>\S+) -->\n```\w+\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)


def included(page: str) -> str:
    """The page with each file as it is now."""
    return BLOCK.sub(lambda found: found[1] + (ROOT / found["path"]).read_text("utf-8"), page)


if __name__ == "__main__":
    for path in sorted((ROOT / "docs").glob("*.md")):
        path.write_text(included(path.read_text("utf-8")), "utf-8")
