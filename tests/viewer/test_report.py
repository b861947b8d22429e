"""The report file: what it holds is what pytest said, and nothing in it is anything but text."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pytest_otlp import cli
from pytest_otlp.viewer import page
from support.deadline import wait_until
from support.runs import Run, Runner, journals_in
from support.viewer import Detail, View, rows
from viewer.test_runs import SUITE

HOSTILE = "</script><script>alert(1)</script><!-- \"'&lt;"


class Document(HTMLParser):
    """Elements and their text, as a browser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.content: list[str] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.content.append("")
        self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._inside:
            self.content[-1] += data

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        found = zip(self.elements, self.content, strict=True)
        return [(attributes, text) for (name, attributes), text in found if name == tag]


class Report:
    def __init__(self, path: Path) -> None:
        self.document = Document(path.read_text("utf-8"))
        self.blocks = {
            (attributes["id"] or "").removeprefix("pytest-otlp-"): text
            for attributes, text in self.document.of("script")
            if attributes.get("type") == "application/octet-stream"
        }
        self.summary = self.block("summary")
        (self.run,) = self.summary["runs"]
        self.tests = rows(self.summary["tests"][self.run["id"]])

    def block(self, name: str) -> Any:
        return json.loads(gzip.decompress(base64.b64decode(self.blocks[name])))

    def detail(self, name: str) -> Detail:
        """Of the one test whose name ends so; taken out of its chunk as the page does it."""
        (number,) = [number for number, row in enumerate(self.tests) if row["name"].endswith(name)]
        size = self.summary["chunks"][self.run["id"]]["size"]
        chunk = self.block(f"details-{number // size}")
        place = chunk["tests"].index(number)
        first = [*chunk["first"], chunk["spans"]["count"]]
        spans = rows(chunk["spans"])[first[place] : first[place + 1]]
        found = Detail({**chunk, "spans": {"count": 0, "columns": {}}})
        found.spans = spans
        return found

    @property
    def policy(self) -> str:
        (policy,) = [meta["content"] for meta, _ in self.document.of("meta") if "http-equiv" in meta]
        return policy or ""


@pytest.fixture(autouse=True)
def built() -> None:
    try:
        page.check()
    except page.NoPageError:
        pytest.skip("the page is not built: `make page`")


