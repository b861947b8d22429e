"""A pytest run as OpenTelemetry data, while it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

__all__ = ["CurrentRun", "current_run"]


class CurrentRun(NamedTuple):
    """The run that this process records, or runs tests for."""

    trace_id: str
    """Of the run's root, in hex."""
    run_id: str
    """The resource attribute `pytest.run.id`, which is on each trace of the run."""
    link: str
    """What the terminal shows; empty where no `--otel-trace-url` is known."""


_runs: list[CurrentRun] = []
"""The innermost last: a test may run pytest in its own process."""


def _entered(run: CurrentRun) -> Callable[[], None]:
    """Makes a run the current one; the function that ends that."""
    _runs.append(run)
    return partial(_runs.remove, run)


def current_run() -> CurrentRun | None:
    """The run under way, for tests and conftest files, in xdist's workers too; None where nothing is recorded."""
    return _runs[-1] if _runs else None
