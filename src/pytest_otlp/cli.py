"""The command `pytest-otlp`: runs that are over, and the page that shows runs. It works without pytest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_otlp import headers, journal, values
from pytest_otlp.endpoints import Endpoint, from_base, from_environment
from pytest_otlp.terminal import escaped
from pytest_otlp.viewer import arguments

OK, STILL_KEPT, MISUSE = 0, 1, 2


def main(given: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 0 when all is done, 1 when something is still kept, 2 on misuse."""
    options = _parser().parse_args(given)
    return int(options.command(options))


def _replay_command(options: argparse.Namespace) -> int:
    try:
        endpoint = _endpoint(options.endpoint, options.protocol)
    except ValueError as error:
        return _fail(str(error))
    journals = options.journals or _kept_around(Path.cwd())
    missing = [path for path in journals if not path.is_file()]
    if missing:
        return _fail(f"no journal at {missing[0]}; `pytest-otlp replay --list` shows what is kept")
    if options.list:
        return _list(journals)
    return _replay(journals, endpoint, options.timeout)


def _kept_around(folder: Path) -> list[Path]:
    """Of the project that the folder is in: the nearest one above it in which pytest has run."""
    for project in (folder, *folder.parents):
        found = journal.kept(project)
        if found or (project / ".pytest_cache").is_dir():
            return found
    return []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("pytest-otlp", description="See test runs, and send what could not be delivered.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_view(commands.add_parser("view", help="receive runs and show them on a page, live"))
    _add_html(commands.add_parser("html", help="write a report file"))
    _add_replay(commands.add_parser("replay", help="send the runs that are kept, once"))
    return parser


def _add_replay(replay: argparse.ArgumentParser) -> None:
    replay.set_defaults(command=_replay_command)
    replay.add_argument(
        "journals",
        nargs="*",
        type=Path,
        metavar="JOURNAL",
        help="default: all that are kept of the project around this folder",
    )
    replay.add_argument("--endpoint", metavar="URL", help="default: OTEL_EXPORTER_OTLP_ENDPOINT, else localhost:4318")
    replay.add_argument("--protocol", choices=("grpc", "http/protobuf"), default="", help="default: by port")
    replay.add_argument("--list", action="store_true", help="say what is kept, and send nothing")
    replay.add_argument(
        "--timeout",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="give a journal up after this long; default 60",
    )


def _add_view(view: argparse.ArgumentParser) -> None:
    arguments.add_to(view)
    view.set_defaults(command=_view)


def _add_html(html: argparse.ArgumentParser) -> None:
    html.add_argument(
        "sources",
        nargs="*",
        type=Path,
        metavar="SOURCE",
        help="journals, OTLP/JSON or stores, as shards of one run; default: the newest run that `view` has received",
    )
    html.add_argument("-o", "--output", type=Path, required=True, metavar="PATH", help="the file to write")
    html.add_argument("--dir", action="store_true", help="PATH is a folder: for servers that forbid inline scripts")
    html.add_argument(
        "--run",
        dest="runs",
        action="append",
        default=[],
        metavar="ID",
        help="which of a source with several runs; given again: shards of one run; default: the newest",
    )
    arguments.add_trace_url_to(html)
    html.set_defaults(command=_html)


def _view(options: argparse.Namespace) -> int:
    try:
        from pytest_otlp.viewer import command  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        return _fail(f'{error.name} is not installed: pip install "pytest-otlp[view]"')
    return command.run(options, _say, _fail)


def _html(options: argparse.Namespace) -> int:
    from pytest_otlp.viewer import html_command  # noqa: PLC0415  the parser answers without it

    return html_command.run(options, _say, _fail)


def _seconds(text: str) -> float:
    try:
        return values.parse_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _endpoint(given: str | None, protocol: str) -> Endpoint:
    """As the plugin finds it, but for the ini file.

    Raises:
        ValueError: a value is bad.
    """
    if given is not None:
        given = _checked("--endpoint", given, values.parse_endpoint)
        if given == "console:":
            return Endpoint("console", {})
        if given.startswith("file:"):
            return Endpoint("file", {}, str(Path(given.removeprefix("file:")).absolute()))
    protocol = protocol or _protocol_in_the_environment()
    return from_environment(_url_in, protocol) if given is None else from_base(given, protocol)


def _protocol_in_the_environment() -> str:
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if text := os.environ.get(name):
            return _checked(name, text, values.parse_protocol)
    return ""


def _url_in(name: str) -> str:
    text = os.environ.get(name)
    return _checked(name, text, values.parse_url) if text else ""


def _checked(place: str, text: str, parse: Callable[[str], str]) -> str:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _list(journals: Sequence[Path]) -> int:
    from pytest_otlp.exporter.replay import describe  # noqa: PLC0415  the parser answers without it

    for path in journals:
        _say(describe(path))
    if not journals:
        _say(_nothing_kept())
    return OK


def _nothing_kept() -> str:
    return f"nothing is kept of the project in {Path.cwd()}; where its cache_dir is another, name the journal"


def _replay(journals: Sequence[Path], endpoint: Endpoint, timeout: float) -> int:
    from pytest_otlp.exporter.replay import replay  # noqa: PLC0415  the parser answers without it

    if not journals:
        _say(_nothing_kept())
    for problem in headers.problems(os.environ):
        _warn(problem)
    done = [replay(path, endpoint, timeout, _say) for path in journals]
    return OK if all(done) else STILL_KEPT


def _say(line: str) -> None:
    print(escaped(line))  # noqa: T201  a command's output


def _warn(problem: str) -> None:
    print(escaped(f"pytest-otlp: {problem}"), file=sys.stderr)  # noqa: T201  a command's output


def _fail(problem: str) -> int:
    _warn(problem)
    return MISUSE


if __name__ == "__main__":
    sys.exit(main())
