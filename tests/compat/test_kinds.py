"""Kinds of tests: whatever pytest runs as one is told as one."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from importlib.util import find_spec

import pytest
from packaging.version import Version

from compat.beside import Beside, Row
from support.runs import Run

SUBTESTS_ARE_TOLD = pytest.version_tuple >= (9,)

UNITTEST = """
    import unittest

    class TestShop(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.stock = [3]
            cls.addClassCleanup(cls.stock.clear)

        def setUp(self): self.addCleanup(print, "clean")
        def test_passes(self): self.assertEqual(self.stock, [3])
        def test_fails(self): self.assertEqual(self.stock, [4])
        def test_skips(self): self.skipTest("no")

        def test_fails_to_clean(self):
            self.addCleanup(self.fail, "dirty")

        @unittest.skip("never")
        def test_skipped(self): pass

        @unittest.expectedFailure
        def test_expected(self): self.fail()

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
        async def asyncSetUp(self): self.stock = 3
        async def test_a(self): self.assertEqual(self.stock, 3)

    @unittest.skip("not this class")
    class TestNever(unittest.TestCase):
        def test_a(self): pass
"""


def check_unittest(run: Run) -> None:
    broken = [span for span in run.spans if span.name == "fixture setUpClass (class)" and span.status == 2]
    assert {span.message for span in broken} == {"no shop"}
    (left,) = (span for span in run.spans if span.name == "fixture setUpClass (class) teardown" and span.status == 2)
    assert left.message == "still no shop"
    dirty = run.test("test_fails_to_clean")
    assert (dirty.message, dirty.attributes["error.type"]) == ("dirty", "AssertionError")


SUBTESTS = """
    import unittest

    class TestShop(unittest.TestCase):
        def test_each(self):
            for number in range(3):
                with self.subTest("price", number=number):
                    self.assertNotEqual(number % 2, 1)

        def test_none_fails(self):
            with self.subTest(number=1):
                pass

        def test_fails_after(self):
            with self.subTest(number=1):
                pass
            self.fail("outside")
"""


def check_subtests(run: Run) -> None:
    if SUBTESTS_ARE_TOLD:
        (failed,) = (span for span in run.spans if span.name.startswith("subtest price") and span.status == 2)
        assert failed.attributes["pytest.subtest.parameters"].replace("'", "") == "number=1"


DOCTEST = {
    "shop.py": '''
        """A shop.

        >>> price()
        3
        """
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

        class Till:
            """
            >>> Till().open()
            """
            def open(self): raise OSError("stuck")

        def skipped():
            """
            >>> skipped()  # doctest: +SKIP
            """
    ''',
    "guide.txt": "\n>>> 1 + 1\n2\n",
    "test_it.py": "def test_a(): pass",
}


def check_doctest(run: Run) -> None:
    wrong = run.test("shop.wrong")
    assert (wrong.message, wrong.attributes["error.type"]) == ("wrong(): expected 4, got 3", "doctest.DocTestFailure")
    assert (wrong.attributes["code.file.path"], wrong.attributes["code.function.name"]) == ("shop.py", "shop.wrong")
    assert run.test("shop.Till").message == "stuck"
    assert run.test("guide.txt::guide.txt").attributes["code.file.path"] == "guide.txt"


BDD = {
    "shop.feature": """\
Feature: Shop
    What may be bought.

    Background:
        Given a shop

    Scenario Outline: Buying
        When I buy <number> books
        Then I have at most 2 books

        Examples:
        | number |
        | 1      |
        | 3      |

    Scenario: Unknown step
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


def check_bdd(run: Run) -> None:
    test = run.test("test_buying[3]")
    assert test.attributes["pytest.description"] == "What may be bought."
    assert (test.attributes["code.file.path"], test.attributes["code.line.number"]) == ("shop.feature", 7)
    assert test.attributes["pytest.parameters.number"] == "3"
    (feature,) = run.below(run.phase("test_buying[3]", "call"))
    (scenario,) = run.below(feature)
    steps = run.below(scenario)
    assert [feature.name, scenario.name] == ["feature Shop", "scenario Buying"]
    assert [step.name for step in steps] == ["Given a shop", "When I buy 3 books", "Then I have at most 2 books"]
    assert [step.status for step in steps] == [0, 0, 2]
    assert (steps[2].attributes["error.type"], steps[2].attributes["code.line.number"]) == ("AssertionError", 9)
    unknown = [span for span in run.spans if span.name == "Then nobody knows"]
    assert [span.message.partition(":")[0] for span in unknown] == ["Step definition is not found"]


NOSE = """
    def setup_module(): print("module")
    def teardown_module(): raise OSError("left")
    def setup_function(function): function.ready = True
    def test_function(): assert test_function.ready

    class TestShop:
        @classmethod
        def setup_class(cls): cls.stock = 3
        def setup_method(self, method): self.stock += 1
        def teardown_method(self, method): assert self.stock != 5
        def test_passes(self): assert self.stock == 4
        def test_leaves(self): self.stock = 5

    class TestBroken:
        @classmethod
        def setup_class(cls): raise LookupError("no shop")
        def test_a(self): pass
"""
PARAMETERS = """
    import pytest

    class Thing:
        pass

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            pytest.param(1, "x", id="first"),
            pytest.param(2, Thing(), id="second", marks=pytest.mark.xfail(reason="known", strict=True)),
            pytest.param(3, None, marks=pytest.mark.skip(reason="sold out")),
            pytest.param(4, "é\\0"),
        ],
    )
    def test_pairs(a, b): assert a != 2

    @pytest.mark.parametrize("size", ["s", "l"])
    class TestSizes:
        @pytest.mark.parametrize("color", ["red"])
        def test_color(self, size, color): pass
        def test_size(self, size): pass

    @pytest.fixture(params=["eur", "usd"], ids=["Euro", "Dollar"])
    def currency(request): return request.param

    @pytest.fixture
    def rate(currency, request): return request.getfixturevalue("currency")

    def test_fixture(rate): assert rate != "usd"

    @pytest.mark.parametrize("currency", ["yen"], indirect=True)
    def test_indirect(currency): pass

    def pytest_generate_tests(metafunc):
        if "made" in metafunc.fixturenames:
            metafunc.parametrize("made", range(2))

    def test_made(made): pass

    @pytest.mark.parametrize("nothing", [])
    def test_empty(nothing): pass
"""


def check_parameters(run: Run) -> None:
    said = {span.name.partition("::")[2]: span.attributes for span in run.tests}
    assert said["test_pairs[first]"]["pytest.parameters.b"] == "x"
    assert said["TestSizes::test_color[red-s]"]["pytest.parameters.size"] == "s"
    assert said["test_fixture[Euro]"]["pytest.parameters.currency"] == "eur"
    assert said["test_indirect[yen]"]["pytest.parameters.currency"] == "yen"


DYNAMIC = {
    "conftest.py": """
        import pytest

        def pytest_collection_modifyitems(session, items):
            first = items[0]
            added = pytest.Function.from_parent(first.parent, name="test_added", callobj=lambda: None)
            items.insert(0, added)
            items.append(pytest.Function.from_parent(first.parent, name="test_last", callobj=fails))
            items.reverse()

        def fails():
            '''Added by hand.'''
            assert 0
    """,
    "test_it.py": "def test_a(): pass\ndef test_b(): pass",
}


def check_dynamic(run: Run) -> None:
    assert run.test("test_last").attributes["pytest.description"] == "Added by hand."
    assert run.root.attributes["pytest.tests.collected"] == len(run.tests)


YAML = {
    "conftest.py": """
        import pytest
        import yaml

        def pytest_collect_file(parent, file_path):
            if file_path.suffix == ".yaml":
                return Table.from_parent(parent, path=file_path)

        class Table(pytest.File):
            def collect(self):
                for name, spec in yaml.safe_load(self.path.open()).items():
                    yield Price.from_parent(self, name=name, spec=spec)

        class Price(pytest.Item):
            def __init__(self, *, spec, **kwargs):
                super().__init__(**kwargs)
                self.spec = spec
                if spec.get("skip"):
                    self.add_marker(pytest.mark.skip(reason=spec["skip"]))

            def runtest(self):
                if self.spec["is"] != self.spec["should"]:
                    raise WrongPrice(self.spec)

            def repr_failure(self, excinfo):
                return f"too dear by {excinfo.value.args[0]['is'] - excinfo.value.args[0]['should']}"

            def reportinfo(self):
                return self.path, 0, f"price: {self.name}"

        class WrongPrice(Exception):
            pass
    """,
    "test_prices.yaml": """
        book: {is: 3, should: 3}
        pen: {is: 3, should: 2}
        ink: {is: 3, should: 2, skip: sold out}
    """,
}


def check_yaml(run: Run) -> None:
    pen = run.test("test_prices.yaml::pen")
    assert pen.attributes["code.file.path"] == "test_prices.yaml"
    assert pen.attributes["error.type"] == "conftest.WrongPrice"
    ((_, event),) = run.exceptions
    assert event.attributes["exception.stacktrace"].endswith("too dear by 1")
    assert run.test("ink").attributes["pytest.reason"] == "sold out"


# The current span

NOTES = """
    import json
    import pathlib

    from opentelemetry import trace

    def note(*where):
        span_id = trace.get_current_span().get_span_context().span_id
        with pathlib.Path(__file__).with_name("seen.jsonl").open("a") as file:
            file.write(json.dumps([*where, f"{span_id:016x}"]) + "\\n")
"""


def check_notes(run: Run) -> None:
    """What tests and their fixtures saw as the current span was that of the phase they ran in."""
    seen = [json.loads(line) for line in (run.folder / "seen.jsonl").read_text().splitlines()]
    assert seen
    for test, phase, span_id in seen:
        assert span_id == run.phase(test, phase).span_id, (test, phase)


ASYNCIO = """
    import asyncio
    import pytest
    import pytest_asyncio
    from notes import note

    @pytest.fixture(scope="module", autouse=True)
    def begin(): pass

    @pytest_asyncio.fixture(loop_scope="session", scope="module")
    async def bank():
        yield 3

    @pytest_asyncio.fixture
    async def shop(request, bank):
        note(request.node.name, "setup")
        yield await asyncio.sleep(0, bank)
        note(request.node.name, "teardown")

    async def work(name):
        await asyncio.sleep(0)
        note(name, "call")

    @pytest.mark.asyncio
    async def test_a(shop):
        await asyncio.gather(work("test_a"), asyncio.create_task(work("test_a")))
        asyncio.get_running_loop().call_soon(note, "test_a", "call")
        await asyncio.sleep(0)

    @pytest.mark.asyncio(loop_scope="class")
    class TestOne:
        async def test_b(self, shop): note("test_b", "call")
        async def test_c(self): await asyncio.to_thread(note, "test_c", "call")

    @pytest.mark.asyncio(loop_scope="module")
    async def test_d(): await work("test_d")

    @pytest.mark.asyncio(loop_scope="package")
    async def test_e(): await work("test_e")

    @pytest.mark.asyncio(loop_scope="session")
    async def test_f(bank): await work("test_f")

    @pytest.mark.asyncio
    async def test_fails(shop): raise LookupError("no shop")

    def test_plain(): note("test_plain", "call")
"""
if find_spec("pytest_asyncio") and Version(version("pytest-asyncio")) < Version("0.24"):
    # The last for pytest 8.0 and 8.1: its loops have scopes, but no fixture of another scope may be asked for in them.
    ASYNCIO = re.sub(r"\(loop_scope=.*\)", "", ASYNCIO)
AUTO = """
    import asyncio
    import pytest
    from notes import note

    @pytest.fixture
    async def shop(request):
        note(request.node.name, "setup")
        yield
        note(request.node.name, "teardown")

    async def test_a(shop): note("test_a", "call")
    async def test_b(): assert 0
"""
ANYIO = """
    import pytest
    from anyio import create_task_group, lowlevel, to_thread
    from notes import note

    pytestmark = pytest.mark.anyio

    @pytest.fixture(scope="module", params=["asyncio", "trio"])
    def anyio_backend(request): return request.param

    @pytest.fixture
    async def shop(request):
        note(request.node.name, "setup")
        await lowlevel.checkpoint()
        yield
        note(request.node.name, "teardown")

    async def work(name):
        await lowlevel.checkpoint()
        note(name, "call")

    async def test_a(shop, request):
        async with create_task_group() as tasks:
            tasks.start_soon(work, request.node.name)
        await to_thread.run_sync(note, request.node.name, "call")

    async def test_b(request): await work(request.node.name)
    async def test_fails(): assert 0
"""
TRIO = """
    import pytest
    import trio
    from notes import note

    # pytest-trio runs all async fixtures of a test together with it.
    @pytest.fixture
    async def shop(request):
        note(request.node.name, "call")
        await trio.sleep(0)
        yield
        note(request.node.name, "call")

    async def work(name):
        await trio.sleep(0)
        note(name, "call")

    @pytest.mark.trio
    async def test_a(shop, nursery):
        nursery.start_soon(work, "test_a")
        await work("test_a")

    @pytest.mark.trio
    async def test_fails(shop): assert 0

    def test_plain(): note("test_plain", "call")
"""
TWISTED = """
    import pytest
    import pytest_twisted
    from notes import note
    from twisted.internet import reactor, task

    @pytest_twisted.async_yield_fixture
    async def shop(request):
        note(request.node.name, "setup")
        yield
        note(request.node.name, "teardown")

    @pytest_twisted.ensureDeferred
    async def test_a(shop):
        await task.deferLater(reactor, 0, note, "test_a", "call")
        note("test_a", "call")

    @pytest_twisted.inlineCallbacks
    def test_b():
        yield task.deferLater(reactor, 0, lambda: None)
        note("test_b", "call")

    @pytest_twisted.ensureDeferred
    async def test_fails(): assert 0
"""

ROWS = [
    Row(
        "unittest",
        UNITTEST,
        "2 passed, 2 failed, 3 skipped, 1 xfailed, 3 error",
        dist="loadfile",
        check=check_unittest,
    ),
    Row(
        "subtests",
        SUBTESTS,
        "2 passed, 1 failed" if SUBTESTS_ARE_TOLD else "1 passed, 2 failed",
        check=check_subtests,
        in_order=False,
    ),
    Row(
        "doctest",
        DOCTEST,
        "4 passed, 2 failed, 1 skipped",
        ("--doctest-modules", "--doctest-glob=*.txt"),
        check=check_doctest,
    ),
    Row(
        "bdd",
        BDD,
        "1 passed, 2 failed",
        needs=("pytest_bdd",),
        plugins=("pytest-bdd",),
        check=check_bdd,
    ),
    Row("nose", NOSE, "2 passed, 2 error", dist="loadfile"),
    Row("parameters", PARAMETERS, "10 passed, 1 failed, 2 skipped, 1 xfailed", check=check_parameters),
    Row("dynamic", DYNAMIC, "3 passed, 1 failed", check=check_dynamic),
    Row("yaml", YAML, "1 passed, 1 failed, 1 skipped", needs=("yaml",), check=check_yaml),
    Row(
        "asyncio",
        {"notes.py": NOTES, "test_it.py": ASYNCIO},
        "7 passed, 1 failed",
        needs=("pytest_asyncio",),
        plugins=("asyncio",),
        check=check_notes,
    ),
    Row(
        "asyncio auto",
        {"notes.py": NOTES, "test_it.py": AUTO},
        "1 passed, 1 failed",
        ("--asyncio-mode=auto",),
        needs=("pytest_asyncio",),
        plugins=("asyncio",),
        modes=("alone", "n2"),
        check=check_notes,
    ),
    Row(
        "anyio",
        {"notes.py": NOTES, "test_it.py": ANYIO},
        "4 passed, 2 failed",
        needs=("anyio", "trio"),
        plugins=("anyio",),
        check=check_notes,
    ),
    Row(
        "trio",
        {"notes.py": NOTES, "test_it.py": TRIO},
        "2 passed, 1 failed",
        needs=("pytest_trio",),
        plugins=("trio",),
        modes=("alone", "n2"),
        check=check_notes,
    ),
    Row(
        "twisted",
        {"notes.py": NOTES, "test_it.py": TWISTED},
        "2 passed, 1 failed",
        needs=("pytest_twisted", "twisted"),
        plugins=("twisted",),
        modes=("alone", "n2"),
        check=check_notes,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_kinds_of_tests(beside: Beside, row: Row) -> None:
    beside.hold(row)