def run_with(runner: Runner, files: Any, *args: str) -> Run:
    runner._write(files, "markers = slow")
    env = {"VIEW": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    code, out, err = runner._start(["-p", "no:xdist", *args], env).wait()
    return Run(runner.folder, code, out, err)


PLAIN = {name: text for name, text in SUITE.items() if name == "test_till.py"} | {
    "test_shop.py": """
        import pytest

        @pytest.mark.parametrize("article", ["apple", "pear"])
        def test_price(article): pass

        def test_total():
            print("adding up")
            assert [40, 60] == [40, 61]

        @pytest.mark.skip(reason="closed")
        def test_closed(): pass
    """
}


def test_a_run_leaves_its_report(runner: Runner, tmp_path: Path) -> None:
    """With nothing that listens, and nothing sent."""
    path = tmp_path / "out" / "report.html"
    run = run_with(runner, PLAIN, f"--otel-html={path}")
    assert run.exit_code == 1
    assert re.search(rf"^otlp: 5 tests, \d+ spans; report: {path}: 5 tests, \d+ KB$", run.stdout, re.MULTILINE)
    assert list(runner.folder.glob(".pytest_cache/d/otlp/*")) == []
    report = Report(path)
    assert (report.run["state"], report.run["status"], report.run["exitCode"]) == ("finished", "failure", 1)
    assert Counter(row["outcome"] for row in report.tests) == report.run["counts"]
    assert report.run["counts"] == {"passed": 2, "failed": 1, "skipped": 1, "error": 1}
    assert report.summary["info"]["live"] is False
    total = report.detail("test_total")
    assert total.tree() == [(0, ""), (1, "setup"), (1, "call"), (1, "teardown")]
    assert total.more("")["attributes"]["pytest.stdout"] == "adding up\n"
    assert total.more("call")["events"][0]["attributes"]["exception.type"] == "AssertionError"
    assert "end" in report.blocks


def test_the_report_beside_an_endpoint(view: View, runner: Runner, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    link = "--otel-trace-url=https://traces.example/{trace_id}"
    run = run_with(runner, PLAIN, f"--otel-html={path}", f"--otel-endpoint={view.endpoint}", link)
    assert f"delivered to 127.0.0.1:{view.http_port}" in run.stdout
    report, live = Report(path), view.run()
    assert report.run["id"] == live["id"]
    assert report.summary["info"]["traceUrl"] == "https://traces.example/{trace_id}"
    assert report.run["counts"] == live["counts"]
    assert sorted(row["name"] for row in report.tests) == sorted(row["name"] for row in view.tests(live["id"]))


@pytest.mark.parametrize("path", ["", "."])
def test_a_path_that_is_no_file(runner: Runner, path: str) -> None:
    run = run_with(runner, PLAIN, f"--otel-html={path}")
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert f"--otel-html={path!r}: name a file, as report.html" in run.stderr


def test_a_report_that_cannot_be_written_fails_no_run(runner: Runner, tmp_path: Path) -> None:
    """Where it can be written is looked at before; but who knows what the tests do."""
    path = tmp_path / "file" / "report.html"
    run = run_with(runner, f"def test_a(): open({str(path.parent)!r}, 'w').close()", f"--otel-html={path}")
    assert run.exit_code == 0
    assert f"the report {path} could not be written: " in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    journal = re.search(r"; write it elsewhere with: pytest-otlp html (\S+) -o PATH$", run.stdout, re.MULTILINE)
    assert journal, run.stdout
    elsewhere = tmp_path / "elsewhere.html"
    assert cli.main(["html", journal[1], "-o", str(elsewhere)]) == 0
    assert [row["name"] for row in Report(elsewhere).tests] == ["test_a"]


def test_hostile_text_stays_text(runner: Runner, tmp_path: Path) -> None:
    suite = f"""
        import pytest

        TEXT = {HOSTILE!r}

        @pytest.mark.parametrize("text", [TEXT])
        def test_name(text, record_property):
            record_property(text, text)
            print(text)
            raise ValueError(text)

        @pytest.mark.skip(reason=TEXT)
        def test_reason(): pass
    """
    path = tmp_path / "report.html"
    run_with(runner, suite, f"--otel-html={path}", f"--otel-service-name={HOSTILE}")
    report = Report(path)
    scripts = report.document.of("script")
    assert [attributes for attributes, _ in scripts if "type" not in attributes] == [{}]
    assert len(scripts) == 4
    assert not [tag for tag, _ in report.document.elements if tag in ("img", "iframe", "object", "b")]
    assert not [name for _, attributes in report.document.elements for name in attributes if name.startswith("on")]
    assert HOSTILE in "".join(report.document.texts)
    assert report.run["service"] == HOSTILE
    detail = report.detail(f"test_name[{HOSTILE}]")
    assert detail.more("")["attributes"]["pytest.stdout"] == HOSTILE + "\n"


def test_the_file_is_ascii_and_folds_what_is_below_the_first_screen(runner: Runner, tmp_path: Path) -> None:
    """A browser decodes and lays out all of it before it paints anything."""
    path = tmp_path / "report.html"
    suite = """
        import pytest

        @pytest.mark.parametrize("n", range(25))
        def test_fails(n): assert not n + 1, "größer \\u65e5\\u672c"
    """
    run_with(runner, suite, f"--otel-html={path}")
    assert path.read_bytes().isascii()
    report = Report(path)
    assert "größer \u65e5\u672c" in "".join(report.document.texts)
    folds = [text for _, text in report.document.of("summary")]
    assert [place for place, text in enumerate(folds) if text == "5 more"] == [20]
    assert len(folds) == 26


def test_no_colour_of_a_terminal_and_nothing_that_turns_the_text_round(runner: Runner, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    suite = """
        def test_odd(): assert not 1, "\x1b[31mred\x1b[0m \u202egnp.exe"
    """
    run_with(runner, suite, f"--otel-html={path}")
    texts = "".join(Report(path).document.texts)
    assert "red \\u202egnp.exe" in texts
    assert not re.search("[\x1b\u202e]", texts)


def test_an_error_of_pytest_itself_is_told_without_script(runner: Runner, tmp_path: Path) -> None:
    conftest = """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item):
            raise RuntimeError("the hook broke")
    """
    path = tmp_path / "report.html"
    run = run_with(runner, {"conftest.py": conftest, "test_it.py": "def test_a(): pass"}, f"--otel-html={path}")
    assert run.exit_code == pytest.ExitCode.INTERNAL_ERROR
    document = Report(path).document
    assert [text for _, text in document.of("h2")] == ["Errors"]
    assert "pytest: the hook broke" in [text for _, text in document.of("summary")]
    assert any("in pytest_runtest_protocol" in text for _, text in document.of("pre"))


def test_the_policy_allows_what_is_there_and_nothing_else(runner: Runner, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    run_with(runner, "def test_a(): pass", f"--otel-html={path}")
    report = Report(path)
    ((_, script),) = [(a, text) for a, text in report.document.of("script") if "type" not in a]
    ((_, style),) = report.document.of("style")
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    assert report.policy == (
        "default-src 'none'; img-src data:; connect-src 'none'; base-uri 'none'; form-action 'none';"
        f" script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'"
    )


def test_shards_become_one_run(runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From OTLP/JSON, a journal that was kept, and a folder as the result."""
    run_with(runner, PLAIN, "-k", "shop", f"--otel-endpoint=file:{tmp_path}/one.json")
    run_with(runner, PLAIN, "-k", "till", "--otel-endpoint=http://127.0.0.1:9", "-o", "otel_exit_timeout=0.3")
    (journal,) = journals_in(runner.folder)
    assert cli.main(["html", f"{tmp_path}/one.json", str(journal), "-o", str(tmp_path / "out"), "--dir"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/out/index.html: 5 tests, ")
    report = Report(tmp_path / "out" / "index.html")
    assert (report.run["state"], report.run["why"]) == ("finished", "")
    assert report.run["told"] == {"passed": 3, "failed": 1, "error": 1, "skipped": 1}
    assert {row["worker"] for row in report.tests} == {"shard 1", "shard 2"}
    till = report.detail("test_opens")
    assert till.tree()[0] == (0, "")
    assert "script-src 'self'; style-src 'self'" in report.policy
    assert [a for a, text in report.document.of("script") if "src" in a] == [{"src": "report.js"}]
    assert (tmp_path / "out" / "report.js").read_bytes() == page.file("report.js")[0]
    # Times of the second shard count from the beginning of the first.
    assert max(row["start"] for row in report.tests) < report.run["duration"]


def test_a_folder_is_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, Path()):
        assert cli.main(["html", str(tmp_path / "any"), "-o", str(folder)]) == cli.MISUSE
        said = f"pytest-otlp: {folder} is a folder; name a file, as report.html, or give --dir"
        assert capsys.readouterr().err.strip() == said


def test_a_report_out_of_the_store(
    folder: Path, runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.setenv("LOCALAPPDATA", str(folder))
    path = tmp_path / "report.html"
    assert cli.main(["html", "-o", str(path)]) == cli.MISUSE
    assert "nothing was received by `pytest-otlp view` here" in capsys.readouterr().err
    with View(folder) as view:
        for suite in ("def test_old(): pass", PLAIN):
            runner._write(suite, "markers = slow")
            runner._start(["-p", "no:xdist", f"--otel-endpoint={view.endpoint}"], {}).wait()
        newest, oldest = view.runs()
        assert cli.main(["html", "-o", str(path)]) == 0
        report = Report(path)
        for key in ("id", "start", "duration", "state", "counts", "told", "spans", "traces"):
            assert report.run[key] == newest[key]
        assert report.tests == view.tests(newest["id"])
        assert report.detail("test_total").spans[1:] == [
            {**span, "id": ""} for span in view.detail(newest["id"], "test_total").spans[1:]
        ]
        assert cli.main(["html", "-o", str(path), "--run", oldest["id"]]) == 0
        assert [row["name"] for row in Report(path).tests] == ["test_old"]
        capsys.readouterr()
        assert cli.main(["html", "-o", str(path), "--run", "none"]) == cli.MISUSE
        assert capsys.readouterr().err.endswith("runs.db: no run none in it\n")


def test_shards_in_one_store_become_one_run(
    view: View, runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With another one in a file of its own, to which `--run` does not apply."""
    for word in ("shop", "till"):
        run_with(runner, PLAIN, "-k", word, f"--otel-endpoint={view.endpoint}")
    run_with(runner, "def test_alone(): pass", "-k", "alone", f"--otel-endpoint=file:{tmp_path}/alone.json")
    till, shop = (run["id"] for run in view.runs())
    (store,) = Path(view.state["XDG_STATE_HOME"]).rglob("runs.db")
    made = ["html", f"{tmp_path}/alone.json", str(store), "-o", f"{tmp_path}/report.html"]
    assert cli.main([*made, "--run", till, "--run", shop]) == 0
    report = Report(tmp_path / "report.html")
    assert {row["worker"] for row in report.tests} == {"shard 1", "shard 2", "shard 3"}
    assert report.run["told"] == {"passed": 4, "failed": 1, "error": 1, "skipped": 1}
    assert cli.main([*made, "--run", shop]) == 0
    assert "test_opens" not in str(Report(tmp_path / "report.html").tests)
    for runs, told in (
        ([shop, "none"], f"{tmp_path}/alone.json, {store}: no run none in it"),
        (["none"], f"{store}: no run none in it"),
    ):
        capsys.readouterr()
        assert cli.main([*made, *(f"--run={run}" for run in runs)]) == cli.MISUSE
        assert capsys.readouterr().err == f"pytest-otlp: {told}\n"


def test_a_run_that_died_has_a_report(runner: Runner, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    run_with(runner, "import os\ndef test_a(): pass\ndef test_b(): os._exit(3)", f"--otel-html={path}")
    wait_until(path.exists, "the report is there")
    report = Report(path)
    assert (report.run["state"], report.run["why"]) == ("interrupted", "pytest ended without a word")
    assert [row["outcome"] for row in report.tests] == ["passed", "interrupted"]
