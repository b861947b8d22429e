"""Build the backends that tests/backends and the demo run against, without Docker: `build.py [--lock] [NAME ...]`.

The programs go to $PYTEST_OTLP_BACKENDS, by default ${XDG_CACHE_HOME:-~/.cache}/pytest-otlp/backends. A program whose
pins are unchanged is not built again. Go takes its caches, flags and parallelism from the environment as always
(for instance GOFLAGS=-p=2 on a small machine). Needs Go as new as the go.mod files say, and about 20 GB of Go's caches.
"""

from __future__ import annotations

import argparse
import configparser
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSIONS = HERE / "versions.ini"
# The module files decide what is built, not the surroundings: no workspace, no other toolchain, no C compiler.
GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
BUILD_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")


class BuildError(Exception):
    """Something a user can act on; its text is all they see."""


@dataclass(frozen=True)
class Pin:
    """A section of versions.ini."""

    name: str
    programs: tuple[str, ...]
    release: str = ""
    module: str = ""
    version: str = ""
    sum: str = ""
    version_variable: str = ""
    package: str = ""

    @property
    def folder(self) -> Path:
        return HERE / self.name

    @property
    def ldflags(self) -> str:
        stamp = f" -X {self.version_variable}={self.release}" if self.version_variable else ""
        return "-ldflags=-s -w" + stamp

    def digest(self) -> str:
        """Change when anything that decides what is built changes."""
        inputs = [repr(self), *BUILD_FLAGS]
        inputs += [path.read_text("utf-8") for path in sorted(self.folder.glob("*")) if path.is_file()]
        return hashlib.sha256("\0".join(inputs).encode()).hexdigest()


def read_pins(path: Path = VERSIONS) -> dict[str, Pin]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(path.read_text("utf-8"))
    return {name: read_pin(name, dict(parser[name])) for name in parser.sections()}


def read_pin(name: str, options: dict[str, str]) -> Pin:
    programs = tuple(options.pop("programs").split())
    return Pin(name, programs, **{key.replace("-", "_"): value for key, value in options.items()})


def target_folder() -> Path:
    if chosen := os.environ.get("PYTEST_OTLP_BACKENDS"):
        return Path(chosen).expanduser().resolve()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "pytest-otlp" / "backends"


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Run with stderr going to the terminal; return what it wrote to stdout."""
    try:
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=False)
    except FileNotFoundError:
        raise BuildError(f"{command[0]} is not installed, or not on PATH") from None
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        raise BuildError(f"`{' '.join(command)}` in {cwd} ended with {done.returncode}\n{output}".rstrip())
    return output


def go(*arguments: str, cwd: Path, **environment: str) -> str:
    return run("go", *arguments, cwd=cwd, **GO_ENVIRONMENT, **environment)


def download(pin: Pin) -> Path:
    """Fetch the pinned module, compare its checksum, and return its folder in Go's module cache."""
    # In a folder without go.mod: which version it is must not depend on one.
    with tempfile.TemporaryDirectory() as nowhere:
        found = json.loads(go("mod", "download", "-json", f"{pin.module}@{pin.version}", cwd=Path(nowhere)))
    if found["Sum"] != pin.sum:
        raise BuildError(f"{pin.module}@{pin.version} has the checksum {found['Sum']}, versions.ini says {pin.sum}")
    return Path(found["Dir"])


def build(pin: Pin, stage: Path) -> None:
    if pin.name == "collector":
        build_collector(pin, stage)
    elif pin.folder.is_dir():
        build_wrapped(pin, stage)
    else:
        build_inside(pin, stage)


def build_wrapped(pin: Pin, stage: Path) -> None:
    """Build the module in the component's folder: its own program, or tools, for which it repeats the replacements."""
    download(pin)
    if f"{pin.module} {pin.version}" not in (pin.folder / "go.mod").read_text("utf-8"):
        raise BuildError(f"{pin.name}/go.mod does not require {pin.module} {pin.version} as versions.ini does")
    own = (pin.folder / "main.go").exists()
    packages = ["."] if own else go("list", "-mod=readonly", "tool", cwd=pin.folder).split()
    go("build", *BUILD_FLAGS, pin.ldflags, "-o", f"{stage}/", *packages, cwd=pin.folder)


