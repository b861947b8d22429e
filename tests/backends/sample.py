"""Suites: one with every outcome, one with much text, one with a test that goes on until it is told to end."""

EVERY_OUTCOME = '''
import pytest


@pytest.fixture(scope="module")
def basket():
    yield []


@pytest.fixture
def broken():
    raise RuntimeError("no shop")


@pytest.mark.parametrize("currency", ["eur", "usd"])
def test_total(basket, currency):
    """A basket has a total in each currency."""


def test_fails(basket):
    assert basket == ["apple"]


def test_error(broken):
    pass


@pytest.mark.skip(reason="not sold yet")
def test_skipped():
    pass


@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert False


@pytest.mark.xfail
def test_unexpectedly_passes():
    pass


class TestNested:
    def test_method(self, basket):
        print("seen")
'''

_WAITS = """
import os
import time
from pathlib import Path


def wait_for_release():
    deadline = time.monotonic() + 120
    while not Path(os.environ["RELEASE"]).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
"""

HELD = f"""{_WAITS}

def test_before():
    pass


def test_held():
    wait_for_release()


def test_after():
    pass
"""

MUCH_TEXT = """
import pytest


@pytest.mark.parametrize("number", range(100))
def test_fails(number):
    pytest.fail("x" * 30_000)
"""

FOR_DASHBOARDS = f"""
import logging

import pytest
{_WAITS}
ATTEMPTS = []


@pytest.fixture(scope="module")
def basket():
    time.sleep(0.05)
    yield []


def test_total(basket):
    time.sleep(0.1)


def test_fails(basket):
    print("the basket is", basket)
    logging.warning("empty")
    assert basket == ["apple"]


def test_flaky():
    ATTEMPTS.append(1)
    assert len(ATTEMPTS) == 2


@pytest.mark.skip(reason="not sold yet")
def test_skipped():
    pass


def test_last():
    wait_for_release()
"""

SLOW_SERIES = """
import os
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", range(int(os.environ["TESTS"])))
def test_takes_a_while(number):
    time.sleep(0.25)
    Path(f"over-{number}").touch()
"""
