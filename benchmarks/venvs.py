"""The virtual environments: made once, kept while the pins stay the same."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.peers import CHECKOUT, Peer

ROOT = Path(__file__).resolve().parent.parent
PINS = Path(__file__).with_name("pins.txt")
SERVER = Peer("server", requires=("opentelemetry-proto", "msgpack"))


class Environments:
    """Virtual environments under `folder`, with the interpreter that runs this."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made before it is asked for."""
        self.folder = folder
        self._ready: dict[str, Path] = {}

    def python(self, peer: Peer) -> Path:
        """The peer's interpreter; makes its environment if there is none, or if it is outdated."""
        name = peer.environment
        if name not in self._ready:
            self._ready[name] = self._prepare(name, peer)
        return self._ready[name]

    def _prepare(self, name: str, peer: Peer) -> Path:
        folder = self.folder / name
        python, stamp, wanted = folder / "bin" / "python", folder / "stamp", fingerprint(peer)
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            print(f"making {folder}", file=sys.stderr, flush=True)
            run([sys.executable, "-m", "venv", "--clear", str(folder)])
            install(python, "-c", str(PINS), *peer.requires)
            if peer.unchecked:
                install(python, "-c", str(PINS), "--no-deps", *peer.unchecked)
            stamp.write_text(wanted, encoding="utf-8")
        if CHECKOUT in peer.requires:  # its version says nothing about its content
            install(python, "--no-deps", "--force-reinstall", CHECKOUT)
        return python


def fingerprint(peer: Peer) -> str:
    """Changes with whatever decides what is installed."""
    digest = hashlib.sha256(PINS.read_bytes())
    digest.update(repr((sys.version, peer.requires, peer.unchecked)).encode())
    if CHECKOUT in peer.requires:
        digest.update((ROOT / "pyproject.toml").read_bytes())
    return digest.hexdigest()


def install(python: Path, *arguments: str) -> None:
    """`pip install`, from the project's root."""
    run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments])


def versions(python: Path) -> list[str]:
    """What is installed, as `name==version`: no path of the checkout is in it, as it is in `pip freeze`."""
    command = [str(python), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.splitlines()


def run(command: list[str]) -> None:
    """Run, with the output of a failure shown; raises CalledProcessError."""
    subprocess.run(command, cwd=ROOT, check=True, timeout=900)
