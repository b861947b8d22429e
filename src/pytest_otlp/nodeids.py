"""What stands in a node id."""

from __future__ import annotations


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def suite_of(nodeid: str) -> str:
    """The file (and class) of a node id."""
    head = nodeid.split("[", 1)[0]
    return head.rpartition("::")[0] or head
