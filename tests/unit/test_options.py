from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from pytest_otlp import options
from pytest_otlp.options import OPTIONS, Option, Source

Configure = Callable[..., pytest.Config]
NOTHING: Mapping[str, str] = {}


@pytest.fixture
def configure(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """A configuration as pytest reads it from the command line and an ini file."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def config(*args: str, ini: str = "") -> pytest.Config:
        pytester.makeini(f"[pytest]\n{ini}")
        return pytester.parseconfig("-p", "pytest_otlp.plugin", *args)

    return config


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.metavar], ids=lambda option: option.name)
def test_the_command_line_is_stronger_than_the_ini_file(configure: Configure, option: Option) -> None:
    env = dict.fromkeys(option.env, "environment")
    ini = f"{option.name} = ini" if option.ini else ""
    both = configure(f"{option.flag}=line", ini=ini)
    assert options.find(option, both, env) == Source("line", option.flag, fatal=True)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.ini], ids=lambda option: option.name)
def test_the_ini_file_is_stronger_than_the_environment(configure: Configure, option: Option) -> None:
    env = dict.fromkeys(option.env, "environment")
    source = options.find(option, configure(ini=f"{option.name} =   ini "), env)
    assert source == Source("ini", f"ini option {option.name}", fatal=True)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.env], ids=lambda option: option.name)
def test_the_first_variable_is_the_strongest(configure: Configure, option: Option) -> None:
    config = configure()
    env = {name: f"of {name}" for name in option.env}
    for name in option.env:
        source = options.find(option, config, env)
        assert source == Source(f"of {name}", name, fatal=not name.startswith("OTEL_"))
        env[name] = ""
    assert options.find(option, config, env) is None


def test_nothing_is_said_of_any_option(configure: Configure) -> None:
    config = configure()
    assert [options.find(option, config, NOTHING) for option in OPTIONS] == [None] * len(OPTIONS)
    assert options.requested(config, NOTHING) is None


def test_names() -> None:
    assert [option.flag for option in OPTIONS][:3] == ["--otel", "--otel-endpoint", "--otel-protocol"]
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)


def test_every_option_is_explained(configure: Configure) -> None:
    assert all(option.help for option in OPTIONS)


@pytest.mark.parametrize(
    ("args", "ini", "env", "place"),
    [
        (["--otel"], "", {}, "--otel"),
        (["--otel-endpoint=http://host"], "", {}, "--otel-endpoint"),
        (["--otel-endpoint="], "", {}, "--otel-endpoint"),
        (["--otel-endpoint=http://host"], "otel = off", {"PYTEST_OTEL": "0"}, "--otel-endpoint"),
        (["--otel"], "otel = off", {}, "--otel"),
        ([], "otel = true", {}, "ini option otel"),
        ([], "otel = on", {"PYTEST_OTEL": "off"}, "ini option otel"),
        ([], "", {"PYTEST_OTEL": "1"}, "PYTEST_OTEL"),
        ([], "otel =", {"PYTEST_OTEL": "yes"}, "PYTEST_OTEL"),
        ([], "", {}, None),
        ([], "otel = off", {"PYTEST_OTEL": "1"}, None),
        ([], "otel_endpoint = http://host", {}, None),
        ([], "", {"PYTEST_OTEL": "0"}, None),
        ([], "", {"PYTEST_OTEL": ""}, None),
        ([], "", {"PYTEST_OTEL": " "}, None),
        ([], "", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://host", "TRACEPARENT": "00-1-2-01"}, None),
    ],
)
def test_requested(configure: Configure, args: list[str], ini: str, env: dict[str, str], place: str | None) -> None:
    source = options.requested(configure(*args, ini=ini), env)
    assert (source.place if source else None) == place


@pytest.mark.parametrize(
    ("args", "ini", "env", "on"),
    [
        ([], "", {"PYTEST_OTEL": "1"}, False),
        ([], "otel = on", {}, True),
        (["--otel"], "", {}, True),
    ],
)
def test_in_a_pytest_that_a_test_started(
    configure: Configure, args: list[str], ini: str, env: dict[str, str], on: bool
) -> None:
    """The environment alone does nothing there: it is meant for the outer run."""
    inner = {**env, "PYTEST_CURRENT_TEST": "test_outer.py::test (call)"}
    assert (options.requested(configure(*args, ini=ini), inner) is not None) == on


@pytest.mark.parametrize(
    ("ini", "env", "problem"),
    [
        ("otel = perhaps", {}, "pytest-otlp: ini option otel='perhaps': use on or off"),
        ("", {"PYTEST_OTEL": "per\nhaps"}, "pytest-otlp: PYTEST_OTEL='per\\nhaps': use on or off"),
    ],
)
@pytest.mark.parametrize("args", [[], ["--otel-endpoint=http://host"], ["--otel-view"], ["--otel-html=r.html"]])
def test_a_bad_switch(configure: Configure, ini: str, env: dict[str, str], problem: str, args: list[str]) -> None:
    with pytest.raises(pytest.UsageError) as raised:
        options.requested(configure(*args, ini=ini), env)
    assert str(raised.value) == problem


@pytest.mark.parametrize("text", ["1", "true", "True", " yes\n", "ON"])
def test_on(text: str) -> None:
    assert options.parse_switch(text)


@pytest.mark.parametrize("text", ["0", "false", "No", "off", "", " "])
def test_off(text: str) -> None:
    assert not options.parse_switch(text)


@pytest.mark.parametrize("text", ["2", "enabled", "y", "tru"])
def test_neither(text: str) -> None:
    with pytest.raises(ValueError, match="use on or off"):
        options.parse_switch(text)


@pytest.mark.parametrize(("text", "disabled"), [("true", True), (" TRUE ", True), ("1", False), ("", False)])
def test_sdk_disabled(text: str, disabled: bool) -> None:
    """Only `true` counts, as the specification says of boolean variables."""
    assert options.sdk_disabled({"OTEL_SDK_DISABLED": text}) == disabled
    assert not options.sdk_disabled({})
