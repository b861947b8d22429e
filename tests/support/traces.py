"""What a run sent, as one tree: held against the rules of every run, and shown as text for a test to state in full."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from support.received import ReceivedSpan

TOLERANCE = 1_000_000
"""ns by which a span may stand out of its parent's time: the clocks of two processes."""
SHORTEST = 1_000
"""ns"""
INTERNAL = 1
UNSET = 0
ERROR = 2

_OUTCOME = "pytest.outcome"
_RUN_STATUS = "test.suite.run.status"
_CASE_STATUS = "test.case.result.status"
_COUNT = "pytest.tests.passed"
_NOT_COUNTED = "passed"
"""What the summary says of no setup and no teardown."""


def is_start_marker(span: ReceivedSpan) -> bool:
    return span.attributes.get(_RUN_STATUS) == "in_progress"


def is_running_marker(span: ReceivedSpan) -> bool:
    return span.name.endswith(" running") and _CASE_STATUS not in span.attributes


def is_marker(span: ReceivedSpan) -> bool:
    return any(kind(span) for kind in (is_start_marker, is_running_marker, is_file_marker, is_test_marker))


def is_of_application(span: ReceivedSpan) -> bool:
    return "otel.scope.name" in span.attributes


def is_file(span: ReceivedSpan) -> bool:
    """Of a run that is more than one trace: with the counts of a file, in the run's trace or as the root of its own."""
    return _COUNT in span.attributes and _RUN_STATUS not in span.attributes


def is_file_marker(span: ReceivedSpan) -> bool:
    return not span.parent_id and set(span.attributes) == {"test.suite.name"}


def is_test_marker(span: ReceivedSpan) -> bool:
    """Of a test that is the root of its trace."""
    return not span.parent_id and "test.case.name" in span.attributes and not is_test(span)


def _comes_when_slow(span: ReceivedSpan) -> bool:
    of_file = "code.file.path" in span.attributes and not is_test(span) and not is_file(span)
    return of_file and span.status != ERROR and _OUTCOME not in span.attributes


def is_worker(span: ReceivedSpan) -> bool:
    return "pytest.worker.tests" in span.attributes


def _is_fixture(span: ReceivedSpan) -> bool:
    return "pytest.fixture.name" in span.attributes


def _is_subtest(span: ReceivedSpan) -> bool:
    return span.name.split(" ")[0] == "subtest"


def is_test(span: ReceivedSpan) -> bool:
    return _CASE_STATUS in span.attributes


def is_root(span: ReceivedSpan) -> bool:
    return _RUN_STATUS in span.attributes and not is_start_marker(span)


def root_of(spans: Iterable[ReceivedSpan]) -> ReceivedSpan:
    (root,) = filter(is_root, spans)
    return root


def tests_of(spans: Iterable[ReceivedSpan]) -> list[ReceivedSpan]:
    """The spans of tests, an attempt each, in the order of their start."""
    return sorted(filter(is_test, spans), key=_start)


def _start(span: ReceivedSpan) -> int:
    return span.start


def children_of(spans: Iterable[ReceivedSpan]) -> dict[str, list[ReceivedSpan]]:
    """By the parent's id, in the order of their start; the ids of phases settle what the clock does not."""
    found = defaultdict(list)
    for span in sorted(spans, key=lambda span: (span.start, span.span_id)):
        found[span.parent_id].append(span)
    return found


# Rules


def problems(spans: Sequence[ReceivedSpan], parent_id: str = "") -> list[str]:
    """What breaks a rule that holds for every run, as one line each. `parent_id`: of a run with a given parent."""
    return [*_identity(spans), *_shape(spans, parent_id), *_times(spans), *_contents(spans)]


def _identity(spans: Sequence[ReceivedSpan]) -> Iterator[str]:
    for span_id, count in Counter(span.span_id for span in spans).items():
        if count > 1:
            yield f"{count} spans with the id {span_id}: {[span.name for span in spans if span.span_id == span_id]}"
    for span in spans:
        if span.resource != spans[0].resource or span.scope != spans[0].scope:
            yield f"{span.name}: another resource or scope than {spans[0].name}"


def _shape(spans: Sequence[ReceivedSpan], parent_id: str) -> Iterator[str]:
    tops = [span for span in spans if _RUN_STATUS in span.attributes]
    roots = [span for span in tops if not is_start_marker(span)]
    if len(roots) != 1:
        yield f"{len(roots)} roots"
    if len(tops) - len(roots) > 1:
        yield f"{len(tops) - len(roots)} markers of the start"
    yield from _tops(tops, roots, parent_id)
    known = {(span.trace_id, span.span_id) for span in spans if not is_start_marker(span)}
    for span in spans:
        if span not in tops and (span.trace_id, span.parent_id) not in known and not _is_top_beside(span, roots):
            yield f"{span.name} is an orphan"
    for root in roots:
        yield from _traces_beside(root, spans)


def _tops(tops: Sequence[ReceivedSpan], roots: Sequence[ReceivedSpan], parent_id: str) -> Iterator[str]:
    for span in tops:
        if span.parent_id != parent_id:
            yield f"{span.name} has the parent {span.parent_id!r}"
        if roots and (span.name != roots[0].name or span.start < roots[0].start):
            yield f"the marker {span.name} does not stand after the root {roots[0].name} with its name"


def _is_top_beside(span: ReceivedSpan, roots: Sequence[ReceivedSpan]) -> bool:
    """Whether it may stand without a parent, in a trace beside that of the run."""
    kinds = (is_file, is_file_marker, is_test, is_test_marker)
    return not span.parent_id and span.trace_id not in {root.trace_id for root in roots} and any(k(span) for k in kinds)


