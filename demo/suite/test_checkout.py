from __future__ import annotations

from urllib.error import HTTPError

import pytest
from demo.shop.bank import Bank
from demo.shop.cart import Cart
from demo.shop.checkout import check_out, refund
from demo.shop.stock import Stock

DECLINED: list[str] = []


@pytest.mark.parametrize("card", ["visa", "mastercard", "amex"])
def test_pays(cart: Cart, stock: Stock, bank: Bank, card: str) -> None:
    """An order is paid with each kind of card."""
    assert check_out(cart, stock, bank.url, card) == 140


def test_declined(cart: Cart, stock: Stock, bank: Bank) -> None:
    with pytest.raises(HTTPError, match="402"):
        check_out(cart, stock, bank.url, "0000")


def test_slow_bank(cart: Cart, stock: Stock) -> None:
    bank = Bank(seconds=0.6)
    try:
        assert check_out(cart, stock, bank.url, "visa") == 140
    finally:
        bank.close()


@pytest.mark.flaky(reruns=1)
def test_card_reader(cart: Cart, stock: Stock, bank: Bank) -> None:
    """Reads the card at the second attempt only."""
    card = "visa" if DECLINED else "0000"
    DECLINED.append(card)
    check_out(cart, stock, bank.url, card)


def test_refund() -> None:
    """Fails: more is given back than was paid."""
    print("refunding 150 of 140 cents")
    assert refund(140, 150) == 0
