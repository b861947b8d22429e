"""The report of a run that is over, made of its journal."""

from __future__ import annotations

from pathlib import Path


def write(journal: Path, path: str) -> str:
    """Writes it; one line on what became of it, whatever that was."""
    try:
        from pytest_otlp.viewer.report import report, told  # noqa: PLC0415  needed at the end of a run only

        return f"report: {told(report([journal], Path(path)))}"
    except Exception as error:  # noqa: BLE001  a report that fails fails no run
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"the report {path} could not be written: {reason}"
