"""The results page of `make bench-view`, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.page import machine, table

HEAD = """\
# The viewer's figures

This page is written by `make bench-view`; do not edit it.
The figures are those of one machine in one sitting: what compares is the ratios.

{facts}

## pytest-otlp against its targets

"""

PEERS = """
## Reports of {tests} trivial tests

Made by each reporter itself, of tests in files of 100, and opened one after the other in the same browser.

"""

METHOD = """
## How it is measured

- *Receiver*: a sender and `pytest-otlp view` on one machine, over loopback; the payloads are encoded and compressed
  beforehand. All that was acknowledged has to be in the store.
- *Receipt to screen* is from the moment before a request is sent to the first frame of the list, sorted by duration,
  that has its tests.
- The browser is headless, without a graphics processor, and shows at most 60 frames a second: *painted* includes the
  wait for a frame, which begins at once where the page has drawn nothing for a while. *The markup is right* when the
  page's script is done, before style, layout and paint. Actions are a click on each column's head, and seven texts
  typed into the filter, a tenth of a second apart.
- *Open a test* is from the click on a row to the first frame with the test's spans, the receiver's answer included.
- *A frame while it is scrolled*: 240 steps, one each frame, half of ten rows, half of a hundredth of all rows; from
  frame to frame by the times that the browser gives them, with *missed* those that came 25 ms or more after the one
  before. The *longest freeze* is the longest time between two frames from the click to the last span.
- *A page of one word that gets longer*, and the frames of *a page that does nothing* or only scrolls an empty box, show
  what this machine can do at best.
- A report is opened from the disk in a new window, a second and a half after that was made: before, the browser is busy
  with parts of its own. *First paint* is the browser's first contentful paint; *usable* is the first frame with what
  the page is for: failures and slowest tests, in the table of reports the first rows of tests. *Filter* and *sort* of
  the reports are the time until the last change of the markup that comes of it has been painted: by outcome
  (pytest-html) or by text; by duration.
{notes}"""


class Figure(NamedTuple):
    """What was measured, beside what is to be reached: yes, no, or None where nothing is."""

    figure: str
    target: str
    measured: str
    reached: bool | None


def render(
    figures: Sequence[Figure], peers: Sequence[Mapping[str, str]], facts: Mapping[str, str], notes: Sequence[str]
) -> str:
    """The whole page; `notes` say what is missing and why."""
    listed = "\n".join(f"- {name}: {value}" for name, value in {**machine(), **facts}.items())
    words = {True: "yes", False: "**no**", None: ""}
    rows = [(figure, target, measured, words[reached]) for figure, target, measured, reached in figures]
    parts = [HEAD.format(facts=listed), table(["figure", "to reach", "measured", "reached"], rows)]
    if peers:
        shown = [[value for key, value in peer.items() if key != "tests"] for peer in peers]
        head = ["", *(key for key in peers[0] if key not in ("name", "tests"))]
        parts += [PEERS.format(tests=peers[0]["tests"]), table(head, shown)]
    parts.append(METHOD.format(notes="".join(f"- {note}\n" for note in notes)))
    return "".join(parts)
