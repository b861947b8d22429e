"""What the user gives: bad values, places and their order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.runs import Runner

SUITE = "open('collected', 'w').close()\ndef test_a(): pass"
NOT_INNER = {"PYTEST_CURRENT_TEST": None}
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("--otel-endpoint", "ftp://host", "unknown scheme; use http://HOST:PORT"),
        ("--otel-endpoint", "localhost:4318", "unknown scheme; use http://HOST:PORT"),
        ("--otel-endpoint", "http://", "no host; use http://HOST:PORT"),
        ("--otel-endpoint", "http://host:99999", "port out of range; use 1 to 65535"),
        ("--otel-endpoint", "http://host/?key=1", "put credentials into OTEL_EXPORTER_OTLP_HEADERS"),
        ("--otel-endpoint", "file:", "no path; use file:PATH"),
        ("--otel-endpoint", "file:nowhere/run.jsonl", "name a file in a folder that exists"),
        ("--otel-endpoint", "http://a b:1", "blanks and quotes cannot be in a URL; use http://HOST:PORT"),
        ("--otel-protocol", "tcp", "use one of grpc, http/protobuf"),
        ("--otel-service-name", " ", "give a name"),
        ("--otel-run-name", "", "give a name"),
        ("--otel-traceparent", "00-abc", "give version-traceid-spanid-flags"),
        ("--otel-traceparent", f"00-{TRACE}-0000000000000000-01", "an id of zeros is invalid"),
        ("--otel-traceparent", "github", "github needs GITHUB_RUN_ID"),
        ("--otel-trace-url", "http://host/trace", "give a URL with {trace_id}"),
        ("--otel-trace-url", "http://host/{span_id}", "give a URL with {trace_id}"),
        ("--otel-detail", "all", "use one of tests, phases, fixtures"),
        ("--otel-output", "some", "use one of failed, all, none"),
        ("--otel-metrics", "maybe", "use on or off"),
        ("--otel-logs", "maybe", "use on or off"),
    ],
)
def test_a_bad_value_on_the_command_line(run_pytest: Runner, option: str, value: str, remedy: str) -> None:
    run = run_pytest(SUITE, f"{option}={value}")
    assert_usage_error(run_pytest.folder, run.exit_code, run.stderr, f"{option}={value!r}: ", remedy)


@pytest.mark.parametrize("where", ["--otel-endpoint=file:o.jsonl", "--otel-endpoint=console:", "--otel-html=r.html"])
@pytest.mark.parametrize("place", ["--otel-protocol", "ini option otel_protocol"])
def test_a_bad_protocol_that_nothing_needs(run_pytest: Runner, where: str, place: str) -> None:
    given = ["--otel-protocol=GRPC"] if place.startswith("-") else ["-o", "otel_protocol=GRPC"]
    run = run_pytest(SUITE, where, *given, option=False)
    assert_usage_error(run_pytest.folder, run.exit_code, run.stderr, f"{place}='GRPC': ", "use one of grpc")
    assert not (run_pytest.folder / "o.jsonl").exists()


def test_a_report_that_could_not_be_written(run_pytest: Runner) -> None:
    run_pytest.folder.mkdir()
    (run_pytest.folder / "taken").touch()
    run = run_pytest(SUITE, "--otel-html=taken/new/r.html", option=False)
    where = f"({run_pytest.folder / 'taken'} is no folder); name a file in another folder"
    assert_usage_error(run_pytest.folder, run.exit_code, run.stderr, "--otel-html='taken/new/r.html': ", where)


@pytest.mark.parametrize(
    ("args", "named"), [(["-o", "otel=x"], "ini option otel='x'"), ([], "PYTEST_OTEL='x'")], ids=["ini", "variable"]
)
def test_a_bad_switch_beside_one_on_the_command_line(run_pytest: Runner, args: list[str], named: str) -> None:
    run = run_pytest(SUITE, *args, env={**NOT_INNER, "PYTEST_OTEL": None if args else "x"})
    assert_usage_error(run_pytest.folder, run.exit_code, run.stderr, f"{named}: ", "use on or off")


@pytest.mark.parametrize(
    ("ini", "named", "remedy"),
    [
        ("otel = perhaps", "otel='perhaps'", "use on or off"),
        ("otel = on\notel_endpoint = host", "otel_endpoint='host'", "unknown scheme"),
        ("otel = on\notel_exit_timeout = soon", "otel_exit_timeout='soon'", "give seconds from 0 to 3600"),
        ("otel = on\notel_context = maybe", "otel_context='maybe'", "use on or off"),
        ("otel = on\notel_detail = all", "otel_detail='all'", "use one of tests, phases, fixtures"),
    ],
)
def test_a_bad_value_in_the_ini_file(run_pytest: Runner, ini: str, named: str, remedy: str) -> None:
    run = run_pytest(SUITE, option=False, ini=ini)
    assert_usage_error(run_pytest.folder, run.exit_code, run.stderr, f"ini option {named}: ", remedy)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("PYTEST_OTEL", "perhaps", "use on or off"),
        ("PYTEST_OTEL_EXIT_TIMEOUT", "soon", "give seconds from 0 to 3600"),
        ("PYTEST_OTEL_TRACE_URL", "http://host", "give a URL with {trace_id}"),
    ],
)
def test_a_bad_value_in_a_variable_of_ours(run_pytest: Runner, name: str, value: str, remedy: str) -> None:
    env = {**NOT_INNER, "PYTEST_OTEL": "on", name: value}
    run = run_pytest(SUITE, option=False, env=env)
    assert_usage_error(run_pytest.folder, run.exit_code, run.stderr, f"{name}={value!r}: ", remedy)


def assert_usage_error(folder: Path, exit_code: int, error: str, named: str, remedy: str) -> None:
    assert exit_code == pytest.ExitCode.USAGE_ERROR
    (line,) = error.strip().splitlines()
    assert line.startswith(f"ERROR: pytest-otlp: {named}")
    assert remedy in line
    assert not (folder / "collected").exists()


def test_an_error_shows_no_credentials(run_pytest: Runner) -> None:
    run = run_pytest(SUITE, "--otel-endpoint=ftp://joe:hunter2@host")
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "hunter2" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("env", "notice"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "tcp"}, "OTEL_EXPORTER_OTLP_PROTOCOL='tcp': use one of grpc, http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "OTEL_EXPORTER_OTLP_TIMEOUT='10s': give milliseconds, like 10000"),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "nowhere"}, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT='nowhere'"),
        ({"TRACEPARENT": "00-abc"}, "TRACEPARENT='00-abc': give version-traceid-spanid-flags"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "a=hunter2\n"}, "OTEL_EXPORTER_OTLP_HEADERS has a line break"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "nonsense"}, "OTEL_RESOURCE_ATTRIBUTES"),
        ({"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_common_variable_is_one_notice(run_pytest: Runner, env: dict[str, str], notice: str) -> None:
    given = {**NOT_INNER, "OTEL_EXPORTER_OTLP_ENDPOINT": "{endpoint}", **env}
    run = run_pytest(SUITE, "--otel", option=False, env=given)
    assert run.exit_code == 0, run.stderr
    _, *notices, summary = run.our_lines
    assert len(notices) == 1
    assert notices[0].startswith(f"otlp: {notice}")
    assert "hunter2" not in run.stdout
    assert "delivered" in summary


@pytest.mark.parametrize(
    ("ini", "env", "args", "on"),
    [
        ("", {}, [], False),
        ("", {"PYTEST_OTEL": "1"}, [], True),
        ("", {"PYTEST_OTEL": "1", "PYTEST_CURRENT_TEST": "test_outer.py::test (call)"}, [], False),
        ("", {"PYTEST_OTEL": "0"}, [], False),
        ("", {"PYTEST_OTEL": "1"}, ["--co"], False),
        ("otel = true", {}, [], True),
        ("otel = off", {"PYTEST_OTEL": "1"}, [], False),
        ("otel = off", {}, ["--otel"], True),
        ("otel_endpoint = {endpoint}", {}, [], False),
        ("otel_html = report.html", {}, [], False),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "{endpoint}"}, [], False),
        ("otel = on", {"OTEL_SDK_DISABLED": "true"}, [], False),
        ("otel = on", {"OTEL_SDK_DISABLED": "false"}, [], True),
    ],
)
def test_what_turns_it_on(run_pytest: Runner, ini: str, env: dict[str, str], args: list[str], on: bool) -> None:
    given = {**NOT_INNER, "OTEL_EXPORTER_OTLP_ENDPOINT": "{endpoint}", **env}
    run = run_pytest(SUITE, *args, option=False, env=given, ini=ini)
    assert run.exit_code == 0, run.stderr
    assert bool(run.spans) == on
    if env.get("OTEL_SDK_DISABLED") == "true":
        assert run.our_lines == ["otlp: off, because OTEL_SDK_DISABLED=true; --otel on the command line overrides it"]


@pytest.mark.parametrize(
    ("ini", "env", "args", "service"),
    [
        ("", {}, [], "suite"),
        ("", {"OTEL_SERVICE_NAME": "env"}, [], "env"),
        ("", {"OTEL_RESOURCE_ATTRIBUTES": "service.name=attr,team=blue"}, [], "attr"),
        ("otel_service_name = ini", {"OTEL_SERVICE_NAME": "env"}, [], "ini"),
        ("otel_service_name = ini", {"OTEL_SERVICE_NAME": "env"}, ["--otel-service-name=line"], "line"),
    ],
)
def test_the_stronger_place_wins(
    run_pytest: Runner, ini: str, env: dict[str, str], args: list[str], service: str
) -> None:
    run = run_pytest(SUITE, *args, ini=ini, env=env)
    resource = run.root.resource
    assert resource["service.name"] == service
    assert resource.get("team") == ("blue" if "OTEL_RESOURCE_ATTRIBUTES" in env else None)
    assert run.root.attributes["test.suite.name"] == service


def test_names_of_the_run(run_pytest: Runner) -> None:
    run = run_pytest(SUITE, "--otel-run-name=nightly", "--otel-trace-url=https://traces/{trace_id}?run={run_id}")
    assert run.root.name == "nightly"
    link = f"https://traces/{run.root.trace_id}?run={run.root.resource['pytest.run.id']}"
    assert [line.endswith(link) for line in run.our_lines] == [True, True]


@pytest.mark.skipif(pytest.version_tuple < (9, 2), reason="before pytest 9.2 an option of the ini file has one type")
def test_values_as_toml_has_them(run_pytest: Runner) -> None:
    toml = """
        [tool.pytest]
        otel = true
        otel_endpoint = "{endpoint}"
        otel_logs = false
        otel_metrics = true
        otel_exit_timeout = 20
        otel_redact = ["pin", "iban"]
    """
    suite = """
        def test_a(record_property):
            record_property("pin", 1)
    """
    run = run_pytest({"test_it.py": suite}, "-c", "pyproject.toml", option=False, toml=toml)
    assert run.exit_code == 0, run.stderr
    assert run.test("test_a").attributes["pytest.property.pin"] == "[redacted]"
    assert run.metrics
    env, off = {"PYTEST_OTEL": "1", "PYTEST_CURRENT_TEST": None}, "[tool.pytest]\notel = false"
    run = run_pytest({"test_it.py": suite}, "-c", "pyproject.toml", option=False, toml=off, env=env)
    assert run.spans == []


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="before pytest 9 TOML has no values of its own")
def test_a_list_as_toml_has_it(run_pytest: Runner) -> None:
    suite = """
        def test_a(record_property):
            record_property("pin", 1)
            record_property("my_iban", 2)
    """
    toml = """
        [tool.pytest]
        otel = "on"
        otel_endpoint = "{endpoint}"
        otel_redact = ["pin", "iban"]
    """
    attributes = run_pytest(suite, "-c", "pyproject.toml", option=False, toml=toml).test("test_a").attributes
    assert [attributes["pytest.property.pin"], attributes["pytest.property.my_iban"]] == ["[redacted]"] * 2
    run = run_pytest(suite, "-c", "pyproject.toml", option=False, toml=toml.replace('["pin", "iban"]', '"pin iban"'))
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "'otel_redact' expects a list" in run.stderr
    assert "Traceback" not in run.stderr


def test_help_names_every_option(run_pytest: Runner) -> None:
    text = run_pytest.without("", "--help").stdout
    for name in ("endpoint", "protocol", "service-name", "run-name", "traceparent", "trace-url", "detail", "output"):
        assert f"--otel-{name}" in text
    for name in ("otel ", "otel_redact", "otel_exit_timeout", "otel_context"):
        assert f"  {name}" in text


def test_help_says_where_an_option_turns_it_on(run_pytest: Runner) -> None:
    """The ini file names an endpoint or a report for the runs that are turned on: see `test_what_turns_it_on`."""
    lines = run_pytest.without("", "--help", env={"COLUMNS": "300"}).stdout.splitlines()
    on = [line.split()[0] for line in lines if line.endswith("turns it on")]
    assert on == ["--otel-view", "--otel-endpoint=URL", "--otel-html=PATH"]


def python_path(folder: Path) -> str:
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.mark.parametrize("args", [[], ["--otel"], ["-p", "no:randomly"]])
def test_the_other_owner_of_the_option(run_pytest: Runner, tmp_path: Path, args: list[str]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "pytest_otel.py").write_text("")
    run = run_pytest(SUITE, *args, option=False, env={"PYTHONPATH": python_path(other)})
    assert run.exit_code != 0
    assert "pytest-otlp and pytest-otel" in run.stderr
    assert "-p no:otlp" in run.stderr
    assert "Traceback" not in run.stderr + run.stdout
    assert not (run_pytest.folder / "collected").exists()


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ("-p pytest_otel -p pytest_otlp.plugin", ""),
        ("-p pytest_otlp.plugin -p pytest_otel", ""),
        ("-p pytest_otlp.plugin -ppytest_otel", ""),
        ("-p otlp", "pytest_otel"),
        ("", "pytest_otel,pytest_otlp.plugin"),
    ],
)
def test_the_other_owner_is_named(run_pytest: Runner, tmp_path: Path, args: str, named: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "pytest_otel.py").write_text("def pytest_addoption(parser): parser.addoption('--otel-endpoint')")
    env = {"PYTHONPATH": python_path(other), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": named}
    run = run_pytest(SUITE, *args.split(), option=False, env=env)
    assert run.exit_code != 0
    assert "pytest-otlp and pytest-otel" in run.stderr
    assert "Traceback" not in run.stderr + run.stdout


@pytest.mark.parametrize(("arg", "spans"), [("-p no:otel", True), ("-p no:otlp", False)])
def test_one_of_the_owners_is_switched_off(run_pytest: Runner, tmp_path: Path, arg: str, spans: bool) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "pytest_otel.py").write_text("")
    run = run_pytest(SUITE, *arg.split(), option=spans, env={"PYTHONPATH": python_path(other)})
    assert run.exit_code == 0, run.stderr
    assert bool(run.spans) == spans


def test_a_folder_that_is_called_as_the_other_owner(run_pytest: Runner) -> None:
    assert run_pytest({"otel/test_it.py": SUITE}, "otel").exit_code == 0


@pytest.mark.skipif(pytest.version_tuple < (8, 4), reason="--disable-plugin-autoload came with pytest 8.4")
def test_the_other_owner_is_not_loaded(run_pytest: Runner, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "pytest_otel.py").write_text("")
    args = ("--disable-plugin-autoload", "-p", "otlp")
    run = run_pytest(SUITE, *args, env={"PYTHONPATH": python_path(other)})
    assert run.exit_code == 0, run.stderr
    assert run.spans
