"""The whole stack as docker-compose.yml starts it, but for Grafana and the containers: processes on free ports."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from backends.collector import Collector
from backends.jaeger import Jaeger
from backends.programs import CONFIG, ROOT, Program, find_program, free_address, free_port, get_json, has_program

SOON_OVER: dict[str, Any] = {
    "connectors": {f"span_metrics/{name}": {"series_expiration": "20s"} for name in ("failed", "flaky")}
}
"""Laid over the Collector's files, where the series of a failed test, and so its alert, lives for 15 min."""


def shipped_command(service: str, **paths: str | Path) -> list[str]:
    """Return the arguments that docker-compose.yml gives to a part, with the container's folders replaced."""
    command = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"][service]["command"]
    for name, path in paths.items():
        inside = {"config": f"=/etc/{service}", "data": f"=/{service}"}[name]
        command = [argument.replace(inside, f"={path}") for argument in command]
    return list(command)


def subfolder(folder: Path, name: str) -> Path:
    (made := folder / name).mkdir()
    return made


class Tempo:
    def __init__(self, folder: Path) -> None:
        self.otlp = free_address()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            "TEMPO_HTTP_PORT": str(port),
            "TEMPO_GRPC_PORT": str(free_port()),
            "TEMPO_GOSSIP_PORT": str(free_port()),
            "TEMPO_OTLP_HTTP": self.otlp,
            "TEMPO_STORAGE": str(folder / "data"),
        }
        command = shipped_command("tempo", config=CONFIG)
        self.program = Program(find_program("tempo"), command, environment, f"{self.url}/ready", folder)

    def search(self, query: str, limit: int = 20) -> list[dict[str, Any]]:
        """Return the traces found, each with its `spanSets`."""
        asked = urlencode({"q": query, "limit": limit, "spss": 100, **_last_hour()})
        return list(get_json(f"{self.url}/api/search?{asked}").get("traces", ()))

    def spans(self, query: str) -> list[dict[str, Any]]:
        sets = [found for trace in self.search(query) for found in trace.get("spanSets", ())]
        return [span for found in sets for span in found["spans"]]

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """Return the spans of a trace."""
        resources = get_json(f"{self.url}/api/v2/traces/{trace_id}")["trace"]["resourceSpans"]
        return [span for resource in resources for scope in resource["scopeSpans"] for span in scope["spans"]]

    def metrics(self, query: str, *, instant: bool) -> list[dict[str, Any]]:
        """Return the series of a TraceQL metrics query."""
        path = "query" if instant else "query_range"
        asked = urlencode({"q": query, **_last_hour()})
        return list(get_json(f"{self.url}/api/metrics/{path}?{asked}").get("series", ()))


class Loki:
    def __init__(self, folder: Path) -> None:
        self.http = free_address()
        environment = {
            "LOKI_HTTP_PORT": self.http.rpartition(":")[2],
            "LOKI_GRPC_PORT": str(free_port()),
            "LOKI_STORAGE": str(folder / "data"),
        }
        command = shipped_command("loki", config=CONFIG)
        self.program = Program(find_program("loki"), command, environment, f"http://{self.http}/ready", folder)

    def streams(self, query: str) -> list[dict[str, Any]]:
        asked = urlencode({"query": query, "limit": 200, **_last_hour()})
        return list(get_json(f"http://{self.http}/loki/api/v1/query_range?{asked}")["data"]["result"])


