"""Beside other plugins: the counts are those of pytest's summary and of the run without us, and every span arrives."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping

import pytest

from faults.scene import Scene, check_delivered
from support import traces
from support.otlp_server import OtlpServer
from support.runs import Run

MIXED = {
    "test_a.py": """
        import pytest

        @pytest.mark.parametrize("n", range(6))
        def test_n(n): assert n != 4

        @pytest.mark.skip(reason="no")
        def test_skipped(): pass

        @pytest.mark.xfail(reason="known")
        def test_expected(): assert 0

        @pytest.mark.xfail(reason="known")
        def test_unexpected(): pass
    """,
    "test_b.py": """
        import pytest

        @pytest.fixture
        def broken(): raise LookupError("no shop")

        @pytest.fixture
        def breaks():
            yield
            raise LookupError("still no shop")

        @pytest.mark.xdist_group("shop")
        class TestGroup:
            def test_error(self, broken): pass
            def test_late(self, breaks): pass
            def test_both(self, breaks): assert 0
    """,
}
COUNTS = Counter(passed=6, failed=2, error=3, skipped=1, xfailed=1, xpassed=1)


def run_beside(scene: Scene, suite: str | Mapping[str, str], *args: str, ini: str = "") -> Run:
    """`Scene.run` has compared it with the run without us, `check_delivered` with the summary."""
    with OtlpServer() as server:
        ended = scene.run(suite, server, *args, ini=ini)
    assert traces.problems(ended.run.spans) == []
    return check_delivered(ended)


# 31


@pytest.mark.parametrize("dist", ["loadscope", "loadgroup", "worksteal"])
def test_31_xdist(scene: Scene, dist: str) -> None:
    pytest.importorskip("xdist")
    run = run_beside(scene, MIXED, "-n2", f"--dist={dist}")
    assert run.summary == COUNTS
    assert len(run.tests) == 12


# 32


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["n0", "n2"])
def test_32_rerunfailures(scene: Scene, args: tuple[str, ...]) -> None:
    pytest.importorskip("pytest_rerunfailures")
    if args:
        pytest.importorskip("xdist")
    run = run_beside(scene, MIXED, "-p", "rerunfailures", "--reruns=1", *args)
    assert run.summary is not None
    assert run.summary["rerun"] == 5
    # Both reports of one attempt, its call and its teardown, are reruns.
    assert len(run.tests) == 12 + 4


FLAKY = """
from flaky import flaky

calls = []

@flaky(max_runs=3)
def test_flaky():
    calls.append(1)
    assert len(calls) > 2

@flaky
def test_never(): assert 0

def test_a(): pass
"""


def test_32_flaky(scene: Scene) -> None:
    pytest.importorskip("flaky")
    run = run_beside(scene, FLAKY, "-p", "flaky")
    assert run.summary == Counter(passed=2, failed=1)
    outcomes = {span.name.partition("::")[2]: span.attributes["pytest.outcome"] for span in run.tests}
    assert outcomes == {"test_flaky": "passed", "test_never": "failed", "test_a": "passed"}


# 33

SUBTESTS = """
import unittest

def test_each(subtests):
    for n in range(4):
        with subtests.test(n=n):
            assert n != 2

def test_fine(subtests):
    with subtests.test("fine"):
        pass

class TestPrices(unittest.TestCase):
    def test_each(self):
        for n in range(3):
            with self.subTest("price", n=n):
                self.assertNotEqual(n, 1)
"""


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="subtests came with pytest 9")
@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["n0", "n2"])
def test_33_subtests(scene: Scene, args: tuple[str, ...]) -> None:
    if args:
        pytest.importorskip("xdist")
    run = run_beside(scene, SUBTESTS, *args)
    failed = [span for span in run.spans if span.name.startswith("subtest ") and span.status == traces.ERROR]
    assert len(failed) == 2
    assert len(run.tests) == 3


# 34

ASYNC = """
import asyncio
import pytest
from opentelemetry import trace

HEAD

def seen(name):
    trace.get_current_span().set_attribute(name, 1)

MARK_FIXTURE
async def shop():
    seen("in_fixture")
    await asyncio.sleep(0)
    yield
    seen("in_teardown")

MARK
async def test_a(shop):
    await asyncio.sleep(0)
    seen("in_test")

MARK
async def test_b(shop):
    await asyncio.gather(later(), later())

async def later():
    await asyncio.sleep(0)
    seen("in_test")

def test_c():
    seen("in_test")
"""
LIBRARIES = {
    "anyio": ("", "@pytest.fixture", "@pytest.mark.anyio"),
    **{
        f"asyncio {scope}": (
            "import pytest_asyncio",
            f"@pytest_asyncio.fixture(loop_scope='{scope}')",
            f"@pytest.mark.asyncio(loop_scope='{scope}')",
        )
        for scope in ("function", "module", "session")
    },
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_34_the_current_span_of_async_tests(scene: Scene, library: str) -> None:
    plugin = library.partition(" ")[0]
    pytest.importorskip(f"pytest_{plugin}" if plugin == "asyncio" else plugin)
    head, fixture, mark = LIBRARIES[library]
    suite = ASYNC.replace("HEAD", head).replace("MARK_FIXTURE", fixture).replace("MARK", mark)
    if plugin == "anyio":
        suite += "\n@pytest.fixture(scope='module')\ndef anyio_backend(): return 'asyncio'\n"
    run = run_beside(scene, suite, "-p", plugin)
    for name in ("test_a", "test_b", "test_c"):
        assert said(run, name, "in_test"), name
    for name in ("test_a", "test_b"):
        assert said(run, name, "in_fixture"), name
        assert said(run, name, "in_teardown"), name


def said(run: Run, test: str, attribute: str) -> bool:
    """On the test's span or on that of one of its phases."""
    spans = [run.test(test), *run.below(run.test(test))]
    return any(attribute in name for span in spans for name in span.attributes)


