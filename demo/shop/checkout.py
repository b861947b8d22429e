"""From a cart to a paid order."""

from __future__ import annotations

from demo.shop.bank import charge
from demo.shop.cart import Cart
from demo.shop.stock import Stock
from opentelemetry import trace

tracer = trace.get_tracer("shop.checkout")
PRICES = {"apple": 40, "pear": 60, "melon": 250}


def check_out(cart: Cart, stock: Stock, bank_url: str, card: str) -> int:
    """Returns the cents that were paid. Raises what the stock and the bank raise."""
    with tracer.start_as_current_span("check out") as span:
        for article, amount in cart.amounts.items():
            stock.reserve(article, amount)
        cents = cart.total(PRICES)
        span.set_attribute("shop.cents", cents)
        charge(bank_url, card, cents)
        return cents


def refund(paid: int, cents: int) -> int:
    with tracer.start_as_current_span("refund"):
        if cents > paid:
            raise ValueError(f"{cents} cents back of {paid} that were paid")
        return paid - cents
