"""pytest's objects as events: the only reader of pytest's quirks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import pytest

from pytest_otlp import events
from pytest_otlp.events import Failure, Fixture, LogFact, Phase, SpanFacts, Step, Subtest, WarningFact
from pytest_otlp.namedtuple import NamedTuple
from pytest_otlp.redact import REDACTED, is_secret, without_secrets, without_user_info
from pytest_otlp.safe import MESSAGE_LIMIT, cut_middle, cut_top, exception_message, is_plain, qualified_name, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

FACTS = "_otlp"
"""The attribute of a report on which the facts of the process that ran the phase ride."""
LONG_PHASE = 100_000_000
"""ns: a phase that took longer is told at once, since the rest of its test may take as long."""
STACKTRACE_LIMIT = 32 * 1024
"""Bytes, like all limits here."""
OUTPUT_LIMIT = 8 * 1024
TEXT_LIMIT = 8 * 1024
"""Of other texts of people's: docstrings, reasons, properties."""
VALUE_LIMIT = 256
AGAIN = ("rerun", "retried")
"""What pytest-rerunfailures, and pytest-retry, make of the outcome of an attempt that another one follows."""
_TEXT_STREAMS = ("stdout", "stderr", "log")


class PhaseExtra(NamedTuple):
    """What the process that runs the tests knows of few phases and the report does not say."""

    exception: tuple[str, str] | None = None
    """Qualified type and message."""
    fixtures: tuple[Fixture, ...] = ()
    span: SpanFacts | None = None
    process: tuple[str, ...] = ()
    """Lines for the journal about the process itself: its collection."""
    warnings: tuple[WarningFact, ...] = ()
    """Of the whole test; with its last phase."""
    logs: tuple[LogFact, ...] = ()
    logs_dropped: int = 0
    attributes: tuple[tuple[str, Any], ...] = ()
    defect: str = ""
    """What went wrong in a hook of somebody else's, for the line at the end."""
    withheld: tuple[Phase, ...] = ()
    """Earlier phases of the attempt of which a plugin keeps the reports to itself."""
    steps: tuple[Step, ...] = ()


class Facts(NamedTuple):
    """What the process that ran a phase knows of it. Times as in events."""

    start: int
    end: int
    attempt: int
    case: str = ""
    """Of the test, encoded; with its first phase, where another process made the report."""
    extra: PhaseExtra | None = None
    earlier: tuple[tuple[int, int], ...] = ()
    """Start and end of the phases before it that were not told with their own reports."""


Packed: TypeAlias = tuple[str, str, str] | str
"""Facts as texts: xdist, pytest-forked and reportlog serialise everything on a report.

The times, the test's case, and what few phases have. Or one text: of a test of which nothing but the times is to be
told, the case with the report of its setup, all times with that of its teardown, and that of its call has no facts.
"""


def pack(facts: Facts) -> tuple[str, str, str]:
    extra = json.dumps(facts.extra, separators=(",", ":"), default=text_of) if facts.extra else ""
    earlier = "".join(f" {start} {end}" for start, end in facts.earlier)
    return f"{facts.start} {facts.end} {facts.attempt}{earlier}", facts.case, extra


def unpack(packed: tuple[str, str, str]) -> Facts:
    times, case, extra = packed
    start, end, attempt, *earlier = map(int, times.split())
    pairs = tuple(zip(earlier[::2], earlier[1::2], strict=True))
    return Facts(start, end, attempt, case, _decoded(extra) if extra else None, pairs)


def _decoded(text: str) -> PhaseExtra:
    exception, fixtures, span, process, warnings, logs, dropped, attributes, defect, withheld, steps = json.loads(text)
    return PhaseExtra(
        (exception[0], exception[1]) if exception else None,
        tuple(map(events.fixture_of, fixtures)),
        events.span_facts_of(span),
        tuple(process),
        events.warnings_of(warnings),
        events.logs_of(logs),
        dropped,
        tuple((name, value) for name, value in attributes),
        defect,
        tuple(map(events.phase_of, withheld)),
        tuple(map(events.step_of, steps)),
    )


