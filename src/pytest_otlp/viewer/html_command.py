"""`pytest-otlp html`: what its arguments say, done."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from pytest_otlp.presence import state_folder
from pytest_otlp.viewer.page import NoPageError
from pytest_otlp.viewer.report import report, told
from pytest_otlp.viewer.schema import StoreError
from pytest_otlp.viewer.sources import SourceError
from pytest_otlp.viewer.store import WriteError


def run(options: argparse.Namespace, say: Callable[[str], None], fail: Callable[[str], int]) -> int:
    """Writes the report. `say` prints a line, `fail` tells misuse and gives its exit code."""
    received = state_folder(os.environ, Path.home()) / "runs.db"
    if not options.sources and not received.exists():
        return fail("nothing was received by `pytest-otlp view` here; name a SOURCE: a journal, OTLP/JSON or a store")
    if options.output.is_dir() and not options.dir:
        return fail(f"{options.output} is a folder; name a file, as report.html, or give --dir")
    sources = options.sources or [received]
    try:
        written = report(
            sources, options.output, folder=options.dir, runs=options.runs, trace_url=options.trace_url, warn=fail
        )
    except (SourceError, StoreError, NoPageError) as error:
        return fail(str(error))
    except WriteError as error:
        return fail(f"the temporary folder cannot be written: {error}")
    except OSError as error:
        return fail(f"{options.output}: {error.strerror or error}")
    say(told(written))
    return 0
