from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from support.received import ReceivedSpan
from support.runs import Runner
from support.traces import is_start_marker

ROOT = Path(__file__).parents[2]
SUITE = """
    def test_passes():
        pass

    def test_fails():
        assert 0
"""
Spans: TypeAlias = list[ReceivedSpan]


def test_shows_what_arrives_and_reports_it() -> None:
    pytest.importorskip("xdist")
    started = time.time()
    done = subprocess.run(
        [sys.executable, str(ROOT / "demo" / "run.py")],
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=170,
        check=False,
    )
    live, _, rest = done.stdout.partition("\noutcome ")
    report, _, page = rest.partition("\n\nThe run on its page: ")
    assert done.returncode == 0, done.stdout
    assert "\x1b" not in live
    assert re.search(r"^ +[\d.]+ s  … pytest$", live, re.MULTILINE)
    assert live.index("… test_a_search.py::test_index running") < live.index("✓ test_a_search.py::test_index")
    assert "POST /charge [shop]" in live
    assert len(re.findall(r"^ +[\d.]+ s  \S test_\w+\.py::[^ ]+  [\d.]+ m?s", live, re.MULTILINE)) >= 41
    counts = {word: (received, said) for word, received, said in re.findall(r"(\w+) +(\d+) +(\d+)", report)}
    assert int(counts["failed"][0]) >= 3
    assert all(received == said for received, said in counts.values())
    (app,) = re.findall(r"(\d+) of the application, (\d+) of them nested in their tests", report)
    assert int(app[0]) == int(app[1]) > 50
    assert re.search(r"^from a test's end to its arrival: median \d+ ms, worst \d+ ms$", report, re.MULTILINE)
    assert report.rstrip("\n").endswith("one trace, one root, no orphan, no id twice")
    if re.search("^Without a page: ", live, re.MULTILINE):
        pytest.skip("without the extra `view`, or the page not built: the demo told the rest")
    address = re.escape(re.findall(r"^It passes all on to the page at (\S+#token=\S+)$", live, re.MULTILINE)[0])
    assert re.match(rf"{address}&run=[0-9a-f-]{{36}}\n", page)
    kept = re.search(
        r"^The same in a file, for any browser: (.+)\nThe page is gone now, .*the file stays\.$", page, re.MULTILINE
    )
    assert kept is not None, page
    assert "test_checkout.py::" in Path(kept[1]).read_text("utf-8")
    assert started < Path(kept[1]).stat().st_mtime
    drawn = re.search(r"^A picture of it: (.+)$", page, re.MULTILINE)
    if drawn is None:
        pytest.skip(page.splitlines()[-1])
    image = Path(drawn[1]).read_bytes()
    assert image.startswith(b"\x89PNG")
    assert started < Path(drawn[1]).stat().st_mtime


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_page_is_opened_and_stays_only_for_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from demo.page import somebody_looks, until_enter

    terminal, file = Terminal(), io.StringIO()
    assert somebody_looks(terminal, terminal, {})
    assert not somebody_looks(terminal, terminal, {"CI": "true"})
    assert not somebody_looks(terminal, file, {})
    assert not somebody_looks(file, terminal, {})
    for seconds in (0.01, 600):
        reading, writing = os.pipe()
        with os.fdopen(reading) as typed, os.fdopen(writing, "w") as keyboard:
            if seconds > 1:
                print(file=keyboard, flush=True)
            until_enter(typed, seconds)
            print(file=keyboard, flush=True)  # ends the reading that nobody waits for any more


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Spans, str]:
    """What a receiver gets of a run and of an application in it, and pytest's output."""
    run = Runner(tmp_path)(SUITE)
    call = run.phase("test_fails", "call")
    marker = run.root._replace(span_id="0a", attributes={"test.suite.run.status": "in_progress"})
    app = call._replace(
        span_id="0b", parent_id=call.span_id, name="work", resource={"service.name": "shop"}, attributes={}
    )
    ours = [*(span for span in run.spans if not is_start_marker(span)), marker]
    return [*ours, app], re.sub(r"\d+ spans delivered", f"{len(ours)} spans delivered", run.stdout)


def without(name: str) -> Callable[[Spans], Spans]:
    return lambda spans: [span for span in spans if not span.name.endswith(name)]


def changed(name: str, **changes: Any) -> Callable[[Spans], Spans]:
    return lambda spans: [span._replace(**changes) if span.name.endswith(name) else span for span in spans]


WRONG = [
    (without("test_passes"), "pytest counted otherwise"),
    (without("test_passes"), "setup is an orphan"),
    (without("teardown"), "not all delivered"),
    (without("pytest"), "roots with the status []"),
    (without("work"), "no span of the application came"),
    (changed("work", parent_id="0a"), "work of the application is not below a test"),
    (changed("work", trace_id="cd"), "2 traces"),
    (lambda spans: [*spans, spans[-1]], "2 spans with the id 0b"),
]


def test_reports_what_is_wrong(whole: tuple[Spans, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from demo.report import report

    spans, output = whole
    assert report(spans, 1, output).problems == []
    assert report(spans, 0, output).problems == ["pytest's exit code is 0"]
    for change, problem in WRONG:
        assert problem in report(change(spans), 1, output).problems
