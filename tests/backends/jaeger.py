"""Jaeger as it is shipped, and what its HTTP API says of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from backends.programs import CONFIG, Program, find_program, free_address, get_json


@dataclass(frozen=True)
class Span:
    span_id: str
    parent_id: str
    """Empty without a parent."""
    name: str
    service: str
    start: int
    """µs since the epoch."""
    duration: int
    """µs"""
    attributes: dict[str, Any]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Trace:
    trace_id: str
    spans: tuple[Span, ...]

    @property
    def title(self) -> str:
        """What the list shows, as Jaeger's page chooses it: of the spans with the fewest parents, the earliest."""
        ids = {span.span_id for span in self.spans}
        tops = [span for span in self.spans if span.parent_id not in ids]
        top = min(tops, key=lambda span: (bool(span.parent_id), span.start))
        return f"{top.service}: {top.name}"

    @property
    def roots(self) -> list[Span]:
        """The parentless spans but for the marker of the start."""
        return [span for span in self.spans if not span.parent_id and run_status(span) != "in_progress"]

    @property
    def tests(self) -> list[Span]:
        return [span for span in self.spans if "test.case.result.status" in span.attributes]

    @property
    def warnings(self) -> list[str]:
        return [f"{span.name}: {warning}" for span in self.spans for warning in span.warnings]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


def run_status(span: Span) -> object:
    return span.attributes.get("test.suite.run.status")


class Jaeger:
    def __init__(self, folder: Path, more: Mapping[str, str] | None = None, *files: str) -> None:
        """`files`: shipped ones after jaeger.yaml. `more`: variables of these."""
        self.grpc, self.http, self.query, health = (free_address() for _ in range(4))
        addresses = {
            "JAEGER_OTLP_GRPC": self.grpc,
            "JAEGER_OTLP_HTTP": self.http,
            "JAEGER_QUERY_HTTP": self.query,
            "JAEGER_QUERY_GRPC": free_address(),
            "JAEGER_HEALTH": health,
            **(more or {}),
        }
        arguments = [f"--config={CONFIG / name}" for name in ("jaeger.yaml", *files)]
        self.program = Program(find_program("jaeger"), arguments, addresses, f"http://{health}/status", folder)

    def services(self) -> list[str]:
        return list(get_json(f"http://{self.query}/api/services")["data"])

    def search(self, service: str, **tags: str) -> list[Trace]:
        """Read what the page's search shows for a service."""
        query = urlencode({"service": service, "limit": 100, "lookback": "1h", "tags": json.dumps(tags)})
        return [_trace(data) for data in get_json(f"http://{self.query}/api/traces?{query}")["data"]]


def _trace(data: dict[str, Any]) -> Trace:
    services = {key: process["serviceName"] for key, process in data["processes"].items()}
    return Trace(data["traceID"], tuple(_span(span, services) for span in data["spans"]))


def _span(data: dict[str, Any], services: dict[str, str]) -> Span:
    parents = [reference["spanID"] for reference in data["references"] if reference["refType"] == "CHILD_OF"]
    return Span(
        span_id=data["spanID"],
        parent_id=parents[0] if parents else "",
        name=data["operationName"],
        service=services[data["processID"]],
        start=data["startTime"],
        duration=data["duration"],
        attributes={tag["key"]: tag["value"] for tag in data["tags"]},
        warnings=tuple(data["warnings"] or ()),
    )
