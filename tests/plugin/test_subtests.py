from __future__ import annotations

import pytest

from pytest_otlp.exporter.room import MOST_DETAILS
from support.runs import Runner
from support.traces import ERROR

pytestmark = pytest.mark.skipif(pytest.version_tuple < (9,), reason="subtests came with pytest 9")

OLD = """
    import unittest

    class TestPrices(unittest.TestCase):
        def test_each(self):
            for number in range(3):
                with self.subTest("price", number=number):
                    self.assertNotEqual(number, 1)
"""
OLD_TREE = """
pytest failure !1 failed
  collection
  test_it.py::TestPrices::test_each passed
    setup
    call
      subtest price number=0
      subtest price number=1 failed !1 == 1 *AssertionError
      subtest price number=2
    teardown
"""
NEW = """
    import pytest

    def test_each(subtests):
        for number in range(4):
            with subtests.test("price", number=number):
                if number == 2:
                    pytest.skip("sold out")
                assert number != 1

    def test_fine(subtests):
        with subtests.test("only a message"):
            pass
        with subtests.test(count=1):
            pass

    def test_error(subtests):
        with subtests.test():
            pass
        raise ValueError("outside of a subtest")
"""
NEW_TREE = """
pytest failure !3 failed
  collection
  test_it.py::test_each failed !contains 1 failed subtest
    setup
    call failed ! *exception
      subtest price number=0
      subtest price number=1 failed !assert 1 != 1 *AssertionError
      subtest price number=2 skipped
      subtest price number=3
    teardown
  test_it.py::test_error failed !outside of a subtest
    setup
    call failed ! *ValueError
      subtest
    teardown
  test_it.py::test_fine passed
    setup
    call
      subtest only a message
      subtest count=1
    teardown
"""


@pytest.mark.parametrize(("suite", "tree"), [(OLD, OLD_TREE), (NEW, NEW_TREE)], ids=["unittest", "pytest"])
def test_subtests(run_pytest: Runner, suite: str, tree: str) -> None:
    # The JUnit XML has a skipped subtest, which the summary has not.
    assert run_pytest(suite, junit=False).tree("pytest.reason", by_name=True) == tree


def test_subtests_of_a_worker(run_pytest: Runner) -> None:
    pytest.importorskip("xdist")
    # xdist sends the parameters as their reprs.
    tree = run_pytest(NEW, "-n1", junit=False).tree("pytest.reason", by_name=True)
    assert tree.replace("'0'", "0").replace("'1'", "1").replace("'2'", "2").replace("'3'", "3") == NEW_TREE


def test_more_than_a_trace_has_room_for(run_pytest: Runner) -> None:
    suite = """
        def test_many(subtests):
            for number in range({most} + 3):
                with subtests.test(number=number):
                    assert number < {most} + 2

        def test_next(subtests):
            with subtests.test():
                pass
    """
    run = run_pytest(suite.format(most=MOST_DETAILS), junit=False)
    assert run.summary == {"failed": 2, "passed": 1}
    told = [span for span in run.spans if span.name.startswith("subtest")]
    # A fixture takes room too, where the machine took a millisecond for it.
    slow = [span for span in run.spans if span.name.startswith("fixture ")]
    assert len(told) + len(slow) == MOST_DETAILS + 1
    assert [span.name for span in told if span.status == ERROR] == [f"subtest number={MOST_DETAILS + 2}"]
    many, then = (span.attributes["pytest.spans.dropped"] for span in run.tests)
    assert many == 2 + len(slow)
    assert then >= 1
    assert run.root.attributes["pytest.spans.dropped"] == many + then


def test_subtests_without_phases(run_pytest: Runner) -> None:
    run = run_pytest(NEW, "--otel-detail=tests", "-k", "fine")
    assert run.tree() == "\npytest success\n  collection\n  test_it.py::test_fine passed\n"
