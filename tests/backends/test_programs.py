"""What a test says where the backends have not been built."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.programs import find_program


@pytest.mark.parametrize(("required", "outcome"), [("0", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_missing_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PYTEST_OTLP_BACKENDS", str(tmp_path))
    monkeypatch.setenv("PYTEST_OTLP_REQUIRE_BACKENDS", required)
    with pytest.raises(outcome, match=r"no jaeger in .*: run `make backends`, or set PYTEST_OTLP_BACKENDS"):
        find_program("jaeger")
