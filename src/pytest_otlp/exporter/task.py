"""What the exporter is told to do, heard while it still gets ready."""

from __future__ import annotations

import json
import sys
import threading
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
        with suppress(OSError):
            self.journal = FileIO(self._settings["journal"], "rb")

    def settings(self) -> dict[str, Any]:
        """Waits for them; empty where standard input ended before."""
        self._thread.join()
        return self._settings
