"""Spans of fixtures, and the levels of detail."""

from __future__ import annotations

import pytest

from support.received import ReceivedSpan
from support.runs import Run, Runner

SLOW = """
    import time
    import pytest

    @pytest.fixture(scope="session")
    def database():
        time.sleep(0.03)
        yield
        time.sleep(0.02)

    @pytest.fixture(scope="module")
    def tables(database):
        time.sleep(0.01)
        yield
        time.sleep(0.01)

    @pytest.fixture
    def quick():
        return 1

    @pytest.fixture(params=["a", "b"])
    def row(request):
        time.sleep(0.01)
        yield request.param
        time.sleep(0.01)

    def test_a(tables, quick): pass
    def test_b(tables, row): pass
"""
PARAMS = "pytest.fixture.params"


def test_slow_fixtures_have_spans(run_pytest: Runner) -> None:
    run = run_pytest(SLOW)
    names = {span.attributes["pytest.fixture.name"] for span in fixtures(run)}
    assert names - {"quick"} == {"database", "tables", "row"}
    assert_times(run)


def fixtures(run: Run) -> list[ReceivedSpan]:
    return [span for span in run.spans if "pytest.fixture.name" in span.attributes]


def assert_times(run: Run) -> None:
    for span in run.spans:
        if span.name.startswith("fixture database"):
            least = 20_000_000 if span.name.endswith("teardown") else 30_000_000
            assert span.end - span.start >= least


def test_all_fixtures_on_demand(run_pytest: Runner) -> None:
    run = run_pytest(SLOW, "--otel-detail=fixtures")
    assert (
        run.tree(PARAMS, fixtures=True)
        == """
pytest success
  collection
  test_it.py::test_a passed
    setup
      fixture database (session)
      fixture tables (module)
      fixture quick (function)
    call
    teardown
  test_it.py::test_b[a] passed
    setup
      fixture row (function) pytest.fixture.params='0'
    call
    teardown
      fixture row (function) teardown pytest.fixture.params='0'
  test_it.py::test_b[b] passed
    setup
      fixture row (function) pytest.fixture.params='1'
    call
    teardown
      fixture row (function) teardown pytest.fixture.params='1'
      fixture tables (module) teardown
      fixture database (session) teardown
"""
    )
    assert_times(run)
    assert run.named("fixture tables (module)").attributes == {
        "pytest.fixture.name": "tables",
        "pytest.fixture.scope": "module",
        "code.file.path": "test_it.py",
        "code.line.number": 11,
    }


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_those_of_earlier_tests_are_counted(run_pytest: Runner, args: list[str]) -> None:
    """Beside what others tell of a test."""
    if args:
        pytest.importorskip("xdist")
    conftest = "def pytest_otel_test_attributes(item, report): return {'team': 'shop'}"
    suite = (
        SLOW
        + """
    @pytest.fixture
    def broken(tables): raise LookupError("no shop")

    def test_c(request): request.getfixturevalue("database")
    def test_d(broken, tables): pass
    def test_e(tables): pass
    """
    )
    run = run_pytest({"conftest.py": conftest, "test_it.py": suite}, "--otel-detail=fixtures", *args)
    told = {span.name.partition("::")[2]: span.attributes.get("pytest.fixtures.cached") for span in run.tests}
    # test_c does not say beforehand what it asks for, test_d never gets its fixtures.
    assert told == {
        "test_a": None,
        "test_b[a]": 2,
        "test_b[b]": 2,
        "test_c": None,
        "test_d": None,
        "test_e": 2,
    }
    assert {span.attributes["team"] for span in run.tests} == {"shop"}


def test_without_anything_below_the_tests(run_pytest: Runner) -> None:
    suite = SLOW + "\n    def test_fails(): assert 0\n"
    run = run_pytest(suite, "--otel-detail=tests")
    assert (
        run.tree()
        == """
pytest failure !1 failed
  collection
  test_it.py::test_a passed
  test_it.py::test_b[a] passed
  test_it.py::test_b[b] passed
  test_it.py::test_fails failed !assert 0 *AssertionError
"""
    )


