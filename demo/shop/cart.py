"""A cart and its prices, in cents."""

from __future__ import annotations

RATES = {"eur": 100, "usd": 108, "gbp": 86, "jpy": 16_000}


class Cart:
    """Articles and how many of each."""

    def __init__(self) -> None:
        self.amounts: dict[str, int] = {}

    def add(self, article: str, amount: int = 1) -> None:
        if amount < 1:
            raise ValueError(f"cannot add {amount} of {article}")
        self.amounts[article] = self.amounts.get(article, 0) + amount

    def remove(self, article: str) -> None:
        del self.amounts[article]

    def total(self, prices: dict[str, int], currency: str = "eur") -> int:
        cents = sum(prices[article] * amount for article, amount in self.amounts.items())
        return cents * RATES[currency] // 100


def discounted(cents: int, percent: int) -> int:
    return cents - cents * percent // 100