def passed_plainly(report: pytest.TestReport) -> bool:
    """Whether it says no more of its phase than that it passed, and when. Other plugins' reports may have any shape."""
    return (
        report.outcome == "passed"
        and type(report) is pytest.TestReport
        and not report.user_properties
        and type(report.duration) is float
        and "wasxfail" not in report.__dict__
    )


def exception_of(call: pytest.CallInfo[None]) -> tuple[str, str] | None:
    if call.excinfo is None:
        return None
    error = call.excinfo.value
    if isinstance(error, pytest.FixtureLookupError):
        return qualified_name(type(error)), error.msg or f"fixture {error.argname!r} not found"
    if type(error).__module__ in ("doctest", "_pytest.doctest"):
        return _exception_of_doctest(error)
    return qualified_name(type(error)), exception_message(error)


def _exception_of_doctest(error: Any) -> tuple[str, str]:
    """What went wrong in an example: the errors' own text is the name of the whole docstring."""
    first = error.failures[0] if hasattr(error, "failures") else error
    if hasattr(first, "exc_info"):
        return qualified_name(first.exc_info[0]), exception_message(first.exc_info[1])
    if not hasattr(first, "example"):
        return qualified_name(type(error)), exception_message(error)
    expected, got = first.example.want.strip() or "nothing", first.got.strip() or "nothing"
    message = f"{first.example.source.strip()}: expected {expected}, got {got}"
    return qualified_name(type(first)), cut_middle(message, MESSAGE_LIMIT)


def exception_of_collection(report: pytest.CollectReport) -> tuple[str, str] | None:
    """Of an import that failed, what the import raised: pytest's own errors have the text of its traceback only."""
    call: pytest.CallInfo[Any] | None = getattr(report, "call", None)
    if not report.failed or call is None or call.excinfo is None:
        return None
    error = call.excinfo.value
    cause = error.__cause__
    if type(error).__module__.startswith("_pytest.") and isinstance(cause, Exception):
        error = cause
    return qualified_name(type(error)), exception_message(error)


def phase_of(
    report: pytest.TestReport, category: str, times: tuple[int, int], extra: PhaseExtra, redact: Sequence[str]
) -> Phase:
    """One finished phase with all that is known of it."""
    start, end = times
    duration: object = report.duration
    outcome = "rerun" if report.outcome in AGAIN else report.outcome
    return Phase(
        report.when,
        outcome,
        category,
        start,
        end,
        duration if isinstance(duration, float) else (end - start) / 1e9,
        failure=failure_of(report, extra.exception) if outcome in ("failed", "rerun") else None,
        reason=reason_of(report),
        fixtures=extra.fixtures,
        span=_without_secrets(extra.span, redact),
        warnings=extra.warnings,
        logs=extra.logs,
        logs_dropped=extra.logs_dropped,
        attributes=extra.attributes,
        steps=extra.steps,
    )


def subtest_of(report: pytest.TestReport, category: str, facts: Facts, redact: Sequence[str]) -> Subtest:
    """One subtest: of pytest 9's `subtests` and of unittest's `subTest`. Its report gives its duration, no start."""
    context: Any = report.context
    end = facts.end
    return Subtest(
        text_of(context.msg) if context.msg is not None else "",
        tuple(
            (name, without_user_info(text_of(value))[:VALUE_LIMIT])
            for name, value in without_secrets(context.kwargs, redact).items()
        ),
        report.outcome,
        category,
        max(facts.start, end - int(report.duration * 1e9)),
        end,
        failure_of(report, facts.extra.exception if facts.extra else None) if report.failed else None,
    )


def failure_of(report: pytest.TestReport | pytest.CollectReport, exception: tuple[str, str] | None) -> Failure:
    """The failure that a report tells of. A strict XPASS has no exception, only a text."""
    text = _stacktrace_of(report)
    if exception is not None:
        return Failure(exception[0], exception[1], cut_top(text, STACKTRACE_LIMIT))
    kind = "XPASS(strict)" if text.startswith("[XPASS(strict)]") else ""
    return Failure(kind, _last_error_line(text), cut_top(text, STACKTRACE_LIMIT))


