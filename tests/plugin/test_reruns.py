"""Attempts of the same test."""

from __future__ import annotations

import pytest

from support.runs import Runner

SUITE = """
    import pytest

    calls = {}

    def count(name):
        calls[name] = calls.get(name, 0) + 1
        return calls[name]

    def test_flaky():
        assert count("flaky") > 2

    def test_never(): assert 0

    def test_at_once(): pass

    @pytest.fixture
    def shaky():
        if count("shaky") < 2:
            raise LookupError("no shop")

    def test_setup(shaky): pass
"""
TREE = """
pytest failure !1 failed
  collection
  test_it.py::test_at_once passed pytest.attempt=1 (setup, call, teardown)
  test_it.py::test_flaky rerun !assert 1 > 2 pytest.attempt=1 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_flaky rerun !assert 2 > 2 pytest.attempt=2 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_flaky passed pytest.attempt=3 pytest.flaky=True (setup, call, teardown)
  test_it.py::test_never rerun !assert 0 pytest.attempt=1 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_never rerun !assert 0 pytest.attempt=2 (setup, call rerun ! *AssertionError, teardown)
  test_it.py::test_never failed !assert 0 pytest.attempt=3 (setup, call failed ! *AssertionError, teardown)
  test_it.py::test_setup rerun !no shop pytest.attempt=1
    setup rerun ! *LookupError
      fixture shaky (function) !
    teardown
  test_it.py::test_setup passed pytest.attempt=2 pytest.flaky=True (setup, call, teardown)
"""


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_rerunfailures(run_pytest: Runner, args: list[str]) -> None:
    pytest.importorskip("pytest_rerunfailures")
    if args:
        pytest.importorskip("xdist")
    run = run_pytest(SUITE, "--reruns=2", *args)
    assert run.tree("pytest.attempt", "pytest.flaky", by_name=True) == TREE
    assert run.root.attributes["pytest.tests.rerun"] == 5


@pytest.mark.xfail(reason="flaky reports no failed call, so its attempts look as if they had passed")
def test_flaky(run_pytest: Runner) -> None:
    pytest.importorskip("flaky")
    suite = """
        from flaky import flaky

        calls = []

        @flaky(max_runs=3)
        def test_flaky():
            calls.append(1)
            assert len(calls) > 2
    """
    run = run_pytest(suite, "-p", "flaky")
    assert [span.attributes["pytest.outcome"] for span in run.tests] == ["rerun", "rerun", "passed"]


def test_repeat(run_pytest: Runner) -> None:
    pytest.importorskip("pytest_repeat")
    run = run_pytest("def test_a(): pass", "--count=3")
    assert (
        run.tree("pytest.attempt")
        == """
pytest success
  collection
  test_it.py::test_a[1-3] passed pytest.attempt=1 (setup, call, teardown)
  test_it.py::test_a[2-3] passed pytest.attempt=1 (setup, call, teardown)
  test_it.py::test_a[3-3] passed pytest.attempt=1 (setup, call, teardown)
"""
    )
