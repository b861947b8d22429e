"""Watch a small test suite while it runs: `make demo`, or `python demo/run.py`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    sys.path[:0] = [str(root), str(root / "tests")]
    from demo.show import main

    sys.exit(main())
