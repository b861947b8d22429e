"""Span ids that every process derives alike, so that none has to be passed around.

The ids of a test's phases differ from the test's own in the lowest four bits only: they stay unique, and a batch of
them compresses to two thirds. The W3C Trace Context asks for ids that are unique and not all zero.
"""

from __future__ import annotations

try:
    # Where hashlib has it from, which would load OpenSSL first.
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

_PHASES = {"": 0, "setup": 1, "call": 2, "teardown": 3}
ROOT = "session"
MARKER = "marker"
FILE = "tests of a file"
FILE_ROOT = "root of a file"


def test_span_id(run_id: str, worker: str, nodeid: str, attempt: int, phase: str = "") -> int:
    """The span id of one attempt of a test, or of a phase of it (`setup`, `call`, `teardown`)."""
    return phase_span_id(_digest(run_id, "test", worker, nodeid, str(attempt)) >> 4 << 4, phase)


def phase_span_id(test: int, phase: str) -> int:
    """The span id of a phase from its test's."""
    return test | _PHASES[phase]


def span_id(run_id: str, kind: str, *parts: str) -> int:
    """The span id of anything else: `kind` keeps equal parts of different things apart."""
    return _digest(run_id, kind, *parts) | 0xF


def trace_id(run_id: str, *parts: str) -> int:
    """The id of a trace beside the run's own (`traces.Plan.key_of`)."""
    return _digest(run_id, "trace", *parts, size=16)


def _digest(*parts: str, size: int = 8) -> int:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=size).digest(), "big") or 0x10
