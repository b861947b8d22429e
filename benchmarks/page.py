"""The results page, in Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import figures
from benchmarks.figures import Figure, Results
from benchmarks.peers import ALONE, EXTRA, OURS, PEERS, Peer
from benchmarks.session import Sample
from benchmarks.suites import Suite
from benchmarks.targets import TARGETS, Target

HEAD = """\
# Benchmarks

This page is written by `{command}`; do not edit it.
The figures are those of one machine in one sitting: what compares is the ratios.
The samples are in [benchmarks.json](benchmarks.json).

{facts}

"""

METHOD = """\
## How it is measured

- One pytest process at a time; within a suite the peers take turns, another one first each time. A ratio or a
  difference is taken between runs of the same turn, and the median of these is given, with the quartiles in brackets.
  Pytest alone and pytest-otlp have further turns of their own where their ratio is held against a limit near 1.
  *Fastest runs* holds the fastest run of each against the other: what else a machine does can only slow a run down. A
  target is reached by the median.
- Wall time is from the start of the process to its exit. CPU time is user and system time of all its descendants,
  those included that outlive it. Every peer collected each suite once before, so that no run compiles a module.
- All send OTLP over HTTP to a counting server on 127.0.0.1, ddtrace its own format to the same server in an agent's
  place. The server only reads and answers while a run is measured; it decodes afterwards. A test has arrived *whole*
  when all the spans are there that the peer makes for a passing test; the others are *lost*.
- Bytes are those of the request bodies, of all signals, without HTTP headers; *gzip* is what they are, or would be,
  compressed. The peers run with their default settings, and only pytest-otlp and ddtrace compress by default.
- The runs see neither CI variables nor `OTEL_*` of the caller. Each suite is a git work tree with one commit, in files
  of {a_file} tests. pytest-xdist is installed everywhere.
- *Delay* is from the end of a test's call to the arrival of the last of its spans; a run's median and worst, and the
  medians of those over the runs.
- *Added loop time* is measured from the first test's start to the last one's end, so that start-up and the wait at the
  end, which do not grow with the number of tests, are not spread over them. The spread of the quotient is the middle
  90 % of a bootstrap.
"""


def text(value: Figure | None, digits: int = 2, unit: str = "") -> str:
    """A figure as the tables show it."""
    if value is None:
        return ""
    shown = f"{value.median:,.{digits}f}"
    spread = f" [{value.low:,.{digits}f}..{value.high:,.{digits}f}]" if value.number > 1 else ""
    return f"{shown}{' ' * bool(unit)}{unit}{spread}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def bounds(target: Target) -> str:
    """The limit in words."""
    unit = f" {target.unit}" if target.unit else ""
    if target.low is not None:
        return f"{target.low:.2f} to {target.high:.2f}{unit}"
    return f"{target.high:g}{unit}" if target.high == 0 else f"<= {target.high:g}{unit}"


def target_rows(results: Results, suites: Mapping[str, Suite]) -> Iterable[list[str]]:
    """A row for each target that was measured."""
    for target in TARGETS:
        if not set(target.suites) <= set(suites):
            continue
        value = target.measured(results, suites)
        title = " and ".join(suites[name].title for name in target.suites) or "all"
        shown = text(value, target.digits, target.unit) or "not measured"
        best = target.fastest(results)
        fastest = "" if best is None else f"{best:,.{target.digits}f}{f' {target.unit}' if target.unit else ''}"
        reached = "yes" if value and target.reached(value) else "**no**"
        yield [title, target.label, bounds(target), shown, fastest, reached]


def suite_table(suite: Suite, results: Results, peers: Sequence[str]) -> str:
    """The table of one suite."""
    head = ["", "wall", "wall / alone", "added", "CPU / alone"]
    if suite.on:
        head += ["spans a test", "lost", "B a test sent", "B a test, gzip"]
    if suite.seconds:
        head += ["delay, median", "delay, worst"]
    if suite.name in ("small", "large"):
        head += ["added loop time a test"]
    return table(head, (suite_row(suite, results, peer) for peer in peers))


def suite_row(suite: Suite, results: Results, peer: str) -> list[str]:
    """One peer's row of a suite's table."""
    alone, name = peer == ALONE.name, suite.name
    cells = [peer, text(results.single(name, peer, lambda sample: sample.wall), 3, "s")]
    if alone:
        cells += ["1", "", "1"]
    else:
        cells.append(text(results.paired(name, peer, figures.wall_ratio)))
        cells.append(text(results.paired(name, peer, figures.added_ms), 1, "ms"))
        cells.append(text(results.paired(name, peer, figures.cpu_ratio)))
    if suite.on:
        cells += wire_cells(suite, results.of(name, peer))
    if suite.seconds:
        cells += delay_cells(results.of(name, peer))
    if name in ("small", "large"):
        added = results.paired(name, peer, lambda mine, other: figures.added_loop_us(mine, other, suite.tests))
        cells.append("" if alone else text(added, 1, "µs"))
    return cells


def wire_cells(suite: Suite, samples: Sequence[Sample]) -> list[str]:
    """Spans, losses and bytes; empty for a peer that sends nothing."""
    if not any(sample.paths for sample in samples):
        return [""] * 4
    return [
        text(spreadless([sample.spans_of_tests / suite.tests for sample in samples]), 1),
        f"{max(figures.lost(suite, sample) for sample in samples):,}",
        text(spreadless([sample.sent / suite.tests for sample in samples]), 0),
        text(spreadless([sample.packed / suite.tests for sample in samples]), 0),
    ]


def by_path(suite: Suite, samples: Sequence[Sample]) -> str:
    """Where pytest-otlp's bytes went, in a line."""
    kinds = sorted({path for sample in samples for path in sample.paths})
    values = {path: [sample.paths.get(path, {}).get("sent", 0) / suite.tests for sample in samples] for path in kinds}
    listed = ", ".join(f"{text(spreadless(values[path]), 1)} to `{path}`" for path in kinds)
    return f"\npytest-otlp's bytes a test: {listed}.\n" if listed else ""


