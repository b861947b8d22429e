"""The exporter process: `python -I -S .../exporter/__main__.py`, with its settings as one line on standard input.

It starts without `site`, so nothing of the tested project or of other tools' .pth files runs here; where this package
and its libraries are comes with the settings.
"""

import json
import sys


def main() -> None:
    settings = json.loads(sys.stdin.buffer.readline())
    sys.path.extend(settings.pop("path"))

    from pytest_otlp.exporter.process import follow  # noqa: PLC0415  only now can it be found

    follow(settings)


if __name__ == "__main__":
    main()
