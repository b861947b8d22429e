"""The exporter process: `python -I -S .../exporter/__main__.py`, with its settings as one line on standard input.

It starts without `site`, so nothing of the tested project or of other tools' .pth files runs here; where its libraries
are comes with the settings. An argument is the descriptor (`pidfd_open`) of the process that runs the tests: with that
we need not be its child to see it end.
"""

import gc
import os
import sys


def main() -> None:
    gc.disable()  # what modules are made of is no garbage, now or later

    watched = int(sys.argv[1]) if sys.argv[1:] else None
    if watched is not None:
        _leave()

    from pathlib import Path  # noqa: PLC0415  the process that we leave is waited for

    sys.path.append(str(Path(__file__).parents[2]))

    from pytest_otlp.exporter.task import Task  # noqa: PLC0415  only now can it be found

    task = Task()

    from pytest_otlp.exporter.process import follow  # noqa: PLC0415  takes its time, in which the task comes

    gc.freeze()
    # What is made of a line is no cycle, and gone with the request that it is sent in: thousands are none too many.
    gc.set_threshold(20_000)
    gc.enable()

    settings = task.settings()
    if settings:  # else there is nothing to follow
        sys.path.extend(settings.pop("path"))
        follow(settings, watched, task.journal)


def _leave() -> None:
    """Makes this nobody's child: a test may wait for all children of its process, count them or kill them."""
    try:
        if os.fork():
            os._exit(0)
    except OSError:
        pass  # no more processes: then it stays one


if __name__ == "__main__":
    main()
