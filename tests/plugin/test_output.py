"""What tests write: stdout, stderr and log on their spans."""

from __future__ import annotations

import pytest

from support.runs import Run, Runner

SUITE = """
    import logging
    import sys
    import pytest

    @pytest.fixture
    def noisy():
        print("setup")
        yield
        print("teardown")

    def test_passes(noisy):
        print("fine")

    def test_fails():
        print("out")
        print("err", file=sys.stderr)
        logging.getLogger("shop").warning("logged")
        assert 0

    def test_fails_among_fixtures(noisy):
        print("call")
        assert 0

    @pytest.mark.xfail(reason="known")
    def test_expected():
        print("as expected")
        assert 0

    @pytest.mark.xfail(reason="known")
    def test_unexpected():
        print("oh")

    def test_skips():
        print("before")
        pytest.skip("no")

    def test_big():
        print("begin" + "x" * 100_000 + "end")
        assert 0
"""
FAILED = {
    "test_fails": {"stdout": "out\n", "stderr": "err\n", "log": "WARNING  shop:test_it.py:18 logged"},
    "test_fails_among_fixtures": {"stdout": "setup\ncall\nteardown\n"},
    "test_expected": {"stdout": "as expected\n"},
    "test_unexpected": {"stdout": "oh\n"},
    "test_skips": {"stdout": "before\n"},
}
PASSED = {"test_passes": {"stdout": "setup\nfine\nteardown\n"}}


def output(run: Run) -> dict[str, dict[str, str]]:
    found = {}
    for span in run.tests:
        streams = {name: span.attributes.get(f"pytest.{name}") for name in ("stdout", "stderr", "log")}
        found[span.name.removeprefix("test_it.py::")] = {name: text for name, text in streams.items() if text}
    return {test: streams for test, streams in found.items() if streams and test != "test_big"}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], FAILED),
        (["--otel-output=failed"], FAILED),
        (["--otel-output=all"], FAILED | PASSED),
        (["--otel-output=none"], {}),
        (["-s"], {"test_fails": {"log": FAILED["test_fails"]["log"]}}),
        (["--show-capture=no"], FAILED),
    ],
    ids=["default", "failed", "all", "none", "-s", "--show-capture"],
)
def test_whose_output_is_sent(run_pytest: Runner, args: list[str], expected: dict[str, dict[str, str]]) -> None:
    assert output(run_pytest(SUITE, *args)) == expected


def test_long_output_loses_its_middle_and_says_so(run_pytest: Runner) -> None:
    text = run_pytest(SUITE, "-k", "big").test("test_big").attributes["pytest.stdout"]
    assert text.startswith("beginxxx")
    assert text.endswith("xxxend\n")
    assert "bytes left out" in text
    assert len(text) < 9 * 1024
