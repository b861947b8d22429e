"""What the exporter is told to do, heard while it still gets ready."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from typing import Any


class Task:
    """Reads the settings, one line on standard input, and opens the journal at once: a test may remove its folder."""

    def __init__(self) -> None:
        self.journal: FileIO | None = None
        """Where it could be opened."""
        self._settings: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._listen, name="otlp-task", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        line = sys.stdin.buffer.readline()
        if not line:
            return
        self._settings = json.loads(line)
        self.journal = _opened(self._settings)

    def settings(self) -> dict[str, Any]:
        """Waits for them; empty where standard input ended before."""
        self._thread.join()
        return self._settings


def _opened(settings: Mapping[str, Any]) -> FileIO | None:
    """By its name, or where a test was faster, as the process that writes it has it (Linux)."""
    for place in (settings["journal"], f"/proc/{settings['parent']}/fd/{settings.get('descriptor')}"):
        with suppress(OSError):
            return FileIO(place, "rb")
    return None
