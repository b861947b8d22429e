from __future__ import annotations

import pytest

from support.runs import Runner

EVERY_OUTCOME = """
    import unittest
    import pytest

    def test_passes():
        pass

    def test_fails():
        assert 1 == 2

    @pytest.fixture
    def broken():
        raise RuntimeError("no shop")

    @pytest.fixture
    def leaking():
        yield
        raise OSError("still open")

    def test_setup_breaks(broken):
        pass

    def test_teardown_breaks(leaking):
        pass

    def test_both_break(leaking):
        raise ValueError("first")

    def test_skips():
        pytest.skip("not today")

    @pytest.fixture
    def skipping():
        pytest.skip("no database")

    def test_skips_in_setup(skipping):
        pass

    @pytest.mark.skip(reason="not sold yet")
    def test_marked_skip():
        pass

    @pytest.mark.skipif(True, reason="too new")
    def test_marked_skipif():
        pass

    def test_fails_by_word():
        pytest.fail("said so")

    @pytest.mark.xfail(reason="known")
    def test_xfails():
        assert 0

    @pytest.mark.xfail(run=False, reason="crashes")
    def test_xfails_unrun():
        assert 0

    def test_xfails_by_word():
        pytest.xfail("seen late")

    @pytest.mark.xfail(reason="once broken")
    def test_xpasses():
        pass

    @pytest.mark.xfail(strict=True, reason="must fail")
    def test_xpasses_strictly():
        pass

    @pytest.mark.xfail(raises=KeyError, reason="another")
    def test_fails_otherwise():
        raise ValueError("not a KeyError")

    def test_leaves():
        raise SystemExit(3)

    class TestOld(unittest.TestCase):
        def test_a_passes(self):
            pass

        @unittest.skip("not this one")
        def test_b_skipped(self):
            pass

        @unittest.expectedFailure
        def test_c_expected(self):
            self.fail("as said")
"""


def test_every_outcome(run_pytest: Runner) -> None:
    run = run_pytest(EVERY_OUTCOME)
    assert (
        run.tree("pytest.reason")
        == """
pytest failure !6 failed, 3 error
  collection
  test_it.py::test_passes passed (setup, call, teardown)
  test_it.py::test_fails failed !assert 1 == 2 (setup, call failed ! *AssertionError, teardown)
  test_it.py::test_setup_breaks error !no shop
    setup error ! *RuntimeError
      fixture broken (function) !
    teardown
  test_it.py::test_teardown_breaks error !still open
    setup
    call
    teardown error ! *OSError
      fixture leaking (function) teardown !
  test_it.py::test_both_break failed !first
    setup
    call failed ! *ValueError
    teardown error !still open *OSError
      fixture leaking (function) teardown !
  test_it.py::test_skips skipped pytest.reason='not today' (setup, call skipped, teardown)
  test_it.py::test_skips_in_setup skipped pytest.reason='no database' (setup skipped, teardown)
  test_it.py::test_marked_skip skipped pytest.reason='not sold yet' (setup skipped, teardown)
  test_it.py::test_marked_skipif skipped pytest.reason='too new' (setup skipped, teardown)
  test_it.py::test_fails_by_word failed !said so (setup, call failed ! *Failed, teardown)
  test_it.py::test_xfails xfailed pytest.reason='known' (setup, call xfailed, teardown)
  test_it.py::test_xfails_unrun xfailed pytest.reason='[NOTRUN] crashes' (setup xfailed, teardown)
  test_it.py::test_xfails_by_word xfailed pytest.reason='seen late' (setup, call xfailed, teardown)
  test_it.py::test_xpasses xpassed pytest.reason='once broken' (setup, call xpassed, teardown)
  test_it.py::test_xpasses_strictly failed ![XPASS(strict)] must fail (setup, call failed ! *XPASS(strict), teardown)
  test_it.py::test_fails_otherwise failed !not a KeyError (setup, call failed ! *ValueError, teardown)
  test_it.py::test_leaves failed !3 (setup, call failed ! *SystemExit, teardown)
  test_it.py::TestOld::test_a_passes passed (setup, call, teardown)
  test_it.py::TestOld::test_b_skipped skipped pytest.reason='not this one' (setup, call skipped, teardown)
  test_it.py::TestOld::test_c_expected xfailed (setup, call xfailed, teardown)
"""
    )
    assert {span.attributes["test.case.result.status"] for span in run.tests} == {"pass", "fail", "skip", "error"}
    assert run.root.attributes["pytest.tests.collected"] == len(run.tests)


