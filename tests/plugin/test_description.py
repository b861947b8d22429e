"""What a test's span says of the test itself."""

from __future__ import annotations

from typing import Any

import pytest

from support.runs import Run, Runner

SUITE = """
    import enum
    import pytest

    class Color(enum.Enum):
        RED = 1

    class Thing:
        def __repr__(self):
            raise ValueError("not to be shown")
        __str__ = __repr__

    def test_documented():
        '''Adds two numbers.

            Indented more.
        '''

    def test_plain(): pass

    class TestCart:
        '''About carts.'''

        def test_inherits(self): pass

        def test_own(self):
            '''Its own words.'''

        class TestInner:
            def test_nested(self): pass

    class Base:
        '''Of the base.'''

        def test_base(self):
            '''From the base.'''

        def test_bare(self): pass

    class TestChild(Base): pass

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [1, -2.5, True, None])
    def test_number(number): pass

    @pytest.mark.parametrize("text", ["eur", "a b", "", "ü", "x" * 300], ids=["eur", "ab", "empty", "u", "long"])
    def test_text(text): pass

    @pytest.mark.parametrize("thing", [Thing(), Color.RED, b"\\xffa", int, [1]])
    def test_thing(thing): pass

    @pytest.mark.parametrize(("api_token", "user"), [("hunter2", "joe")], ids=["one"])
    def test_secret(api_token, user): pass

    @pytest.mark.parametrize("pet", ["cat"])
    @pytest.mark.parametrize("count", [2])
    def test_stacked(pet, count): pass

    @pytest.fixture(params=["sqlite"])
    def db(request): pass

    @pytest.mark.usefixtures("db")
    def test_fixture(): pass

    @pytest.mark.slow
    class TestMarked:
        @pytest.mark.fast
        @pytest.mark.slow
        def test_marks(self): pass
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    runner = Runner(tmp_path_factory.mktemp("described"))
    ini = "markers =\n    slow\n    fast\npytestmark ="
    return runner({"test_it.py": SUITE, "sub/test_deep.py": "class TestA:\n    def test_a(self): pass"}, ini=ini[:-13])


def attributes(run: Run, test: str, prefix: str) -> dict[str, Any]:
    found = run.test(f"::{test}").attributes
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


@pytest.mark.parametrize(
    ("test", "description"),
    [
        ("test_documented", "Adds two numbers.\n\nIndented more."),
        ("test_plain", None),
        ("test_inherits", "About carts."),
        ("test_own", "Its own words."),
        ("test_nested", None),
        ("test_base", "From the base."),
        ("test_bare", None),
    ],
)
def test_description(run: Run, test: str, description: str | None) -> None:
    assert run.test(f"::{test}").attributes.get("pytest.description") == description


@pytest.mark.parametrize(
    ("test", "path", "line", "function", "suite"),
    [
        ("test_documented", "test_it.py", 13, "test_it.test_documented", "test_it.py"),
        ("test_inherits", "test_it.py", 24, "test_it.TestCart.test_inherits", "test_it.py::TestCart"),
        ("test_nested", "test_it.py", 30, "test_it.TestCart.TestInner.test_nested", "test_it.py::TestCart::TestInner"),
        ("test_base", "test_it.py", 35, "test_it.Base.test_base", "test_it.py::TestChild"),
        ("test_number[1]", "test_it.py", 42, "test_it.test_number", "test_it.py"),
        ("test_a", "sub/test_deep.py", 2, "test_deep.TestA.test_a", "sub/test_deep.py::TestA"),
    ],
)
def test_place(run: Run, test: str, path: str, line: int, function: str, suite: str) -> None:
    assert attributes(run, test, "code.") == {"file.path": path, "line.number": line, "function.name": function}
    assert run.test(f"::{test}").attributes["test.suite.name"] == suite
    assert run.test(f"::{test}").attributes["test.case.name"] == run.test(f"::{test}").name


@pytest.mark.parametrize(
    ("test", "parameters"),
    [
        ("test_plain", {}),
        ("test_number[1]", {"number": "1"}),
        ("test_number[-2.5]", {"number": "-2.5"}),
        ("test_number[True]", {"number": "True"}),
        ("test_number[None]", {"number": "None"}),
        ("test_text[ab]", {"text": "a b"}),
        ("test_text[empty]", {"text": ""}),
        ("test_text[u]", {"text": "ü"}),
        ("test_text[long]", {"text": "x" * 256}),
        ("test_thing[thing0]", {"thing": "thing0"}),
        ("test_thing[Color.RED]", {"thing": "Color.RED"}),
        (r"test_thing[\xffa]", {"thing": r"\xffa"}),
        ("test_thing[int]", {"thing": "int"}),
        ("test_thing[thing4]", {"thing": "thing4"}),
        ("test_secret[one]", {"api_token": "[redacted]", "user": "joe"}),
        ("test_stacked[2-cat]", {"pet": "cat", "count": "2"}),
        ("test_fixture[sqlite]", {"db": "sqlite"}),
    ],
)
def test_parameters(run: Run, test: str, parameters: dict[str, str]) -> None:
    assert attributes(run, test, "pytest.parameters.") == parameters


@pytest.mark.parametrize(
    ("test", "markers"),
    [
        ("test_plain", None),
        ("test_number[1]", ["parametrize", "slow"]),
        ("test_marks", ["slow", "fast"]),
        ("test_fixture[sqlite]", ["usefixtures"]),
    ],
)
def test_markers(run: Run, test: str, markers: list[str] | None) -> None:
    assert run.test(f"::{test}").attributes.get("pytest.markers") == markers


def test_a_custom_id_names_an_object(run_pytest: Runner) -> None:
    suite = """
        import pytest

        @pytest.mark.parametrize("thing", [pytest.param(object(), id="mine")])
        def test_a(thing): pass
    """
    assert attributes(run_pytest(suite), "test_a[mine]", "pytest.parameters.") == {"thing": "mine"}


def test_properties(run_pytest: Runner) -> None:
    suite = """
        import pytest

        @pytest.fixture(autouse=True)
        def early(record_property):
            record_property("phase", "setup")
            yield
            record_property("late", "teardown")

        def test_a(record_property):
            for name, value in [
                ("ticket", "T-1"), ("ticket", "T-2"), ("count", 3), ("share", 0.5), ("ok", True),
                ("list", [1, 2]), ("nothing", None), ("db_password", "hunter2"),
            ]:
                record_property(name, value)
    """
    assert attributes(run_pytest(suite), "test_a", "pytest.property.") == {
        "phase": "setup",
        "late": "teardown",
        "ticket": "T-2",
        "count": 3,
        "share": 0.5,
        "ok": True,
        "list": "[1, 2]",
        "nothing": "None",
        "db_password": "[redacted]",
    }


def test_urls_lose_their_user_info(run_pytest: Runner) -> None:
    suite = """
        import pytest

        @pytest.mark.parametrize("url", ["postgres://me:hunter2@host/db"], ids=["db"])
        def test_a(url, record_property, otel_span, keyboard=1):
            record_property("broker", "amqp://me:hunter2@broker")
            otel_span.set_attribute("cache", "redis://:hunter2@cache")
    """
    run = run_pytest(suite)
    found = run.test("test_a[db]").attributes
    assert found["pytest.parameters.url"] == "postgres://host/db"
    assert found["pytest.property.broker"] == "amqp://broker"
    assert found["pytest.property.cache"] == "redis://cache"
    assert "hunter2" not in str(run.spans)


def test_more_words_mark_a_secret(run_pytest: Runner) -> None:
    suite = """
        import pytest

        @pytest.mark.parametrize(("pin", "Api_Key", "user"), [("1", "2", "joe")])
        def test_a(pin, Api_Key, user, record_property):
            record_property("iban", "DE1")
    """
    run = run_pytest(suite, ini="otel_redact = pin\n    iban")
    assert attributes(run, "test_a[1-2-joe]", "pytest.parameters.") == {
        "pin": "[redacted]",
        "Api_Key": "[redacted]",
        "user": "joe",
    }
    assert attributes(run, "test_a[1-2-joe]", "pytest.property.") == {"iban": "[redacted]"}
