"""What came, next to what pytest said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from support.received import ReceivedSpan

TESTS_FAILED = 1
"""pytest's exit code."""
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun")


class Report(NamedTuple):
    lines: list[str]
    outcomes: Counter[str]
    """Of the tests that were received."""
    problems: list[str]
    """Empty where all is as it should be."""


def report(spans: Sequence[ReceivedSpan], exit_code: int | None, output: str) -> Report:
    """`spans`: all that were received; `exit_code` and `output`: pytest's."""
    ours = [span for span in spans if "pytest.run.id" in span.resource]
    theirs = [span for span in spans if "pytest.run.id" not in span.resource]
    tests = [span for span in ours if "test.case.result.status" in span.attributes]
    nested = len(theirs) - len(list(outside(theirs, ours)))
    received = Counter(span.attributes["pytest.outcome"] for span in tests)
    said = summary_of(output)
    lines = [
        f"{'outcome':<10}{'received':>10}{'pytest said':>13}",
        *(f"{word:<10}{received[word]:>10}{said[word]:>13}" for word in OUTCOMES if received[word] or said[word]),
        "",
        f"spans: {len(ours)} of the tests, {len(theirs)} of the application, {nested} of them nested in their tests",
        latency_line(tests),
        *plugin_line(output),
    ]
    problems = [
        *wrong_shape(spans, ours),
        *(f"{span.name} of the application is not below a test" for span in outside(theirs, ours)),
        *(() if theirs else ("no span of the application came",)),
        *(() if received == said else ("pytest counted otherwise",)),
        *(
            ()
            if any(f" {len(ours)} spans delivered" in line for line in plugin_line(output))
            else ("not all delivered",)
        ),
        *(() if exit_code == TESTS_FAILED else (f"pytest's exit code is {exit_code}",)),
    ]
    return Report(lines, received, problems)


def latency_line(tests: Sequence[ReceivedSpan]) -> str:
    delays = [(span.arrival - span.end) / 1e6 for span in tests]
    if not delays:
        return "from a test's end to its arrival: nothing arrived"
    return f"from a test's end to its arrival: median {median(delays):.0f} ms, worst {max(delays):.0f} ms"


def plugin_line(output: str) -> list[str]:
    """What the plugin says after pytest's summary, without the link to a Jaeger that need not be there."""
    return [line.partition(" - ")[0] for line in output.splitlines() if line.startswith("otlp: ")][-1:]


def summary_of(output: str) -> Counter[str]:
    """The counts in pytest's last line."""
    found = [line for line in output.splitlines() if re.search(r" in \d+\.\d+s", line)]
    pairs = re.findall(r"(\d+) ([a-z]+)", found[-1].partition(" in ")[0]) if found else []
    counts = Counter({word.replace("errors", "error"): int(count) for count, word in pairs})
    return Counter({word: counts[word] for word in OUTCOMES if counts[word]})


def outside(theirs: Sequence[ReceivedSpan], ours: Sequence[ReceivedSpan]) -> Iterator[ReceivedSpan]:
    """Spans of the application whose topmost parent among themselves is not a phase of a test."""
    phases = {span.span_id for span in ours if "pytest.phase" in span.attributes}
    by_id = {span.span_id: span for span in theirs}
    for span in theirs:
        top = span
        while top.parent_id in by_id:
            top = by_id[top.parent_id]
        if top.parent_id not in phases:
            yield span


def wrong_shape(spans: Sequence[ReceivedSpan], ours: Sequence[ReceivedSpan]) -> Iterator[str]:
    traces = {span.trace_id for span in spans}
    if len(traces) != 1:
        yield f"{len(traces)} traces"
    statuses = [span.attributes.get("test.suite.run.status") for span in ours if not span.parent_id]
    if sorted(map(str, statuses)) != ["failure", "in_progress"]:
        yield f"roots with the status {statuses}"
    ids = Counter(span.span_id for span in spans)
    yield from (f"{span.name} is an orphan" for span in spans if span.parent_id and span.parent_id not in ids)
    yield from (f"{count} spans with the id {span_id}" for span_id, count in ids.items() if count > 1)
