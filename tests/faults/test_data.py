"""Hostile data beside pytest's own counts, over both protocols and through workers; each kind alone: tests/plugin."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from faults.scene import Protocol, Scene, check_delivered
from support.otlp_server import OtlpServer
from support.runs import Runner

NO_JUNIT = "--junitxml="
"""pytest's own writer of it fails at lone surrogates."""
HOSTILE = r"""
import os, sys
import pytest

class Hostile:
    def __repr__(self): raise ValueError("no repr")
    __str__ = __repr__

class Liar(Exception):
    __module__ = 42
    def __str__(self): return 42
    def __repr__(self): raise SystemExit("no repr")
    @property
    def args(self): raise ValueError("no args")

class Own(BaseException):
    pass

def test_surrogate(): raise ValueError("half SURROGATE pair")

@pytest.mark.parametrize("n", [1], ids=["half \ud800 pair"])
def test_id(n): pass

@pytest.mark.parametrize("n", [1], ids=["x" * 100_000])
def test_long_id(n): assert 0

def test_description(): pass
test_description.__doc__ = "half \ud800 pair" + "x" * 1_000_000

def test_liar(): raise Liar

def test_notes():
    error = ValueError("noted")
    error.__notes__ = 42
    raise error

def test_base(): raise Own("not an Exception")

def test_cycle():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first

def test_chain():
    error = None
    for n in range(200):
        error, error.__cause__ = ValueError(n), error
    raise error

def test_recursion(): test_recursion()

def test_bytes():
    os.write(1, b"\xff\xfe\0 out\n")
    os.write(2, bytes(range(256)))
    assert 0

def test_big():
    print("x" * 1_000_000)
    sys.stderr.write("\x1b[31m" * 200_000)
    raise ValueError("\0" * 1_000_000)

def test_properties(record_property):
    for thing in THINGS:
        record_property(type(thing).__name__, thing)
    record_property("big", "y" * 1_000_000)
    for n in range(10_000):
        record_property(f"n{n}", 2 ** 70 + n)

def deep(levels):
    return [deep(levels - 1)] if levels else []

@pytest.mark.skip(reason="half SURROGATE pair")
def test_skipped(): pass

@pytest.mark.xfail(reason="\0\x1b[31m")
def test_expected(): raise ValueError("SURROGATE")

def test_last(): pass
""".replace("error, error.__cause__ = ValueError(n), error", "error = caused(n, error)")
HOSTILE += """
def caused(n, by):
    error = ValueError(n)
    error.__cause__ = by
    return error
"""


@pytest.mark.parametrize(("workers", "protocol"), [((), "http"), (("-n2",), "grpc")], ids=["n0-http", "n2-grpc"])
def test_22_to_24_hostile_data(scene: Scene, workers: tuple[str, ...], protocol: Protocol) -> None:
    if workers:
        pytest.importorskip("xdist")
    # Without us too, xdist stops the whole run where a report has one of these.
    surrogate, things = (r"\u2028", "[]") if workers else (r"\ud800", "[Hostile(), deep(500)]")
    suite = HOSTILE.replace("SURROGATE", surrogate).replace("THINGS", things)
    with OtlpServer(protocol) as server:
        ended = scene.run(suite, server, NO_JUNIT, "--otel-output=all", "--otel-logs=on", *workers, protocol=protocol)
        metrics, logs = server.metrics(), server.logs()
    run = check_delivered(ended)
    assert run.summary == Counter(passed=4, failed=10, skipped=1, xfailed=1)
    assert len(run.tests) == 16
    for span in run.tests:
        assert {"pytest.outcome", "code.function.name", "test.case.name"} <= set(span.attributes)
    assert metrics
    assert len({record.span_id for record in logs} & {span.span_id for span in run.spans}) >= 16


TEXTS = """
import json, pathlib
import pytest

texts = json.loads(pathlib.Path(__file__).with_name("texts.json").read_text())

@pytest.fixture
def told(record_property, text):
    record_property(text, text)
    print(text.encode("utf-8", "replace").decode())
    yield
    if text[:1].isupper():
        raise LookupError(text)

@pytest.mark.parametrize("text", texts)
def test_text(text, told):
    if len(text) % 2:
        raise ValueError(text)

@pytest.mark.parametrize("text", texts, ids=range(len(texts)))
def test_skipped(text):
    pytest.skip(text)
"""
ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)


@given(st.lists(ANY, min_size=40, max_size=40))
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    database=None,
)
def test_25_any_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    base = tmp_path_factory.mktemp("texts")
    (base / "baseline").mkdir()
    scene = Scene(Runner(base), {})
    for folder in (base, base / "baseline"):
        (folder / "suite").mkdir()
        (folder / "suite" / "texts.json").write_text(json.dumps(texts))
    with OtlpServer() as server:
        ended = scene.run(TEXTS, server, NO_JUNIT)
    run = check_delivered(ended)
    assert len(run.tests) == 80
    skipped = [span for span in run.tests if "test_skipped" in span.name]
    assert sum("pytest.reason" in span.attributes for span in skipped) >= sum(bool(text.strip()) for text in texts)