# 35

BDD = {
    "shop.feature": """
        Feature: Shop
            Scenario Outline: Buying
                Given a shop
                When I buy <number> books
                Then I have at most 2 books

                Examples:
                | number |
                | 1      |
                | 3      |

            Scenario: Unknown step
                Given a shop
                Then nobody knows
    """,
    "test_it.py": """
        from pytest_bdd import given, parsers, scenarios, then, when

        scenarios("shop.feature")

        @given("a shop", target_fixture="shop")
        def _(): return []

        @when(parsers.parse("I buy {number:d} books"))
        def _(shop, number): shop.extend(range(number))

        @then(parsers.parse("I have at most {number:d} books"))
        def _(shop, number): assert len(shop) <= number
    """,
}
DOCTEST = {
    "shop.py": '''
        def price():
            """
            >>> price()
            3
            """
            return 3

        def wrong():
            """
            >>> wrong()
            4
            """
            return 3

        def skipped():
            """
            >>> skipped()  # doctest: +SKIP
            """
    ''',
    "test_it.py": "def test_a(): pass",
    "guide.txt": "\n>>> 1 + 1\n2\n",
}
UNITTEST = """
import unittest

class TestShop(unittest.TestCase):
    @classmethod
    def setUpClass(cls): cls.stock = 3
    def setUp(self): self.addCleanup(print, "clean")
    def tearDown(self): pass
    def test_passes(self): self.assertEqual(self.stock, 3)
    def test_fails(self): self.assertEqual(self.stock, 4)
    def test_error(self): raise LookupError
    def test_skips(self): self.skipTest("no")
    @unittest.skip("never")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): pass

class TestBroken(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise LookupError("no shop")
    def test_a(self): pass
    def test_b(self): pass

class TestLeft(unittest.TestCase):
    @classmethod
    def tearDownClass(cls): raise LookupError("still no shop")
    def test_a(self): pass

class TestAsync(unittest.IsolatedAsyncioTestCase):
    async def test_a(self): pass
    async def test_b(self): self.fail()
"""
TIMEOUT = """
import time

def test_a(): pass
def test_hangs(): time.sleep(60)
def test_c(): pass
"""
COVERED = {"shop.py": "def price():\n    return 3\n", **MIXED, "test_c.py": "import shop\ndef test_c(): shop.price()"}
CASES: dict[str, tuple[str, str | Mapping[str, str], tuple[str, ...], Counter[str], int]] = {
    "randomly": ("pytest_randomly", MIXED, ("-p", "randomly", "--randomly-seed=7"), COUNTS, 12),
    "cov": (
        "pytest_cov",
        COVERED,
        ("-p", "pytest_cov", "--cov=shop", "--cov-report=term"),
        COUNTS + Counter(passed=1),
        13,
    ),
    "timeout": (
        "pytest_timeout",
        TIMEOUT,
        ("-p", "timeout", "--timeout=0.3", "--timeout-method=signal"),
        Counter(passed=2, failed=1),
        3,
    ),
    "bdd": ("pytest_bdd", BDD, ("-p", "pytest_bdd.plugin"), Counter(passed=1, failed=2), 3),
    "doctest": (
        "_pytest.doctest",
        DOCTEST,
        ("--doctest-modules", "--doctest-glob=*.txt"),
        Counter(passed=3, failed=1, skipped=1),
        5,
    ),
    "unittest": ("unittest", UNITTEST, (), Counter(passed=3, failed=4, skipped=2, xfailed=1, error=3), 12),
    "repeat": ("pytest_repeat", MIXED, ("-p", "repeat", "--count=2"), COUNTS + COUNTS, 24),
}


@pytest.mark.parametrize("case", CASES)
def test_35_plugins(scene: Scene, case: str) -> None:
    package, suite, args, counts, tests = CASES[case]
    pytest.importorskip(package)
    if case == "timeout" and sys.platform == "win32":
        pytest.skip("no signals")
    run = run_beside(scene, suite, *args)
    assert run.summary is not None
    assert {word: number for word, number in run.summary.items() if word != "warning"} == counts
    assert len(run.tests) == tests


def test_35_coverage_is_what_it_was(scene: Scene) -> None:
    pytest.importorskip("pytest_cov")
    args = ("-p", "pytest_cov", "--cov=shop", "--cov-branch", "--cov-report=term-missing")
    run = run_beside(scene, COVERED, *args)
    assert table(run) == table(scene.without(COVERED, *args))
    assert any("shop.py" in line and "100%" in line for line in table(run))


def table(run: Run) -> list[str]:
    return [line for line in run.stdout.splitlines() if line.startswith(("shop.py", "TOTAL"))]
