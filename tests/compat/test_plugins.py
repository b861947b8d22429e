"""Plugins that reorder, wrap, print or measure: beside ours they do what they did."""

from __future__ import annotations

import json

import pytest

from compat.beside import Beside, Row
from support.runs import Run

MIXED = """
    import pytest

    @pytest.mark.parametrize("n", range(4))
    def test_n(n): assert n != 2

    @pytest.mark.skip(reason="no")
    def test_skipped(): pass

    @pytest.mark.xfail(reason="known")
    def test_expected(): assert 0

    @pytest.fixture
    def broken(): raise LookupError("no shop")

    def test_error(broken): pass
"""
COUNTS = "3 passed, 1 failed, 1 skipped, 1 xfailed, 1 error"
COVERED = {
    "shop.py": "def price(n):\n    if n > 2:\n        return 3\n    return 4\n",
    "test_it.py": "import shop\n\ndef test_a(): assert shop.price(1) == 4\ndef test_b(): assert shop.price(1) == 3",
}


def check_coverage(run: Run) -> None:
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("shop.py"))
    assert line.endswith("%   3"), line


MOCKED = """
    import os
    import time

    def test_a(mocker):
        mocker.patch("os.getpid", return_value=1)
        mocker.patch("time.monotonic_ns", return_value=1)
        mocker.patch("os.write", side_effect=OSError)
        mocker.patch("builtins.open", side_effect=OSError)
        assert os.getpid() == 1

    def test_b(mocker):
        spy = mocker.spy(os, "getpid")
        os.getpid()
        assert spy.call_count == 1
"""
DJANGO = {
    "settings.py": """
        SECRET_KEY = "x"
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
        INSTALLED_APPS = ["django.contrib.contenttypes"]
        USE_TZ = True
    """,
    "test_it.py": """
        import pytest
        from django.contrib.contenttypes.models import ContentType
        from django.test import TestCase

        def test_plain(): pass

        @pytest.mark.django_db
        def test_database(): assert ContentType.objects.count() == 1

        @pytest.mark.django_db(transaction=True)
        def test_transaction(): ContentType.objects.create(app_label="a", model="b")

        def test_without(): ContentType.objects.count()

        class TestShop(TestCase):
            @classmethod
            def setUpTestData(cls): cls.kind = ContentType.objects.create(app_label="c", model="d")
            def test_data(self): self.assertEqual(self.kind.model, "d")
    """,
}
WRAPPED = {
    "conftest.py": """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_collection_modifyitems(items):
            items.sort(key=lambda item: item.name, reverse=True)

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            print("before", item.name)
            return (yield)

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if call.when == "call" and report.failed and "tolerated" in item.keywords:
                report.outcome = "passed"
            return report

        def pytest_configure(config): config.addinivalue_line("markers", "tolerated: may fail")
    """,
    "test_it.py": """
        import pytest

        def test_a(): pass
        @pytest.mark.tolerated
        def test_b(): assert 0
        def test_c(): assert 0
    """,
}
BENCHMARK = """
    def test_fast(benchmark): assert benchmark.pedantic(sum, args=([1, 2],), rounds=3) == 3
    def test_wrong(benchmark): assert benchmark.pedantic(sum, args=([1, 2],), rounds=3) == 4
"""
HYPOTHESIS = """
    from hypothesis import given, settings, strategies as st

    seen = []

    @settings(derandomize=True, database=None)
    @given(st.integers())
    def test_small(n):
        seen.append(n)
        assert n < 100

    def test_examples(): assert len(seen) > 5
"""


def check_hypothesis(run: Run) -> None:
    ((_, event),) = run.exceptions
    assert event.attributes["exception.type"] == "AssertionError"
    assert "n=100," in run.stdout


CHECKS = """
    from pytest_check import check

    def test_many():
        check.equal(1, 2)
        check.is_true(False)

    def test_some():
        with check: assert 1 == 2
        check.equal(1, 1)

    def test_none(): check.equal(1, 1)
"""


def check_checks(run: Run) -> None:
    failed = [span for span in run.tests if span.status == 2]
    assert {span.name.partition("::")[2] for span in failed} == {"test_many", "test_some"}
    assert all(span.message for span in failed)


DEPENDENT = """
    import pytest

    @pytest.mark.dependency()
    def test_a(): assert 0

    @pytest.mark.dependency(depends=["test_a"])
    def test_b(): pass

    @pytest.mark.dependency()
    def test_c(): pass

    @pytest.mark.dependency(depends=["test_c"])
    def test_d(): pass
"""


