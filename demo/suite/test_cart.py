from __future__ import annotations

import pytest
from demo.shop.cart import Cart, discounted
from demo.shop.checkout import PRICES


@pytest.mark.parametrize(("currency", "total"), [("eur", 140), ("usd", 151), ("gbp", 120), ("jpy", 22_400)])
def test_total(cart: Cart, currency: str, total: int) -> None:
    """A cart has a total in each currency."""
    assert cart.total(PRICES, currency) == total


@pytest.mark.parametrize("percent", [0, 5, 10, 25, 50, 100])
def test_discount(percent: int) -> None:
    assert 0 <= discounted(200, percent) <= 200


class TestContent:
    """What is in a cart."""

    def test_add_twice(self, cart: Cart) -> None:
        cart.add("pear")
        assert cart.amounts["pear"] == 2

    def test_remove(self, cart: Cart) -> None:
        cart.remove("apple")
        assert list(cart.amounts) == ["pear"]

    @pytest.mark.parametrize("amount", [0, -1])
    def test_add_nothing(self, cart: Cart, amount: int) -> None:
        with pytest.raises(ValueError, match="cannot add"):
            cart.add("apple", amount)


@pytest.mark.xfail(reason="prices are rounded down")
def test_rounding(cart: Cart) -> None:
    assert cart.total(PRICES, "gbp") == 121


@pytest.mark.xfail(reason="was broken, and nobody looked since")
def test_discount_of_nothing() -> None:
    assert discounted(0, 10) == 0


@pytest.mark.skip(reason="sold in December only")
def test_gift_wrap() -> None:
    raise NotImplementedError