def delay_cells(samples: Sequence[Sample]) -> list[str]:
    """Median and worst delay."""
    if not any(sample.delays for sample in samples):
        return [""] * 2
    return [
        text(figures.figure([value(sample) for sample in samples]), 2, "s")
        for value in (figures.median_delay, figures.worst_delay)
    ]


def spreadless(values: Sequence[float]) -> Figure | None:
    """The median alone, for counts that hardly vary."""
    whole = figures.figure(values)
    return whole and Figure(whole.median, whole.median, whole.median, 1)


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine() -> dict[str, str]:
    """Where it was measured."""
    return {
        "processors": f"{os.cpu_count()} x {processor()}",
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def ticks() -> Sequence[int]:
    """Of all processors by use, since the system's start (proc_stat(5)); empty where it does not say."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return ()
    return [int(number) for number in first.split()[1:9]]


def stolen(before: Sequence[int], after: Sequence[int]) -> dict[str, str]:
    """How much of the time that it wanted to compute a virtual machine had to wait for its host."""
    if not before:
        return {}
    used = [new - old for old, new in zip(before, after, strict=True)]
    busy = sum(used) - used[3] - used[4]
    return {"stolen by the host": f"{used[7] / busy:.0%} of the time in which a processor had work"} if busy else {}


def main_versions(peers: Sequence[Peer], versions: Mapping[str, Sequence[str]]) -> str:
    """pytest's version and each peer's own."""
    named = {"pytest", "pytest-xdist", "opentelemetry-sdk"} | {peer.environment for peer in peers}
    pairs = (line.split("==") for lines in versions.values() for line in lines if "==" in line)
    found = {name.lower().replace("_", "-"): version for name, version in pairs}
    return ", ".join(f"{name} {found[name]}" for name in sorted(named & set(found)))


def render(
    results: Results,
    suites: Mapping[str, Suite],
    peers: Sequence[Peer],
    facts: Mapping[str, str],
    a_file: int,
    *,
    judged: bool = True,
) -> str:
    """The whole page; without the targets where it is not `judged`, as shortened suites say nothing about them."""
    listed = "\n".join(f"- {name}: {value}" for name, value in facts.items() if name != "command")
    parts = [HEAD.format(command=facts["command"], facts=listed)]
    head = ["suite", "figure", "to reach", "measured", "fastest runs", "reached"]
    if judged:
        parts.append("## pytest-otlp against its targets\n\n" + table(head, target_rows(results, suites)))
    for suite in suites.values():
        ran = [peer.name for peer in (*PEERS, *EXTRA) if results.of(suite.name, peer.name)]
        if ran:
            parts.append(f"\n## {suite.title}\n\n{runs_of(suite, results, ran)}\n\n{suite_table(suite, results, ran)}")
            parts.append(by_path(suite, results.of(suite.name, OURS.name)))
    parts.append("\n" + METHOD.format(a_file=a_file))
    parts += [f"- {peer.name} {peer.note}.\n" for peer in peers if peer.note]
    parts.append(faults(results))
    return "".join(parts)


def runs_of(suite: Suite, results: Results, ran: Sequence[str]) -> str:
    """How often each ran, in a sentence."""
    counts = {name: len(results.of(suite.name, name)) for name in ran}
    most = max(counts.values())
    rest = [count for count in counts.values() if count < most]
    if not suite.pairs or not rest:
        return f"{most} runs each."
    often = " and ".join(name for name, count in counts.items() if count > max(rest))
    return f"{max(rest)} runs each, {most} of {often}."


def faults(results: Results) -> str:
    """The runs that were left out."""
    if not results.faults:
        return ""
    rows = ([one.suite, one.peer, str(one.turn), f"`{one.fault.splitlines()[0][:120]}`"] for one in results.faults)
    return "\n## Runs left out\n\n" + table(["suite", "peer", "turn", "why"], rows)
