"""Lines on a terminal, or in a file."""

from __future__ import annotations

import io
import os
import shutil
import sys
from typing import TextIO

_CLEAR = "\r\x1b[K"


class Screen:
    """Writes lines, and on a terminal a last line that changes."""

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace", line_buffering=True)
        self._stream = stream
        # An old Windows console would show the control characters.
        self._terminal = stream.isatty() and os.environ.get("TERM") != "dumb" and sys.platform != "win32"
        self._status = ""

    def line(self, text: str) -> None:
        self._stream.write(f"{_CLEAR if self._status else ''}{text}\n{self._status}")
        self._stream.flush()

    def status(self, text: str) -> None:
        """Shows a text below the last line, until the next one."""
        text = text[: shutil.get_terminal_size().columns - 1]
        if self._terminal and text != self._status:
            self._stream.write(_CLEAR + text)
            self._stream.flush()
            self._status = text