def build_inside(pin: Pin, stage: Path) -> None:
    """Build in the module's own folder: `go install` refuses a module with replacements, a wrapper would drop them."""
    folder = download(pin)
    go("build", *BUILD_FLAGS, pin.ldflags, "-o", f"{stage}/", *(f"./cmd/{name}" for name in pin.programs), cwd=folder)


def build_collector(pin: Pin, stage: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch) / "otelcol"
        generate_collector(pin, sources, "--skip-get-modules")
        go("build", *BUILD_FLAGS, pin.ldflags, "-o", f"{stage}/", ".", cwd=sources)


def generate_collector(pin: Pin, sources: Path, *flags: str) -> None:
    """Write the Collector's source; without --skip-get-modules this also works out its go.mod and go.sum anew."""
    download(pin)
    tools = sources.parent / "bin"
    go("install", "-trimpath", f"{pin.module}@{pin.version}", cwd=sources.parent, GOBIN=str(tools))
    shutil.copytree(pin.folder, sources)
    builder = str(tools / "builder")
    run(builder, "--config=builder.yaml", "--skip-compilation", *flags, cwd=sources, **GO_ENVIRONMENT)


def lock(pin: Pin) -> None:
    """Write the component's go.mod and go.sum anew after its versions changed."""
    if pin.name != "collector":
        go("mod", "tidy", cwd=pin.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch) / "otelcol"
        generate_collector(pin, sources)
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(sources / name, pin.folder / name)


def check_version(program: Path, release: str) -> None:
    """Ask the program itself: a build that links but does not start is found here."""
    question = "version" if program.name == "jaeger" else "--version"
    answer = run(str(program), question, cwd=program.parent)
    if not re.search(rf"(?<![\d.]){re.escape(release)}(?![\d.])", answer):
        raise BuildError(f"{program.name} should be {release}, but says: {answer.strip()}")


def ensure_built(pin: Pin, target: Path) -> str:
    digest = pin.digest()
    stamp = target / f".{pin.name}.stamp"
    programs = [target / name for name in pin.programs]
    if stamp.exists() and stamp.read_text("utf-8") == digest and all(program.exists() for program in programs):
        return f"{pin.release}, built before"
    started = time.monotonic()
    print(f"{pin.name}: building {pin.release}, this takes minutes", flush=True)
    # Next to its place, so that the move is atomic and a running program keeps the file it has open.
    with tempfile.TemporaryDirectory(dir=target, prefix=".stage-") as stage:
        build(pin, Path(stage))
        for program in programs:
            check_version(Path(stage) / program.name, pin.release)
            (Path(stage) / program.name).replace(program)
    stamp.write_text(digest, "utf-8")
    return f"{pin.release}, built in {time.monotonic() - started:.0f} s"


def ensure_package(pin: Pin) -> str:
    """Install a Debian package where that is possible, and say what to do where it is not."""
    if shutil.which(pin.programs[0]):
        return "installed"
    command = ("apt-get", "install", "--yes", "--no-install-recommends", pin.package)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return f"left out: it comes from Debian, and only root can install it (`{' '.join(command)}`)"
    run(*command, cwd=HERE, DEBIAN_FRONTEND="noninteractive")
    return "installed now"


def parse_arguments(known: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; default: all")
    parser.add_argument("--lock", action="store_true", help="write go.mod and go.sum anew instead of building")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return arguments


def main() -> int:
    pins = read_pins()
    arguments = parse_arguments(list(pins))
    target = target_folder()
    target.mkdir(parents=True, exist_ok=True)
    print(f"backends in {target}")
    for name in arguments.names or pins:
        pin = pins[name]
        try:
            if arguments.lock:
                lock(pin)
            else:
                print(f"{name}: {ensure_package(pin) if pin.package else ensure_built(pin, target)}", flush=True)
        except BuildError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