class Prometheus:
    """Its configuration names others in targets/ alone: that folder is replaced."""

    def __init__(self, folder: Path, alertmanager: str, stack: dict[str, str]) -> None:
        self.http = free_address()
        config = shutil.copytree(CONFIG / "prometheus", folder / "config")
        shutil.rmtree(config / "targets")
        (config / "targets").mkdir()
        targets = [{"targets": [address], "labels": {"component": name}} for name, address in stack.items()]
        (config / "targets/stack.yml").write_text(json.dumps(targets))
        (config / "targets/alertmanager.yml").write_text(json.dumps([{"targets": [alertmanager]}]))
        command = shipped_command("prometheus", config=config, data=folder / "data")
        command.append(f"--web.listen-address={self.http}")
        self.program = Program(find_program("prometheus"), command, {}, f"http://{self.http}/-/ready", folder)

    def query(self, expression: str) -> list[dict[str, Any]]:
        return list(self._api("query", query=expression)["result"])

    def value(self, expression: str) -> float | None:
        """Return the only value, None where there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def query_range(self, expression: str) -> list[dict[str, Any]]:
        now = time.time()
        return list(self._api("query_range", query=expression, start=now - 300, end=now, step=1)["result"])

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._api("rules")["groups"] for rule in group["rules"]]

    def exemplars(self, selector: str) -> list[dict[str, Any]]:
        now = time.time()
        return list(self._api("query_exemplars", query=selector, start=now - 3600, end=now + 60))

    def _api(self, path: str, **asked: object) -> Any:
        return get_json(f"http://{self.http}/api/v1/{path}?{urlencode(asked)}")["data"]


class Alertmanager:
    """With a webhook at the receiver that the shipped file leaves to be filled, and the interval of a test."""

    def __init__(self, folder: Path, webhook: str) -> None:
        self.http = free_address()
        config = yaml.safe_load((CONFIG / "alertmanager.yaml").read_text("utf-8"))
        (team,) = config["receivers"]
        team["webhook_configs"] = [{"url": webhook, "send_resolved": True}]
        # A minute until it is told that an alert is over.
        config["route"]["group_interval"] = "5s"
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump(config))
        command = shipped_command("alertmanager", config=folder, data=folder / "data")
        # Alone: no cluster, no port for one.
        command += [f"--web.listen-address={self.http}", "--cluster.listen-address="]
        program = find_program("prometheus-alertmanager")
        self.program = Program(program, command, {}, f"http://{self.http}/-/ready", folder)

    def states(self, service: str) -> dict[str, str]:
        """Return `active` or `suppressed` by the names of the alerts."""
        asked = urlencode({"filter": f'service_name="{service}"'})
        alerts = get_json(f"http://{self.http}/api/v2/alerts?{asked}")
        return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in alerts}


class Webhook:
    """What Alertmanager told, an alert an entry, with the time (s since the epoch) as `received`."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        alerts = self.alerts

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["content-length"])))
                alerts.extend({**alert, "received": time.time()} for alert in told["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def told(self, status: str, service: str) -> list[dict[str, Any]]:
        """Return the alerts that are `firing`, or `resolved`."""
        return [a for a in self.alerts if a["status"] == status and a["labels"].get("service_name") == service]

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class Stack:
    """Tempo and Loki are left out where they have not been built: what asks for them is skipped, or fails."""

    def __init__(self, folder: Path) -> None:
        self.webhook = Webhook()
        self._tempo = Tempo(subfolder(folder, "tempo")) if has_program("tempo") else None
        self._loki = Loki(subfolder(folder, "loki")) if has_program("loki") else None
        self.alertmanager = Alertmanager(subfolder(folder, "alertmanager"), self.webhook.url)
        own_metrics = free_address()
        scraped = {"collector": own_metrics}
        others = {"COLLECTOR_METRICS_PORT": own_metrics.rpartition(":")[2]}
        if self._tempo:
            scraped["tempo"] = self._tempo.url.removeprefix("http://")
            others["TEMPO_ENDPOINT"] = f"http://{self._tempo.otlp}"
        if self._loki:
            scraped["loki"] = self._loki.http
            others["LOKI_ENDPOINT"] = f"http://{self._loki.http}"
        self.prometheus = Prometheus(subfolder(folder, "prometheus"), self.alertmanager.http, scraped)
        prometheus = {"PROMETHEUS_ENDPOINT": f"http://{self.prometheus.http}"}
        self.jaeger = Jaeger(subfolder(folder, "jaeger"), prometheus, "jaeger-monitor.yaml")
        files = ("collector-all.yaml",)
        own = subfolder(folder, "collector")
        self.collector = Collector(own, self.jaeger.http, SOON_OVER, prometheus | others, files)

    @property
    def has_tempo(self) -> bool:
        return self._tempo is not None

    @property
    def tempo(self) -> Tempo:
        if not self._tempo:
            find_program("tempo")
        assert self._tempo
        return self._tempo

    @property
    def loki(self) -> Loki:
        if not self._loki:
            find_program("loki")
        assert self._loki
        return self._loki

    @contextmanager
    def running(self) -> Iterator[None]:
        parts = (self._tempo, self._loki, self.alertmanager, self.prometheus, self.jaeger, self.collector)
        programs = [part.program for part in parts if part]
        with ExitStack() as exit_stack:
            exit_stack.enter_context(self.webhook.running())
            for program in programs:
                program.launch()
                # Tempo takes longer to end than anyone waits, and what they hold is of no use any more.
                exit_stack.callback(program.kill)
            for program in programs:
                program.wait()
            yield


def _last_hour() -> dict[str, int]:
    """s since the epoch."""
    now = int(time.time())
    return {"start": now - 3600, "end": now + 1}