def test_an_expected_failure_is_none(run_pytest: Runner) -> None:
    suite = """
        import pytest

        @pytest.fixture
        def unknown(): pytest.xfail("not yet")

        @pytest.fixture
        def leaking():
            yield
            pytest.xfail("not yet")

        def test_setup(unknown): pass
        def test_teardown(leaking): pass
    """
    run = run_pytest(suite, "--otel-detail=fixtures")
    assert run.summary == {"xfailed": 2, "passed": 1}
    fixtures = [span for span in run.spans if span.name.startswith("fixture")]
    assert [(span.name, span.status, "error.type" in span.attributes) for span in fixtures] == [
        ("fixture unknown (function)", 0, False),
        ("fixture leaking (function)", 0, False),
        ("fixture leaking (function) teardown", 0, False),
    ]


def test_failing_fixtures(run_pytest: Runner) -> None:
    suite = """
        import pytest

        @pytest.fixture
        def outer(): return 1

        @pytest.fixture
        def broken(outer): raise LookupError("no shop")

        @pytest.fixture
        def leaking():
            yield
            raise OSError("still open")

        def test_setup(broken): pass
        def test_call(request): request.getfixturevalue("broken")
        def test_teardown(leaking): pass
    """
    run = run_pytest(suite, "--otel-detail=fixtures")
    assert (
        run.tree("error.type", fixtures=True)
        == """
pytest failure !1 failed, 2 error
  collection
  test_it.py::test_setup error !no shop error.type='LookupError'
    setup error ! *LookupError error.type='LookupError'
      fixture outer (function)
      fixture broken (function) ! error.type='LookupError'
    teardown
  test_it.py::test_call failed !no shop error.type='LookupError'
    setup
    call failed ! *LookupError error.type='LookupError'
      fixture outer (function)
      fixture broken (function) ! error.type='LookupError'
    teardown
  test_it.py::test_teardown error !still open error.type='OSError'
    setup
      fixture leaking (function)
    call
    teardown error ! *OSError error.type='OSError'
      fixture leaking (function) teardown ! error.type='OSError'
"""
    )


def test_whose_teardown_failed(run_pytest: Runner) -> None:
    """However a fixture is torn down, and however many fail together."""
    suite = """
        import pytest

        @pytest.fixture
        def fine():
            yield

        @pytest.fixture
        def first(fine):
            yield
            raise OSError("first")

        @pytest.fixture
        def second(request, first):
            def leave(): raise LookupError("second")
            request.addfinalizer(leave)

        @pytest.fixture(params=[1, 2], scope="module")
        def changing(request):
            yield
            raise ValueError("changed")

        def test_both(second): pass
        def test_next(changing): pass
    """
    run = run_pytest(suite)
    # The second value of `changing` is never set up: the teardown of the first fails before.
    told = [span for span in run.spans if span.name.startswith("fixture") and span.status == 2]
    assert sorted((span.name, span.attributes["error.type"], span.message) for span in told) == [
        ("fixture changing (module) teardown", "ValueError", "changed"),
        ("fixture first (function) teardown", "OSError", "first"),
        ("fixture second (function) teardown", "LookupError", "second"),
    ]


def test_fixtures_that_pytest_makes(run_pytest: Runner) -> None:
    """Of what stands around classes and modules, under the names that their authors gave."""
    suite = """
        import unittest

        def setup_module(): pass

        class TestOld(unittest.TestCase):
            @classmethod
            def setUpClass(cls): pass
            @classmethod
            def tearDownClass(cls): raise OSError("still open")
            def test_a(self): pass

        class TestBroken(unittest.TestCase):
            @classmethod
            def setUpClass(cls): raise LookupError("no shop")
            def test_a(self): pass

        class TestNose:
            @classmethod
            def setup_class(cls): pass
            def setup_method(self): pass
            def test_a(self): pass
    """
    run = run_pytest(suite, "--otel-detail=fixtures")
    named = {"setup_module", "setUpClass", "setup_class", "setup_method"}
    told = [span for span in fixtures(run) if span.attributes["pytest.fixture.name"] in named]
    assert sorted((span.name, span.message) for span in told) == [
        ("fixture setUpClass (class)", ""),
        ("fixture setUpClass (class)", "no shop"),
        ("fixture setUpClass (class) teardown", "still open"),
        ("fixture setup_class (class)", ""),
        ("fixture setup_class (class) teardown", ""),
        ("fixture setup_method (function)", ""),
        ("fixture setup_method (function) teardown", ""),
        ("fixture setup_module (module)", ""),
        ("fixture setup_module (module) teardown", ""),
    ]
    assert run.named("fixture setup_class (class)").attributes == {
        "pytest.fixture.name": "setup_class",
        "pytest.fixture.scope": "class",
    }
