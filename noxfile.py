"""The tests on other interpreters and versions, for people; `.ci/run` and the workflows do the same by themselves."""

from __future__ import annotations

import nox

nox.options.sessions = ["tests", "lowest"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False


@nox.session(python=["3.10", "3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """Run the tests with the locked versions."""
    session.install("-r", "requirements/dev.lock", ".")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python="3.10")
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions that are promised, without pytest-xdist and the like."""
    session.install("-r", "requirements/lowest.lock", ".")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python="3.10")
def lowest_beside(session: nox.Session) -> None:
    """Run the table of kinds of tests and of plugins with pytest 8.0 and the lowest versions of these plugins."""
    session.install("-r", "requirements/lowest-beside.lock", ".")
    session.run("python", "-m", "pytest", "tests/compat", *session.posargs)


@nox.session(python="3.13")
def pytest_main(session: nox.Session) -> None:
    """Run the tests with pytest's main branch."""
    session.install("-r", "requirements/dev.lock", ".")
    session.install("git+https://github.com/pytest-dev/pytest@main")
    session.run("python", "-m", "pytest", *session.posargs)
