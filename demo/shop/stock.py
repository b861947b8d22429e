"""What is on the shelves."""

from __future__ import annotations

import time

from opentelemetry import trace

tracer = trace.get_tracer("shop.stock")


class Stock:
    """Articles that can be reserved until they are gone."""

    def __init__(self, amounts: dict[str, int]) -> None:
        self.amounts = amounts

    def reserve(self, article: str, amount: int) -> None:
        with tracer.start_as_current_span("reserve", attributes={"shop.article": article}):
            time.sleep(0.002)
            if amount > self.amounts[article]:
                raise LookupError(f"{self.amounts[article]} of {article} left, {amount} wanted")
            self.amounts[article] -= amount
