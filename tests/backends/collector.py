"""The Collector as it is shipped, in front of a Jaeger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backends.programs import CONFIG, Program, find_program, free_address, free_port, get_text


class Collector:
    def __init__(
        self,
        folder: Path,
        jaeger_http: str,
        overlay: dict[str, Any] | None = None,
        addresses: Mapping[str, str] | None = None,
        files: Sequence[str] = (),
    ) -> None:
        """`overlay`: what the Collector is to lay over the shipped files; mappings are merged, lists replaced.

        `files`: shipped ones after collector.yaml. `addresses`: variables of these.
        """
        self.grpc, self.http, health = (free_address() for _ in range(3))
        own_metrics = str(free_port())
        environment = {
            "COLLECTOR_OTLP_GRPC": self.grpc,
            "COLLECTOR_OTLP_HTTP": self.http,
            "COLLECTOR_HEALTH": health,
            "COLLECTOR_METRICS_PORT": own_metrics,
            "COLLECTOR_STORAGE": str(folder / "queue"),
            "JAEGER_ENDPOINT": f"http://{jaeger_http}",
            **(addresses or {}),
        }
        arguments = [f"--config={CONFIG / name}" for name in ("collector.yaml", *files)]
        arguments.append(f"--config=yaml:{json.dumps(overlay or {})}")
        self.program = Program(find_program("otelcol"), arguments, environment, f"http://{health}/", folder)
        self._own_metrics = f"http://127.0.0.1:{environment['COLLECTOR_METRICS_PORT']}/metrics"

    def own(self, name: str) -> float:
        """Return the sum of the series of one of the Collector's own metrics; 0 where there is none yet."""
        lines = get_text(self._own_metrics).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))