def _traces_beside(root: ReceivedSpan, spans: Sequence[ReceivedSpan]) -> Iterator[str]:
    """One trace a file or a test: one root, which a marker is named after, and a file's is linked both ways."""
    by_trace = defaultdict(list)
    for span in spans:
        by_trace[span.trace_id].append(span)
    linked = {(link.trace_id, link.span_id) for span in by_trace.pop(root.trace_id) for link in span.links}
    own = {(span.trace_id, span.span_id) for span in spans if span.trace_id == root.trace_id}
    for trace_id, inside in by_trace.items():
        tops = [span for span in inside if not span.parent_id]
        tops_over = [span for span in tops if not is_marker(span)]
        if len(tops_over) != 1:
            yield f"{len(tops_over)} roots of the trace {trace_id} of {[span.name for span in inside]}"
        elif any(span.name != tops_over[0].name or span.start < tops_over[0].start for span in tops):
            yield f"a marker does not stand after the root {tops_over[0].name} with its name"
        elif (trace_id, tops_over[0].span_id) not in linked:
            yield f"no link leads to {tops_over[0].name}"
        elif is_file(tops_over[0]) and {(link.trace_id, link.span_id) for link in tops_over[0].links} - own:
            yield f"{tops_over[0].name} does not link back"


def _times(spans: Sequence[ReceivedSpan]) -> Iterator[str]:
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        if span.end - span.start < SHORTEST:
            yield f"{span.name} takes {span.end - span.start} ns"
        parent = by_id.get(span.parent_id)
        if parent and not (parent.start - TOLERANCE <= span.start and span.end <= parent.end + TOLERANCE):
            late, long = span.start - parent.start, span.end - parent.end
            yield f"{span.name} is not within {parent.name}: starts {late} ns, ends {long} ns after it"
        if parent and any(not span.start <= event.time <= span.end + TOLERANCE for event in span.events):
            yield f"{span.name} has an event at another time"


def _contents(spans: Sequence[ReceivedSpan]) -> Iterator[str]:
    for span in spans:
        if is_of_application(span):
            continue
        if span.kind != INTERNAL:
            yield f"{span.name} is of the kind {span.kind}"
        if span.status not in (UNSET, ERROR) or (span.message and span.status != ERROR):
            yield f"{span.name} has the status {span.status} {span.message!r}"
        if any(link.trace_id == span.trace_id for link in span.links) or (span.links and not is_file(span)):
            yield f"{span.name} has links within its trace"
        if is_running_marker(span) and _OUTCOME in span.attributes:
            yield f"{span.name} has a result"


def counted(spans: Sequence[ReceivedSpan]) -> Counter[str]:
    """What the spans say happened, in the words of pytest's summary; without phases, the outcomes of the tests."""
    below = children_of(spans)
    found: Counter[str] = Counter()
    for span in spans:
        outcome = str(span.attributes.get(_OUTCOME, ""))
        if is_test(span):
            phases = [child for child in below[span.span_id] if "pytest.phase" in child.attributes]
            if outcome == "crashed":
                found["failed"] += 1
            elif not phases and outcome != "interrupted":
                found[outcome] += 1
        elif outcome in ("interrupted", "crashed"):
            continue  # a phase that pytest has no report of
        elif phase := span.attributes.get("pytest.phase"):
            found[outcome] += phase == "call" or outcome != _NOT_COUNTED
        elif outcome:
            # pytest counts subtests that did not fail only with -v.
            found[outcome] += outcome == "failed" or not _is_subtest(span)
    return +found


# Trees


def tree(spans: Sequence[ReceivedSpan], *show: str, by_name: bool = False, fixtures: bool = False) -> str:
    """The run as text: a line a span with its outcome, its error after `!`, its events after `*`, what was asked for.

    The phases of a test stand in its line where nothing hangs below them, and say only what differs from a pass.
    Markers and workers are left out, and what comes only where it took long: files and fixtures that did not fail.
    `fixtures`: those all the same. `by_name`: tests in the order of their names, for runs whose order varies.
    """
    shown = (span for span in spans if not (is_marker(span) or is_worker(span)))
    below = children_of(span for span in shown if (fixtures and _is_fixture(span)) or not _comes_when_slow(span))
    writer = _Writer(below, show, by_name=by_name)
    return "\n".join(writer.lines(root_of(spans), 0, ""))


class _Writer:
    def __init__(self, below: dict[str, list[ReceivedSpan]], show: Sequence[str], *, by_name: bool) -> None:
        self._below = below
        self._show = show
        self._by_name = by_name

    def lines(self, span: ReceivedSpan, depth: int, told: str) -> Iterator[str]:
        children = self._below.get(span.span_id, [])
        if self._by_name and depth == 0:
            children = sorted(children, key=lambda child: child.name)
        inline = is_test(span) and not any(child.span_id in self._below for child in children)
        line = "  " * depth + self.text(span, told)
        if inline and children:
            line += f" ({', '.join(self.text(child, span.message) for child in children)})"
        yield line
        if not inline:
            for child in children:
                yield from self.lines(child, depth + 1, span.message)

    def text(self, span: ReceivedSpan, told: str) -> str:
        """`told`: the message of the parent, which is not said again."""
        outcome = span.attributes.get(_OUTCOME, span.attributes.get(_RUN_STATUS, ""))
        words = [span.name, outcome if is_test(span) or outcome != "passed" else ""]
        if span.status == ERROR:
            words.append("!" if span.message == told else f"!{span.message.splitlines()[0] if span.message else ''}")
        words += [f"*{event.attributes.get('exception.type', event.name)}" for event in span.events]
        words += [f"{name}={span.attributes[name]!r}" for name in self._show if name in span.attributes]
        return " ".join(filter(None, words))
