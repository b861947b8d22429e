"""What the tests of the shop share."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from demo.shop import telemetry
from demo.shop.bank import Bank
from demo.shop.cart import Cart
from demo.shop.stock import Stock


@pytest.fixture(scope="session", autouse=True)
def instrumented() -> Iterator[None]:
    """The shop under observation, as it runs in production."""
    provider = telemetry.start()
    yield
    provider.shutdown()


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    bank = Bank()
    yield bank
    bank.close()


@pytest.fixture(scope="module")
def catalogue() -> None:
    """Takes a while to load."""
    time.sleep(0.2)


@pytest.fixture
def stock() -> Stock:
    return Stock({"apple": 10, "pear": 3, "melon": 0})


@pytest.fixture
def cart() -> Cart:
    cart = Cart()
    cart.add("apple", 2)
    cart.add("pear")
    return cart
