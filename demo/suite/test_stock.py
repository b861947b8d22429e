from __future__ import annotations

from collections.abc import Callable

import pytest
from demo.shop.stock import Stock


@pytest.fixture
def counted() -> Stock:
    raise ConnectionError("the warehouse does not answer")


@pytest.mark.parametrize("amount", [1, 2, 3])
def test_reserve(stock: Stock, amount: int) -> None:
    stock.reserve("pear", amount)
    assert stock.amounts["pear"] == 3 - amount


def test_sold_out(stock: Stock) -> None:
    with pytest.raises(LookupError, match="0 of melon left"):
        stock.reserve("melon", 1)


def test_oversold(stock: Stock) -> None:
    """Fails: two orders want the same pears."""
    stock.reserve("pear", 2)
    stock.reserve("pear", 2)


def test_count(counted: Stock) -> None:
    """Cannot run: its fixture fails."""
    assert counted.amounts


def test_restock(stock: Stock, record_property: Callable[[str, object], None]) -> None:
    """Fails: what is delivered is put on the wrong shelf."""
    record_property("supplier", "orchard 7")
    stock.amounts["melon"] = 5
    assert stock.amounts == {"apple": 10, "pear": 8, "melon": 0}
