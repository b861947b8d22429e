"""`python3 -m benchmarks`: set up, measure, write docs/benchmarks.md and docs/benchmarks.json."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import page
from benchmarks.figures import Results
from benchmarks.peers import PEERS, Peer, named
from benchmarks.session import Sample, bench, run_suite, takes_part
from benchmarks.suites import SUITES, TESTS_A_FILE, Suite, shrunk
from benchmarks.venvs import ROOT, SERVER, Environments, versions

ROUNDS = 5
PAGE = ROOT / "docs" / "benchmarks.md"


def words(text: str) -> list[str]:
    """A list from a comma-separated one."""
    return [word.strip() for word in text.split(",") if word.strip()]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks", description=__doc__)
    names = ", ".join(suite.name for suite in SUITES)
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"default: {ROUNDS}")
    parser.add_argument("--only", type=words, default=[], metavar="SUITE,...", help=f"of {names}")
    parser.add_argument("--peers", type=words, default=[], metavar="PEER,...", help="pytest alone is always run")
    parser.add_argument("--quick", action="store_true", help="one round of a tenth of each suite: no figures to keep")
    parser.add_argument("--setup-only", action="store_true", help="make the virtual environments and stop")
    parser.add_argument(
        "--out", type=Path, metavar="PAGE", help="default: docs/benchmarks.md for a whole run, else standard output"
    )
    parser.add_argument("--venvs", type=Path, default=ROOT / ".venvs" / "bench", help="default: .venvs/bench")
    return parser.parse_args()


def chosen_suites(only: list[str], quick: bool) -> dict[str, Suite]:
    """The suites of these names, all without names; raises LookupError for a name that is none."""
    known = {suite.name: shrunk(suite) if quick else suite for suite in SUITES}
    if unknown := sorted(set(only) - set(known)):
        message = f"no suite {', '.join(unknown)}; there are: {', '.join(known)}"
        raise LookupError(message)
    return {name: suite for name, suite in known.items() if not only or name in only}


def command(options: argparse.Namespace) -> str:
    """The command line, with the options that say what is measured and not with paths of this machine."""
    shown = ["python3 -m benchmarks"]
    if options.rounds != ROUNDS:
        shown.append(f"--rounds {options.rounds}")
    shown += [f"--{name} '{','.join(value)}'" for name in ("only", "peers") if (value := getattr(options, name))]
    return " ".join([*shown, *["--quick"] * options.quick])


def measured(
    environments: Environments, suites: Mapping[str, Suite], peers: Sequence[Peer], rounds: int, asked: bool
) -> list[Sample]:
    """All samples."""
    samples: list[Sample] = []
    with bench(environments) as runs:
        for suite in suites.values():
            samples += run_suite(runs, suite, [peer for peer in peers if takes_part(peer, suite, asked)], rounds)
    return samples


def save(path: Path, text: str, raw: object) -> None:
    """Write the page, and the samples next to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}", file=sys.stderr)


def main() -> None:
    """Run the benchmark."""
    options = arguments()
    try:
        suites = chosen_suites(options.only, options.quick)
        peers = named(["pytest alone", *options.peers]) if options.peers else PEERS
    except LookupError as error:
        sys.exit(str(error.args[0]))
    environments = Environments(options.venvs.resolve())
    installed = {peer.environment: versions(environments.python(peer)) for peer in (SERVER, *peers)}
    if options.setup_only:
        return
    rounds = 1 if options.quick else options.rounds
    before = page.ticks()
    samples = measured(environments, suites, peers, rounds, bool(options.peers))
    facts = {
        **page.machine(),
        **page.stolen(before, page.ticks()),
        "versions": page.main_versions(peers, installed),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "command": command(options),
    }
    text = page.render(Results(samples), suites, peers, facts, TESTS_A_FILE, judged=not options.quick)
    whole = not (options.only or options.peers or options.quick)
    if path := options.out or (PAGE if whole else None):
        raw = {"facts": facts, "installed": installed, "samples": [dataclasses.asdict(sample) for sample in samples]}
        save(path, text, raw)
    else:
        print(text)


if __name__ == "__main__":
    main()
