"""The report of a run that is over, made of its journal."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pytest_otlp.terminal import quoted


class Reported(NamedTuple):
    """What became of the report."""

    notice: str
    written: bool
    """Without it, the journal is all that there is of the run."""


def write(journal: Path, path: str, trace_url: str) -> Reported:
    """Writes it; whatever becomes of it is one line. `trace_url`: template of links to a backend, or empty."""
    try:
        from pytest_otlp.viewer.report import report, told  # noqa: PLC0415  needed at the end of a run only

        return Reported(f"report: {told(report([journal], Path(path), trace_url=trace_url))}", written=True)
    except Exception as error:  # noqa: BLE001  a report that fails fails no run
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        remedy = f"write it elsewhere with: pytest-otlp html {quoted(str(journal))} -o PATH"
        return Reported(f"the report {path} could not be written: {reason}; {remedy}", written=False)
