"""Write Grafana's dashboards anew: `make dashboards`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboards import history, live, run
from dashboards.panels import text_of

FOLDER = Path(__file__).resolve().parents[2] / "collector-config/grafana/dashboards"


def texts() -> dict[str, str]:
    """The files' texts, by name."""
    made = {"live.json": live.dashboard(), "run.json": run.dashboard(), "history.json": history.dashboard()}
    return {name: text_of(builder) for name, builder in made.items()}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