_VALUES = ("reprfuncargs", "reprlocals")
"""Of an entry of pytest's traceback: arguments and, with `--showlocals`, all local variables (pytest 8.0 to 9.2)."""


def _stacktrace_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """As pytest shows it, without the values of variables: those are never sent."""
    if report.longrepr is None:
        return ""
    shown = [(entry, name, getattr(entry, name, None)) for entry in _entries(report.longrepr) for name in _VALUES]
    values = [(entry, name, value) for entry, name, value in shown if value is not None]
    for entry, name, _ in values:
        setattr(entry, name, None)
    try:
        return text_of(report.longreprtext)
    finally:
        for entry, name, value in values:
            setattr(entry, name, value)


def _entries(longrepr: Any) -> list[Any]:
    """Of all tracebacks in it; none where it is a text, a skip's place, or another plugin's own."""
    if not type(longrepr).__module__.startswith("_pytest."):
        return []
    traces = [part[0] for part in getattr(longrepr, "chain", ())] or [getattr(longrepr, "reprtraceback", None)]
    return [entry for trace in traces for entry in getattr(trace, "reprentries", ())]


def _last_error_line(text: str) -> str:
    """pytest marks the lines of the exception itself with an E."""
    errors = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return cut_middle(errors[0] if errors else text.strip().splitlines()[-1] if text.strip() else "", VALUE_LIMIT)


def failure_within(error: BaseException) -> Failure:
    """Of a part of a phase (a fixture, a step): the stack trace stands on the phase already."""
    return Failure(qualified_name(type(error)), exception_message(error), "")


def failure_of_exception(excinfo: pytest.ExceptionInfo[BaseException]) -> Failure:
    try:
        text = str(excinfo.getrepr(style="short"))
    except Exception:  # noqa: BLE001  the repr of anything in the traceback may raise
        text = ""
    return Failure(qualified_name(excinfo.type), exception_message(excinfo.value), cut_top(text, STACKTRACE_LIMIT))


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Of a skip or an expected failure; else empty."""
    if hasattr(report, "wasxfail"):
        return cut_middle(text_of(report.wasxfail).removeprefix("reason: "), TEXT_LIMIT)
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return cut_middle(text_of(report.longrepr[2]).removeprefix("Skipped: "), TEXT_LIMIT)
    return ""


def _without_secrets(span: SpanFacts | None, redact: Sequence[str]) -> SpanFacts | None:
    if span is None:
        return None
    return span._replace(attributes=without_secrets(span.attributes, redact))


def properties_of(report: pytest.TestReport, redact: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """What `record_property` was given; values of other types become text.

    Others write into that list too: what is no pair has no name to be told by.
    """
    given: list[Any] = [*report.user_properties]
    found = (pair for pair in given if isinstance(pair, tuple | list) and len(pair) == 2)
    pairs = [(text_of(name), value) for name, value in found]
    return tuple((name, REDACTED if is_secret(name, redact) else _property(value)) for name, value in pairs)


def _property(value: object) -> str | bool | int | float:
    if type(value) in (bool, int, float) and is_plain(value):
        return cast("bool | int | float", value)
    return cut_middle(without_user_info(text_of(value)), TEXT_LIMIT)


def output_of(report: pytest.TestReport) -> tuple[tuple[str, str], ...]:
    """What the test wrote, in all its phases so far, by stream."""
    texts: dict[str, list[str]] = {}
    for title, content in report.sections:
        words = title.split()
        if len(words) > 1 and words[0] == "Captured" and words[1] in _TEXT_STREAMS:
            texts.setdefault(words[1], []).append(content)
    return tuple((stream, cut_middle("".join(parts), OUTPUT_LIMIT)) for stream, parts in texts.items())
