"""Every command and every piece of code in README.md and docs/ is run here, or says why not."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.otlp_server import OtlpServer
from support.page import ROOT, Block, Page
from support.received import ReceivedSpan
from support.runs import Runner

README = Page("README.md")
PAGES = [README, *(Page(str(path.relative_to(ROOT))) for path in sorted((ROOT / "docs").glob("*.md")))]
LINKED = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", *(page.path for page in PAGES[1:])]

RUN_HERE = {
    "pytest -q --tb=no --otel-endpoint=console:",
    "make demo    # forty tests and an instrumented shop, live in the terminal and on the page (with Node)",
    "make test    # this project's own tests",
    "pytest --otel --otel-metrics=off",
    "pytest-otlp replay --list",
    "pytest-otlp replay --endpoint=http://localhost:4318",
}
NOT_RUN = {
    'pip install "pytest-otlp[view]"': "needs the network",
    "pytest-otlp view": "needs these ports; tests/viewer starts it on others",
    "pytest --otel --otel-logs=on": "needs that port; tests/viewer sends to a receiver",
    "pytest --otel-html=report.html": "needs the page, which Node builds; tests/viewer writes one",
    "pytest-otlp html shard-1.json shard-2.json -o report.html": "as above",
    "pip install pytest-otlp": "needs the network; scripts/smoke.py installs the wheel",
    "docker run --rm -p 127.0.0.1:16686:16686 -p 127.0.0.1:4318:4318 jaegertracing/jaeger:2.20.0": "needs Docker",
    "docker run --rm -p 127.0.0.1:3000:3000 -p 127.0.0.1:4318:4318 grafana/otel-lgtm:0.30.0": "needs Docker",
    "docker compose up": "needs Docker; tests/backends starts what it starts",
    "jaeger --config collector-config/jaeger.yaml": "tests/backends starts it",
    "pytest --otel-endpoint=http://localhost:4318 --otel-metrics=off": "needs that port; tests/backends does it",
    "pytest --otel-endpoint=http://localhost:4318 --otel-logs=on": "needs that port; tests/backends sends to the stack",
}
DURATION = re.compile(r"\b\d+(?:\.\d+)? (?:ms|s)\b|\b\d+\.\d+s\b")


def blocks(language: str) -> list[Block]:
    return [block for block in README.blocks() if block.language == language]


def commands(text: str) -> list[str]:
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


def test_no_command_is_forgotten() -> None:
    shown = {command for page in PAGES for block in page.blocks() for command in commands(block.text)}
    assert shown == RUN_HERE | NOT_RUN.keys()


def test_every_picture_is_shown_and_small() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    places = [(page.parent, re.findall(r"!\[[^]]+\]\(([^):]+\.png)\)", page.read_text("utf-8"))) for page in pages]
    shown = {folder / path for folder, paths in places for path in paths}
    assert shown == {*(ROOT / "docs" / "pictures").iterdir()}
    assert max(path.stat().st_size for path in shown) < 150_000


def test_no_code_is_forgotten() -> None:
    """Of the README, `python` is run and `ini` used, `text` is compared or a scheme; `yaml` is a file, see below.

    The hook of docs/telemetry.md is run in tests/plugin/test_extensions.py.
    """
    languages = [
        (page.path, block.language) for page in PAGES for block in page.blocks() if block.language != "console"
    ]
    assert sorted(languages) == [
        ("README.md", "ini"),
        ("README.md", "python"),
        ("README.md", "python"),
        ("README.md", "text"),
        ("docs/alerting.md", "yaml"),
        ("docs/backends.md", "yaml"),
        ("docs/ci.md", "yaml"),
        ("docs/ci.md", "yaml"),
        ("docs/ci.md", "yaml"),
        ("docs/telemetry.md", "python"),
        ("docs/telemetry.md", "text"),
    ]


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.path)
def test_configurations_are_the_files_that_they_are_said_to_be(page: Page) -> None:
    """`python scripts/include.py` writes them anew."""
    text = (ROOT / page.path).read_text("utf-8")
    assert runpy.run_path(str(ROOT / "scripts/include.py"))["included"](text) == text
    assert text.count("```yaml") == text.count("<!-- file: ")


def test_jobs_of_a_gitlab_pipeline_have_one_parent() -> None:
    """The script of the example, as a shell runs it."""
    lines = (ROOT / "docs/examples/gitlab-ci.yml").read_text("utf-8").splitlines()
    script = "\n".join(line.strip(" -") for line in lines if re.match(r" *- (trace|root|export)\b", line))
    job = {"CI_PROJECT_PATH": "shop/cart", "CI_PIPELINE_ID": "17", "PATH": os.environ["PATH"]}

    def parent(**job: str) -> str:
        command = ["sh", "-c", f"{script}\nprintf %s $TRACEPARENT"]
        return subprocess.run(command, env=job, stdout=subprocess.PIPE, text=True, check=True).stdout

    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", parent(**job))
    assert parent(**job) == parent(**job) != parent(**job | {"CI_PIPELINE_ID": "18"})


# The first screen


def first_look(folder: Path) -> str:
    """What the first command of the README prints."""
    (code,) = (block.text for block in blocks("python") if block.heading == "pytest-otlp")
    folder.joinpath("test_shop.py").write_text(code, "utf-8")
    (command,) = (word for block in blocks("console") for word in commands(block.text) if "console:" in word)
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stdout


def steady(text: str) -> list[str]:
    """The lines without what depends on the machine's speed: durations, and what arrives, so is drawn, together."""
    lines = [DURATION.sub("#", re.sub(r"\d+ spans", "# spans", line)).strip(" │├└") for line in text.splitlines()]
    return sorted(line for line in lines if not re.fullmatch(r"[.F]* *(\[100%\])?|test_shop\.py  #|… pytest", line))


