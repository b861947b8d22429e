"""Data that breaks what is not careful: every span arrives, and pytest's result is its own."""

from __future__ import annotations

import pytest

from support.runs import Run, Runner

SUITE = """
    import pytest

    class Hostile:
        def __repr__(self): raise ValueError("no repr")
        __str__ = __repr__
        def __eq__(self, other): raise ValueError("no eq")
        __hash__ = None
        @property
        def __name__(self): raise ValueError("no name")

    class Forbidden:
        def __str__(self): pytest.fail("not to be called")
        __repr__ = __str__

    class Unprintable(Exception):
        def __str__(self): raise ValueError("no str")
        __repr__ = __str__

    def test_message(): raise ValueError("half \\ud800 pair")
    def test_nul(): raise ValueError("a\\0b\\x1b[31mred")
    def test_str(): raise Unprintable
    def test_big():
        print("x" * 1_000_000)
        raise ValueError("y" * 1_000_000)
    def test_ansi():
        print("\\x1b[31mred\\x1b[0m \\0 \\udcff".encode("utf-8", "replace").decode())
        assert 0

    def test_description(): pass
    test_description.__doc__ = "half \\ud800 pair"

    def test_odd_description(): pass
    test_odd_description.__doc__ = 42

    @pytest.mark.parametrize("text", ["half \\ud800 pair", "a\\0b", "::", "a/b[c]", "\\n"])
    def test_text(text): pass

    @pytest.mark.parametrize("number", [10 ** 30, -(2 ** 63) - 1, float("nan"), float("inf"), 1 + 2j, 10 ** 5000],
                             ids=["big", "small", "nan", "inf", "complex", "digits"])
    def test_number(number): pass

    @pytest.mark.parametrize("thing", [Hostile()], ids=["hostile"])
    def test_thing(thing): pass

    def test_properties(record_property):
        cyclic = []
        cyclic.append(cyclic)
        numbers = [10 ** 30, -(2 ** 63) - 1, float("nan"), float("inf")]
        for number, value in enumerate([*numbers, Hostile(), cyclic, b"\\xff", "\\ud800", 10 ** 5000, Forbidden()]):
            record_property(f"p{number}", value)
        record_property("\\ud800", 1)
        record_property(7, 1)

    def test_span(otel_span):
        values = [10 ** 30, float("nan"), Hostile(), [1, "a", None], "\\ud800", b"\\xff", None, {}, 10 ** 5000]
        for number, value in enumerate(values):
            otel_span.set_attribute(f"s{number}", value)
        otel_span.set_attribute(3, 1)
        otel_span.add_event("half \\ud800 pair", {"a": Hostile(), "big": 10 ** 30, "\\ud800": [2 ** 70]})
        otel_span.record_exception(Unprintable())
        otel_span.set_status(object())

    def test_many(record_property):
        for number in range(10_000):
            record_property(f"n{number}", number)

    def test_no_pair(request, record_property):
        request.node.user_properties += ["abc", 7, ("alone",)]
        record_property("pair", 1)

    @pytest.mark.skip(reason="half \\ud800 pair")
    def test_reason(): pass

    @pytest.mark.xfail(reason="a\\0b")
    def test_xreason(): assert 0
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    # pytest's own writer of JUnit XML fails at lone surrogates.
    return Runner(tmp_path_factory.mktemp("hostile"))(SUITE, junit=False)


def test_every_test_arrives(run: Run) -> None:
    assert run.summary is not None
    assert len(run.tests) == sum(run.summary[word] for word in ("passed", "failed", "skipped", "xfailed"))
    assert "INTERNALERROR" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("test_message", r"half \ud800 pair"),
        ("test_nul", "a\0b\x1b[31mred"),
        ("test_str", "<unprintable Unprintable object>"),
    ],
)
def test_messages(run: Run, test: str, message: str) -> None:
    assert run.test(test).message == message
    (event,) = run.phase(test, "call").events
    assert event.attributes["exception.message"] == message


def test_what_is_big_is_cut(run: Run) -> None:
    attributes = run.test("test_big").attributes
    assert len(attributes["pytest.stdout"]) < 9 * 1024
    assert len(run.test("test_big").message) < 9 * 1024
    assert attributes["pytest.outcome"] == "failed"


@pytest.mark.parametrize(
    ("test", "name", "value"),
    [
        ("test_description", "description", r"half \ud800 pair"),
        ("test_odd_description", "description", None),
        ("test_number[big]", "parameters.number", str(10**30)),
        ("test_number[nan]", "parameters.number", "nan"),
        ("test_number[complex]", "parameters.number", "(1+2j)"),
        ("test_thing[hostile]", "parameters.thing", "hostile"),
        ("test_properties", "property.p0", str(10**30)),
        ("test_properties", "property.p4", "<unprintable Hostile object>"),
        ("test_properties", "property.p5", "[[...]]"),
        ("test_properties", "property.p6", r"b'\xff'"),
        ("test_properties", "property.p7", r"\ud800"),
        ("test_properties", "property.p9", "<unprintable Forbidden object>"),
        ("test_no_pair", "property.pair", 1),
        ("test_properties", r"property.\ud800", 1),
        ("test_properties", "property.7", 1),
        ("test_span", "property.s0", str(10**30)),
        ("test_span", "property.s2", "<unprintable Hostile object>"),
        ("test_span", "property.s4", r"\ud800"),
        ("test_span", "property.3", 1),
        ("test_reason", "reason", r"half \ud800 pair"),
        ("test_xreason", "reason", "a\0b"),
    ],
)
def test_values(run: Run, test: str, name: str, value: object) -> None:
    assert run.test(f"::{test}").attributes.get(f"pytest.{name}") == value


def test_many_properties_leave_room_for_our_own(run: Run) -> None:
    attributes = run.test("test_many").attributes
    assert attributes["pytest.outcome"] == "passed"
    assert attributes["code.function.name"] == "test_it.test_many"
    assert attributes["pytest.property.n0"] == 0


def test_hostile_data_from_a_worker(run_pytest: Runner) -> None:
    """A huge integer or an object on the span would not pass execnet; only the text of both does."""
    pytest.importorskip("xdist")
    suite = """
        class Hostile:
            def __repr__(self): raise ValueError("no repr")

        def test_a(otel_span):
            otel_span.set_attribute("big", 10 ** 30)
            otel_span.set_attribute("thing", Hostile())
            otel_span.set_attribute("half", "\\ud800")
    """
    run = run_pytest(suite, "-n1")
    found = {name: run.test("test_a").attributes[f"pytest.property.{name}"] for name in ("big", "thing", "half")}
    assert found == {"big": str(10**30), "thing": "<unprintable Hostile object>", "half": r"\ud800"}


def test_tests_that_change_what_we_stand_on(run_pytest: Runner) -> None:
    suite = """
        import builtins, json, os, sys, time
        import pytest

        @pytest.mark.parametrize("target", [
            "time.time", "time.time_ns", "time.perf_counter_ns", "os.write", "os.getpid", "json.dumps", "builtins.open",
            "builtins.print",
        ])
        def test_patched(monkeypatch, target):
            module, name = target.split(".")
            def broken(*args, **kwargs): raise RuntimeError("patched")
            monkeypatch.setattr(sys.modules[module], name, broken)

        def test_low_descriptors():
            os.closerange(30, 150)

        def test_folder(tmp_path, monkeypatch):
            os.chdir(tmp_path)

        def test_environment(monkeypatch):
            os.environ.clear()

        def test_forks():
            if (pid := os.fork()) == 0:
                os._exit(0)
            os.waitpid(pid, 0)
    """
    run = run_pytest(suite)
    assert [span.attributes["pytest.outcome"] for span in run.tests] == ["passed"] * 12


def test_a_report_of_no_phase(run_pytest: Runner) -> None:
    """As plugins make one by the hook, of a test whose process died."""
    conftest = """
        import pytest

        def pytest_runtest_protocol(item):
            if item.name != "test_b":
                return None
            call = pytest.CallInfo.from_call(lambda: 1 / 0, "???")
            report = item.ihook.pytest_runtest_makereport(item=item, call=call)
            report.outcome, report.longrepr = "failed", "gone"
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            item.ihook.pytest_runtest_logreport(report=report)
            return True

        def pytest_otel_test_attributes():
            return {"team.name": "blue"}
    """
    suite = "def test_a(): pass\ndef test_b(): pass\ndef test_c(): pass"
    run = run_pytest({"conftest.py": conftest, "test_it.py": suite}, junit=False)
    assert run.exit_code == 1
    outcomes = {span.name[-1]: span.attributes["pytest.outcome"] for span in run.tests}
    assert outcomes == {"a": "passed", "b": "crashed", "c": "passed"}


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
def test_a_report_whose_duration_is_no_number(run_pytest: Runner, args: list[str]) -> None:
    if args:
        pytest.importorskip("xdist")
    conftest = """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport():
            report = yield
            report.duration = "0.1"
            return report
    """
    run = run_pytest({"conftest.py": conftest, "test_it.py": "def test_a(): pass"}, *args, junit=False)
    (test,) = run.tests
    duration = test.attributes["pytest.duration"]
    assert isinstance(duration, float)
    assert 0 < duration < 60
    assert (run.exit_code, run.summary) == (0, {"passed": 1})
