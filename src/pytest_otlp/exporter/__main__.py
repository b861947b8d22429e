"""The exporter process: `python -I -S .../exporter/__main__.py`, with its settings as one line on standard input.

It starts without `site`, so nothing of the tested project or of other tools' .pth files runs here; where its libraries
are comes with the settings.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    sys.path.append(str(Path(__file__).parents[2]))

    from pytest_otlp.exporter.process import follow  # noqa: PLC0415  only now can it be found

    # Not before: by now the settings are there.
    line = sys.stdin.buffer.readline()
    if line:  # else there is nothing to follow
        settings = json.loads(line)
        sys.path.extend(settings.pop("path"))
        follow(settings)


if __name__ == "__main__":
    main()
