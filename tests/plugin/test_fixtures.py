"""Spans of fixtures, and the levels of detail."""

from __future__ import annotations

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
      fixture quick (function) teardown
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
      fixture outer (function) teardown
  test_it.py::test_call failed !no shop error.type='LookupError'
    setup
    call failed ! *LookupError error.type='LookupError'
      fixture outer (function)
      fixture broken (function) ! error.type='LookupError'
    teardown
      fixture outer (function) teardown
  test_it.py::test_teardown error !still open error.type='OSError'
    setup
      fixture leaking (function)
    call
    teardown error ! *OSError error.type='OSError'
      fixture leaking (function) teardown
"""
    )


def test_fixtures_of_setup_only(run_pytest: Runner) -> None:
    """`--setup-only` runs fixtures and no tests; its spans are those of the fixtures."""
    run = run_pytest(SLOW, "--setup-only", "--otel-detail=fixtures", "-k", "test_a")
    assert [span.name for span in run.tests] == ["test_it.py::test_a"]
