"""Searching the catalogue, slowly."""

from __future__ import annotations

import time

from opentelemetry import trace

tracer = trace.get_tracer("shop.search")
CATALOGUE = ("apple", "apple juice", "pear", "melon", "water melon")


def search(words: str, seconds: float = 0.1) -> list[str]:
    with tracer.start_as_current_span("search", attributes={"shop.words": words}):
        time.sleep(seconds)
        return [article for article in CATALOGUE if words in article]


def build_index(rounds: int) -> int:
    for number in range(rounds):
        with tracer.start_as_current_span("index part", attributes={"shop.part": number}):
            time.sleep(0.7)
    return rounds * len(CATALOGUE)