def test_result_status_of_each_outcome(run_pytest: Runner) -> None:
    run = run_pytest(EVERY_OUTCOME, "-k", "passes or fails or skips or breaks")
    statuses = {span.attributes["pytest.outcome"]: span.attributes["test.case.result.status"] for span in run.tests}
    assert statuses == {
        "passed": "pass",
        "xpassed": "pass",
        "failed": "fail",
        "error": "error",
        "skipped": "skip",
        "xfailed": "skip",
    }


@pytest.mark.parametrize(
    ("args", "tree"),
    [
        (
            ["-x"],
            """
pytest failure !1 failed
  collection
  test_it.py::test_a passed (setup, call, teardown)
  test_it.py::test_b failed !assert 0 (setup, call failed ! *AssertionError, teardown)
""",
        ),
        (
            ["--maxfail=2"],
            """
pytest failure !1 failed, 1 error
  collection
  test_it.py::test_a passed (setup, call, teardown)
  test_it.py::test_b failed !assert 0 (setup, call failed ! *AssertionError, teardown)
  test_it.py::test_c error !nothing there
    setup error ! *LookupError
      fixture gone (function) !
    teardown
""",
        ),
    ],
    ids=["-x", "--maxfail"],
)
def test_stops_early(run_pytest: Runner, args: list[str], tree: str) -> None:
    suite = """
        import pytest

        @pytest.fixture
        def gone():
            raise LookupError("nothing there")

        def test_a(): pass
        def test_b(): assert 0
        def test_c(gone): pass
        def test_d(): pass
    """
    run = run_pytest(suite, *args)
    assert run.tree() == tree
    assert run.root.attributes["pytest.tests.collected"] == 4


@pytest.mark.parametrize(
    ("args", "deselected"), [(["-k", "test_a"], 1), (["-m", "slow"], 1), (["--deselect=test_it.py::test_b"], 1)]
)
def test_deselected_tests_are_counted_and_have_no_span(run_pytest: Runner, args: list[str], deselected: int) -> None:
    suite = """
        import pytest

        @pytest.mark.slow
        def test_a(): pass
        def test_b(): pass
    """
    run = run_pytest(suite, *args, ini="markers = slow")
    assert [span.name for span in run.tests] == ["test_it.py::test_a"]
    assert run.root.attributes["pytest.tests.deselected"] == deselected
    assert run.root.attributes["pytest.tests.collected"] == 1


def test_the_span_is_as_long_as_its_phases(run_pytest: Runner) -> None:
    run = run_pytest("def test_a(): pass")
    test = run.test("test_a")
    phases = run.below(test)
    assert (test.start, test.end) == (phases[0].start, phases[-1].end)
    assert 0 < test.attributes["pytest.duration"] <= (test.end - test.start) / 1e9


def test_the_same_test_twice(run_pytest: Runner) -> None:
    run = run_pytest("def test_a(): pass", "test_it.py", "test_it.py", "--keep-duplicates")
    assert [span.name for span in run.tests] == ["test_it.py::test_a"] * 2


def test_a_test_that_runs_again_after_others(run_pytest: Runner) -> None:
    again = """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtestloop(session):
            result = yield
            first = session.items[0]
            first.config.hook.pytest_runtest_protocol(item=first, nextitem=None)
            return result
    """
    run = run_pytest({"conftest.py": again, "test_it.py": "def test_a(): pass\ndef test_b(): pass"})
    attempts = [(span.name, span.attributes["pytest.attempt"]) for span in run.tests]
    assert sorted(attempts) == [("test_it.py::test_a", 1), ("test_it.py::test_a", 2), ("test_it.py::test_b", 1)]


def test_items_that_are_no_functions(run_pytest: Runner) -> None:
    files = {
        "conftest.py": """
            import pytest

            class Check(pytest.Item):
                def runtest(self): assert self.name != "bad"
                def reportinfo(self): return self.path, None, self.name

            class Table(pytest.File):
                def collect(self):
                    for name in self.path.read_text().split():
                        yield Check.from_parent(self, name=name)

            def pytest_collect_file(file_path, parent):
                if file_path.suffix == ".table":
                    return Table.from_parent(parent, path=file_path)
        """,
        "prices.table": "good bad",
        "mod.py": '''
            def double(number):
                """
                >>> double(2)
                4
                """
                return number * 2
        ''',
    }
    run = run_pytest(files, "--doctest-modules")
    assert (
        run.tree("code.file.path", "code.line.number", "code.function.name", by_name=True)
        == """
pytest failure !1 failed
  collection
  mod.py::mod.double passed code.file.path='mod.py' code.line.number=3 code.function.name='mod.double' \
(setup, call, teardown)
  prices.table::bad failed !assert 'bad' != 'bad' code.file.path='prices.table' code.function.name='bad' \
(setup, call failed ! *AssertionError, teardown)
  prices.table::good passed code.file.path='prices.table' code.function.name='good' (setup, call, teardown)
"""
    )
