"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], bool], what: str, within: float = 30.0) -> None:
    """Returns as soon as it holds.

    within: s, that it never takes unless something hangs

    Raises:
        AssertionError: it did not come, which names `what`.
    """
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"it never came that {what}"
        time.sleep(0.005)
