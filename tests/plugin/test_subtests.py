from __future__ import annotations

import pytest

from support.runs import Runner

OLD = """
    import unittest

    class TestPrices(unittest.TestCase):
        def test_each(self):
            for number in range(3):
                with self.subTest("price", number=number):
                    self.assertNotEqual(number, 1)
"""
NEW = """
    def test_each(subtests):
        for number in range(3):
            with subtests.test("price", number=number):
                assert number != 1
"""


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="subtests came with pytest 9")
@pytest.mark.parametrize(
    ("suite", "test"),
    [(OLD, "test_it.py::TestPrices::test_each"), (NEW, "test_it.py::test_each")],
    ids=["unittest", "pytest"],
)
def test_subtests(run_pytest: Runner, suite: str, test: str) -> None:
    run = run_pytest(suite)
    names = [span.name for span in run.below(run.phase(test, "call"))]
    assert len(names) == 3
    assert all(name.startswith("subtest") for name in names)
    assert run.test(test).attributes["pytest.outcome"] == "failed"
