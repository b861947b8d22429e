from __future__ import annotations

from pathlib import Path

import pytest

from support.runs import Runner


@pytest.fixture
def run_pytest(tmp_path: Path) -> Runner:
    """Runs pytest for real, sends to a real server, and checks the whole run; see `support.runs`."""
    return Runner(tmp_path)