def check_dependency(run: Run) -> None:
    assert run.test("test_b").attributes["pytest.reason"] == "test_b depends on test_a"


ORDERED = """
    import pytest

    @pytest.mark.order(2)
    def test_a(): pass

    @pytest.mark.order(1)
    def test_b(): pass

    @pytest.mark.order("last")
    def test_c(): pass

    def test_d(): assert 0
"""


def check_reportlog(run: Run) -> None:
    lines = [json.loads(line) for line in (run.folder / "report.jsonl").read_text().splitlines()]
    assert lines
    assert not any("_otlp" in line for line in lines)


def check_allure(run: Run) -> None:
    results = [json.loads(path.read_text()) for path in (run.folder / "allure").glob("*-result.json")]
    assert len(results) == len(run.tests)


ROWS = [
    Row(
        "randomly",
        MIXED,
        COUNTS,
        ("-p", "randomly", "-p", "no:cacheprovider", "--randomly-seed=7"),
        ("pytest_randomly",),
        ("randomly",),
        modes=("alone", "n0"),
    ),
    Row(
        "split",
        MIXED,
        "3 passed, 1 failed",
        ("--splits=2", "--group=1"),
        ("pytest_split",),
        ("pytest-split",),
        common=False,
        modes=("alone", "n2"),
    ),
    Row(
        "cov",
        COVERED,
        "1 passed, 1 failed",
        ("--cov=shop", "--cov-branch", "--cov-report=term-missing"),
        ("pytest_cov",),
        ("pytest_cov",),
        common=False,
        check=check_coverage,
    ),
    Row("mock", MOCKED, "2 passed", (), ("pytest_mock",), ("pytest_mock",)),
    Row(
        "django",
        DJANGO,
        "4 passed, 1 failed",
        (),
        ("pytest_django",),
        ("django",),
        ini="DJANGO_SETTINGS_MODULE = settings\npythonpath = .",
        common=False,
        modes=("alone", "n2"),
    ),
    Row("wrapped", WRAPPED, "2 passed, 1 failed"),
    Row(
        "benchmark",
        BENCHMARK,
        "1 passed, 1 failed",
        (),
        ("pytest_benchmark",),
        ("benchmark",),
        modes=("alone", "n0"),
        same_output=False,
    ),
    Row("sugar", MIXED, COUNTS, (), ("pytest_sugar",), ("sugar",), same_output=False),
    Row("pretty", MIXED, COUNTS, (), ("pytest_pretty",), ("pretty",), same_output=False),
    Row(
        "html",
        MIXED,
        COUNTS,
        ("--html=report.html", "--self-contained-html"),
        ("pytest_html",),
        ("html", "html_fixtures", "metadata"),
        modes=("alone", "n2"),
    ),
    Row(
        "reportlog",
        MIXED,
        COUNTS,
        ("--report-log=report.jsonl",),
        ("pytest_reportlog",),
        ("pytest_reportlog",),
        modes=("alone", "n2"),
        check=check_reportlog,
    ),
    Row(
        "allure",
        MIXED,
        COUNTS,
        ("--alluredir=allure",),
        ("allure_pytest",),
        ("allure_pytest",),
        modes=("alone", "n2"),
        check=check_allure,
    ),
    Row(
        "hypothesis",
        HYPOTHESIS,
        "1 passed, 1 failed",
        (),
        ("hypothesis",),
        ("hypothesispytest",),
        dist="loadfile",
        same_output=False,
        check=check_hypothesis,
    ),
    Row("check", CHECKS, "1 passed, 2 failed", (), ("pytest_check",), ("check",), check=check_checks),
    Row(
        "dependency",
        DEPENDENT,
        "2 passed, 1 failed, 1 skipped",
        (),
        ("pytest_dependency",),
        ("dependency",),
        dist="loadfile",
        check=check_dependency,
    ),
    Row("order", ORDERED, "3 passed, 1 failed", (), ("pytest_order",), ("pytest_order",), modes=("alone", "n0")),
    Row("instafail", MIXED, COUNTS, ("--instafail",), ("pytest_instafail",), ("instafail",), modes=("alone", "n2")),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_beside_other_plugins(beside: Beside, row: Row) -> None:
    beside.hold(row)
