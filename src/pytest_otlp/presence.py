"""Where a receiver of this user listens, as a note in the state folder: found without asking the network.

The note holds the page's address, never the token: the link made of it ends up in logs and in other people's hands.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_otlp.locks import lock


def state_folder(env: Mapping[str, str], home: Path) -> Path:
    """Where this user's programs keep what they remember (XDG Base Directory Specification, and Windows' own)."""
    if os.name == "nt":
        return Path(env.get("LOCALAPPDATA") or home / "AppData" / "Local") / "pytest-otlp"
    return Path(env.get("XDG_STATE_HOME") or home / ".local" / "state") / "pytest-otlp"


@contextmanager
def noted(folder: Path, ports: Iterable[int], page: str) -> Iterator[None]:
    """Has a note for each of the ports that take telemetry, while the receiver lives; without one, links lack.

    `page`: the address of the page, without the token.
    """
    paths = [_note(folder, port) for port in ports]
    held: list[int] = []
    with suppress(OSError):
        held.extend(_written(path, json.dumps({"page": page})) for path in paths)
    try:
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        for path in paths:
            with suppress(OSError):
                path.unlink()


def _written(path: Path, text: str) -> int:
    """The note, locked as long as the descriptor is open: the system lets go of it however the process ends."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
    descriptor = os.open(path, os.O_RDWR)
    with suppress(OSError):
        lock(descriptor)
    return descriptor


def page_at(env: Mapping[str, str], port: int) -> str:
    """The page of the receiver that takes telemetry at a port of this machine; empty where none is known to live."""
    try:
        path = _note(state_folder(env, Path.home()), port)
        note = json.loads(path.read_text("utf-8"))
        return str(note["page"]) if _is_held(path) else ""
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError):
        return ""  # no home, no note, or one that somebody else has written


def _is_held(path: Path) -> bool:
    """Whether the process that wrote a note lives still."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        lock(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _note(folder: Path, port: int) -> Path:
    return folder / f"view-at-{port}.json"


def process_lives(pid: int, kill: Callable[[int, int], None] = os.kill) -> bool:
    """Whether there is such a process; True where that cannot be asked."""
    if sys.platform == "win32":  # signal 0 would end it there
        return True
    try:
        kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