def test_the_first_screen_is_what_the_command_prints(tmp_path: Path) -> None:
    (shown,) = (block.text for block in blocks("console") if "console:" in block.text)
    assert steady(shown.partition("\n")[2]) == steady(first_look(tmp_path))


# The tree of an application


def demo_tree(tmp_path: Path, test: str) -> str:
    """The tree of one test of the demo, as the demo draws it."""
    from demo.live import as_record

    from pytest_otlp.exporter.tree import render

    with OtlpServer() as server:
        command = [sys.executable, "-m", "pytest", "--otel", "-q", "-k", "test_pays"]
        env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": server.endpoint}
        subprocess.run(command, cwd=ROOT / "demo/suite", env=env, stdout=subprocess.DEVNULL, timeout=100, check=True)
        spans = server.spans()
    (top,) = (span for span in spans if span.name.endswith(test))
    return "\n".join(render(list(map(as_record, below(top, spans)))))


def below(top: ReceivedSpan, spans: list[ReceivedSpan]) -> Iterator[ReceivedSpan]:
    yield top
    for span in spans:
        if span.parent_id == top.span_id:
            yield from below(span, spans)


def test_the_tree_of_the_demo_is_what_it_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    (block,) = blocks("text")
    assert DURATION.sub("#", block.text.strip()) == DURATION.sub("#", demo_tree(tmp_path, "test_pays[mastercard]"))


# Code


def code_in_a_test() -> str:
    (code,) = (block.text for block in blocks("python") if block.heading == "In a test")
    return code


def test_code_in_a_test(tmp_path: Path) -> None:
    run = Runner(tmp_path)(code_in_a_test())
    assert run.exit_code == 0
    assert run.test("test_import").attributes["pytest.property.rows"] == 1200
    assert run.test("test_anywhere").attributes["pytest.property.rows"] == 3
    assert [event.name for event in run.phase("test_import", "call").events] == ["half way"]


def test_code_in_a_test_without_the_plugin(tmp_path: Path) -> None:
    """Only the last needs it, because no span is current without it."""
    run = Runner(tmp_path).without(code_in_a_test())
    assert "1 failed, 2 passed" in run.stdout
    assert "FAILED test_it.py::test_call_of_a_service" in run.stdout


def test_link_of_the_ini_file(tmp_path: Path) -> None:
    (ini,) = blocks("ini")
    run = Runner(tmp_path)("def test_it(): pass", ini=ini.text.partition("\n")[2])
    links = [line.rpartition(" ")[2] for line in run.our_lines]
    assert links == [f"https://grafana.example.org/explore?traceId={run.root.trace_id}"] * 2


# Commands


def test_the_make_targets_do_what_the_page_says() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make here")
    for target, command in {"demo": "python demo/run.py", "test": "python -m pytest"}.items():
        done = subprocess.run([make, "-C", str(ROOT), "-n", target], stdout=subprocess.PIPE, text=True, check=True)
        assert command in done.stdout


def test_without_metrics(tmp_path: Path) -> None:
    with OtlpServer() as server:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.endpoint}
        run = Runner(tmp_path).without("def test_it(): pass", "--otel", "--otel-metrics=off", env=env)
        assert run.exit_code == 0
        assert {request.signal for request in server.requests} == {"traces"}


def test_replay(tmp_path: Path) -> None:
    """The commands of the answer, after a run whose endpoint is dead."""
    runner = Runner(tmp_path)
    with OtlpServer() as server:
        port = server.port
    run = runner.without("def test_it(): pass", f"--otel-endpoint=http://127.0.0.1:{port}")
    assert run.exit_code == 0
    (kept,) = re.findall(r"0 of (\d+) spans delivered to .*; send them with: pytest-otlp replay ", run.our_lines[-1])
    assert f"{kept} spans to send" in replay(runner.folder, "--list")
    with OtlpServer() as server:
        assert f"{kept} spans delivered" in replay(runner.folder, f"--endpoint={server.endpoint}")
        assert len(server.spans()) == int(kept)
    assert replay(runner.folder, "--list").startswith("nothing is kept ")


def replay(folder: Path, argument: str) -> str:
    command = [sys.executable, "-m", "pytest_otlp.cli", "replay", argument]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, timeout=100, check=True).stdout


# What the pages refer to


def test_options_and_variables_in_the_readme_exist() -> None:
    rows = Page("docs/telemetry.md").rows("Configuration")
    known = {word for row in rows for cell in row[:3] for word in re.findall(r"[\w-]+", cell)}
    used = set(re.findall(r"--otel[a-z-]*|\botel_[a-z_]+[a-z]\b|\b(?:OTEL|PYTEST_OTEL)[A-Z_]*", README.text))
    assert used - known - {"otel_span"} == set()


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", LINKED)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\((?!https?:)([^)]*)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target
