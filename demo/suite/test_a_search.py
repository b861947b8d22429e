"""Slow tests, which come first so that the others run beside them."""

from __future__ import annotations

import pytest
from demo.shop.search import build_index, search
from opentelemetry.trace import Span


def test_index(catalogue: None, otel_span: Span) -> None:
    """The index has every article in it.

    It takes more than five seconds: while it runs, a marker says that it does.
    """
    articles = build_index(8)
    otel_span.set_attribute("articles", articles)
    otel_span.add_event("index built", {"shards": 8})
    assert articles == 40


@pytest.mark.parametrize(
    ("words", "found"),
    [("apple", 2), ("pear", 1), ("melon", 2), ("water", 1), ("juice", 1), ("plum", 0), ("m", 2), ("", 5)],
)
def test_search(catalogue: None, words: str, found: int) -> None:
    """Finds articles by a part of their name."""
    assert len(search(words)) == found


def test_slow_search(catalogue: None) -> None:
    assert search("apple", seconds=1.2)
