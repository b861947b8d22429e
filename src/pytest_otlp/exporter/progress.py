"""What of a journal is delivered already: beside the journal, so that a replay sends the rest only.

One line of JSON with the resource as it was sent, then a line a settled payload with the number of spans settled so
far. Spans come from a journal in the same order each time, and are sent in that order, so a number says it all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


class Progress:
    """The progress of one journal's delivery, as a file that only ever grows."""

    def __init__(self, journal: Path) -> None:
        """Reads what an earlier exporter of the same journal left.

        Raises:
            OSError: the file cannot be read or created.
        """
        self.path = journal.with_suffix(".sent")
        self.resource: dict[str, str | int] | None = None
        self.settled = 0
        self._read()
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _read(self) -> None:
        try:
            lines = self.path.read_text("ascii").splitlines()
        except FileNotFoundError:
            return
        if lines:
            self.resource = json.loads(lines[0])
        numbers = [int(line) for line in lines[1:] if line.isdigit()]
        self.settled = max(numbers, default=0)

    def begin(self, resource: dict[str, str | int]) -> None:
        """Notes the resource, so that a replay elsewhere or later says the same."""
        self.resource = resource
        os.write(self._descriptor, (json.dumps(resource) + "\n").encode("ascii"))

    def settle(self, spans: int) -> None:
        """Notes that the next `spans` spans need no further sending."""
        if spans:
            self.settled += spans
            os.write(self._descriptor, b"%d\n" % self.settled)

    def remove(self) -> None:
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)
