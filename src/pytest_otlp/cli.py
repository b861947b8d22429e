"""The command `pytest-otlp`: what concerns runs that are over. It works without pytest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_otlp import headers, journal, values
from pytest_otlp.endpoints import Endpoint, from_base, from_environment
from pytest_otlp.terminal import escaped

OK, STILL_KEPT, MISUSE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 0 when all is delivered, 1 when something is still kept, 2 on misuse."""
    options = _parser().parse_args(arguments)
    try:
        endpoint = _endpoint(options.endpoint, options.protocol)
    except ValueError as error:
        return _fail(str(error))
    journals = options.journals or journal.kept(Path.cwd())
    missing = [path for path in journals if not path.is_file()]
    if missing:
        return _fail(f"no journal at {missing[0]}; `pytest-otlp replay --list` shows what is kept")
    if options.list:
        return _list(journals)
    return _replay(journals, endpoint, options.timeout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("pytest-otlp", description="Send what pytest-otlp could not deliver.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    replay = commands.add_parser("replay", help="send the runs that are kept, once")
    replay.add_argument(
        "journals",
        nargs="*",
        type=Path,
        metavar="JOURNAL",
        help="default: all that are kept of the project in this folder",
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
    return parser


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
        _say("nothing is kept")
    return OK


def _replay(journals: Sequence[Path], endpoint: Endpoint, timeout: float) -> int:
    from pytest_otlp.exporter.replay import replay  # noqa: PLC0415  the parser answers without it

    if not journals:
        _say("nothing is kept")
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
