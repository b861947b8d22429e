"""The Collector as it is shipped, in front of a Jaeger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from backends.programs import CONFIG, Program, find_program, free_address, free_port


class Collector:
    def __init__(self, folder: Path, jaeger_http: str, overlay: dict[str, Any] | None = None) -> None:
        """`overlay`: what the Collector is to lay over the shipped file; mappings are merged, lists replaced."""
        self.grpc, self.http, health = (free_address() for _ in range(3))
        environment = {
            "COLLECTOR_OTLP_GRPC": self.grpc,
            "COLLECTOR_OTLP_HTTP": self.http,
            "COLLECTOR_HEALTH": health,
            "COLLECTOR_METRICS_PORT": str(free_port()),
            "COLLECTOR_STORAGE": str(folder / "queue"),
            "JAEGER_ENDPOINT": f"http://{jaeger_http}",
        }
        arguments = [f"--config={CONFIG / 'collector.yaml'}", f"--config=yaml:{json.dumps(overlay or {})}"]
        self.program = Program(find_program("otelcol"), arguments, environment, f"http://{health}/", folder)
