"""Writes the dashboards: `python deploy/grafana/dashboards.py`.

Panels are written here in a line each; dashboards/*.json is what Grafana is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${source}"}
COLUMNS, HEIGHT = 24, 8
FEW_ROWS = "sum by (model, version) "
SERVED = 'grpc_service!="mlmesh.v1.MeshService"'
MODEL = 'job=~"$job",model=~"$model"'


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    text: str
    """What it says, and what to do about it."""
    unit: str
    lines: dict[str, str]
    """Legend to PromQL."""
    kind: str = "timeseries"
    width: int = 8


@dataclass(frozen=True, slots=True)
class Dashboard:
    uid: str
    title: str
    panels: Sequence[Panel]
    variables: Sequence[tuple[str, str]] = ()
    """Name, and the series and label that its values come from."""


def quantiles(name: str, by: str, where: str) -> dict[str, str]:
    """p50, p95 and p99 of a histogram, one line for each value of `by`."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    buckets = f"sum by ({by}, le) (rate({name}_bucket{{{where}}}[$__rate_interval]))"
    return {
        f"{legend} p{share}": f"histogram_quantile({share / 100}, {buckets})"
        for share in (50, 95, 99)
    }


def rate(name: str, by: str, where: str = "") -> dict[str, str]:
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return {legend: f"sum by ({by}) (rate({name}{{{where}}}[$__rate_interval]))"}


def by_instance(gauge: str) -> dict[str, str]:
    """Of all workers of an instance together."""
    return {"{{job}} {{instance}}": f'sum by (job, instance) ({gauge}{{job=~"$job"}})'}


JOB = ("job", "up, job")
MODELS = ("model", "model_version_state, model")

OVERVIEW = Dashboard("mlmesh-overview", "mlmesh: service overview", [
    Panel("Requests", "HTTP requests a second, by route.", "reqps",
          rate("http_requests_total", "route")),
    Panel("Failures of ours", "Share of requests that ended with 5xx; the objective is 0.1 %.",
          "percentunit", {
              "5 minutes": "mlmesh:errors:ratio_rate5m", "1 hour": "mlmesh:errors:ratio_rate1h",
              "6 hours": "mlmesh:errors:ratio_rate6h", "3 days": "mlmesh:errors:ratio_rate3d"}),
    Panel("Budget left", "Of 0.1 % failures in 30 days, at the pace of the last three.",
          "percentunit", {"left": "1 - mlmesh:errors:ratio_rate3d / 0.001"}, "stat"),
    Panel("Answers", "Seconds from a request's arrival to the end of its answer.", "s",
          quantiles("http_request_duration_seconds", "route", 'route!="unmatched"'), width=12),
    Panel("Slower than a second", "Share of requests; streams are left out.", "percentunit", {
        "5 minutes": "mlmesh:slow:ratio_rate5m", "1 hour": "mlmesh:slow:ratio_rate1h"}),
    Panel("Services", "1: the gateway reaches it.", "short",
          {"{{service}} from {{instance}}":
                                      "min by (service, instance) (mesh_backend_up)"}, "stat", 4),
    Panel("Calls to models", "By kind of data and outcome.", "reqps",
          rate("prediction_requests_total", "modality, status")),
    Panel("Time of calls to models", "Without the gateway.", "s",
          quantiles("prediction_latency_seconds", "modality", "")),
    Panel("Versions", "What every process has loaded, or failed to.", "short",
          {"{{model}} {{version}} {{state}}":
           "max by (model, version, state) (model_version_state) == 1"}, "stat"),
])  # fmt: skip
MODEL_PERFORMANCE = Dashboard("mlmesh-models", "mlmesh: model performance", [
    Panel("Rows", "Rows that were answered, a second.", "rowsps",
          rate("model_batch_rows_sum", "model, version", MODEL)),
    Panel("Run", "Seconds of one run of the graph, for a whole batch.", "s",
          quantiles("model_inference_duration_seconds", "model, version", MODEL)),
    Panel("Wait", "Seconds that an item waited for its batch. It grows before callers complain.",
          "s", quantiles("model_queue_wait_seconds", "model, version", MODEL)),
    Panel("Where time goes", "Seconds a second, by phase: near 1, one instance has no time left.",
          "short", rate("model_batch_seconds_total", "model, version, phase", MODEL)),
    Panel("Runs that failed", "Such a batch is run again in halves, to find the item to blame.",
          "ops", rate("model_batch_failures_total", "model, version", MODEL)),
    Panel("Loads", "Seconds that the version took: copied, checked, tried, opened, warm.", "s",
          {"{{model}} {{version}}": f"max by (model, version) (model_load_seconds{{{MODEL}}})"}),
    Panel("Swaps", "Versions that took the place of another while it served.", "short",
          {"{{model}}": 'sum by (model) (increase(model_swaps_total{job=~"$job"}[1h]))'}),
    Panel("Loaded or failed", "Versions, in an hour.", "short",
          {"{{result}}": 'sum by (result) (increase(model_loads_total{job=~"$job"}[1h]))'}),
    Panel("On", "What computes each version.", "short",
          {"{{model}} {{version}} {{provider}}": f"max by (model, version, provider) "
           f"(model_version_loaded{{{MODEL}}})"}, "stat"),
], [JOB, MODELS])  # fmt: skip
RESOURCES = Dashboard("mlmesh-resources", "mlmesh: resources", [
    Panel("CPU", "Cores in use.", "short",
          rate("process_cpu_seconds_total", "job, instance", 'job=~"$job"')),
    Panel("Memory", "Resident; grows with models and with the largest batches.", "bytes",
          by_instance("process_resident_memory_bytes")),
    Panel("Files and sockets", "Open, and the most that may be.", "short", {
        "{{job}} {{instance}}": 'process_open_fds{job=~"$job"}',
        "{{job}} {{instance}} most": 'process_max_fds{job=~"$job"}'}),
    Panel("Event loop", "Seconds that it comes late: above 0.1 everybody waits.", "s",
          quantiles("event_loop_lag_seconds", "job, instance", 'job=~"$job"')),
    Panel("Calls under way", "Plain and carried.", "short",
          by_instance("grpc_server_open_calls")),
    Panel("Bytes of requests under way", "Bounded; beyond it calls are refused.", "bytes",
          by_instance("grpc_server_open_bytes")),
    Panel("Starts", "Times that a process was started, in an hour.", "short",
          {"{{job}} {{instance}}": 'changes(process_start_time_seconds{job=~"$job"}[1h])'}),
    Panel("GPU memory", "Of all processes.", "bytes",
          {"{{instance}} {{gpu}}": "gpu_memory_usage_bytes",
           "{{instance}} {{gpu}} all": "gpu_memory_total_bytes"}),
    Panel("GPU", "Share of the time in which it computes.", "percentunit",
          {"{{instance}} {{gpu}}": "gpu_utilization_ratio"}),
], [JOB])  # fmt: skip
ERRORS = Dashboard("mlmesh-errors", "mlmesh: errors", [
    Panel("HTTP by status", "4xx are the callers', 5xx ours.", "reqps",
          rate("http_requests_total", "status"), width=12),
    Panel("Failures by route", "5xx.", "reqps",
          rate("http_requests_total", "route, status", 'status=~"5.."'), width=12),
    Panel("Refused by the gateway", "By the reason that callers are told.", "reqps",
          rate("http_requests_refused_total", "reason"), width=12),
    Panel("Refused by services", "By the reason that callers are told.", "reqps",
          rate("grpc_server_refused_total", "job, grpc_service, reason"), width=12),
    Panel("gRPC by code", "INTERNAL and UNKNOWN have a traceback in the log.", "reqps",
          rate("grpc_server_handled_total", "job, grpc_code", 'grpc_code!="OK"'), width=12),
    Panel("Failed by method", "INTERNAL, UNKNOWN and DATA_LOSS.", "reqps",
          rate("grpc_server_handled_total", "grpc_service, grpc_method",
               'grpc_code=~"INTERNAL|UNKNOWN|DATA_LOSS"'), width=12),
])  # fmt: skip
BATCHING = Dashboard("mlmesh-batching", "mlmesh: batching and coalescing", [
    Panel("Rows in a run", "Mean. It grows with the load: batches fill while one runs.", "short",
          {"{{model}} {{version}}":
           f"{FEW_ROWS}(rate(model_batch_rows_sum{{{MODEL}}}[$__rate_interval])) / "
           f"{FEW_ROWS}(rate(model_batch_rows_count{{{MODEL}}}[$__rate_interval]))"}),
    Panel("Runs by rows", "How many runs took how many rows.", "short",
          {"{{le}}": f"sum by (le) (rate(model_batch_rows_bucket{{{MODEL}}}[$__rate_interval]))"},
          "heatmap"),
    Panel("Rows that wait", "Bounded by MLMESH_MAX_WAITING.", "short",
          {"{{model}} {{version}} {{instance}}": f"model_queue_rows{{{MODEL}}}"}),
    Panel("Bytes that wait", "Bounded, too.", "bytes",
          {"{{model}} {{version}} {{instance}}": f"model_queue_bytes{{{MODEL}}}"}),
    Panel("Wait", "Seconds that an item waited for its batch.", "s",
          quantiles("model_queue_wait_seconds", "model, version", MODEL)),
    Panel("Not run", "Refused at the door, or no longer wanted when their turn came.", "ops",
          rate("model_queue_dropped_total", "model, version, reason", MODEL)),
    Panel("Calls in a message", "Mean, from the gateway. It grows with the load, too.", "short",
          {"{{target}}": "sum by (target) (rate(mesh_message_calls_sum[$__rate_interval])) / "
           "sum by (target) (rate(mesh_message_calls_count[$__rate_interval]))"}),
    Panel("Calls sent again", "Their replica was gone, and repeating them does no harm.", "ops",
          rate("mesh_calls_repeated_total", "target")),
    Panel("Streams open", "One from every gateway to every replica, and those of callers.",
          "short", by_instance("grpc_server_open_streams")),
    Panel("WebSockets open", "Of all that the gateway has; MLMESH_MAX_SOCKETS bounds them.",
          "short", by_instance("http_open_sockets")),
    Panel("Messages of streams", "Carried calls share them: fewer messages than calls.", "ops",
          rate("grpc_server_msg_received_total", "job, grpc_service, grpc_method",
               'job=~"$job"')),
    Panel("Messages of streams over HTTP", "Lines, events and frames to clients.", "ops",
          rate("http_stream_msg_sent_total", "route")),
], [JOB, MODELS])  # fmt: skip
DASHBOARDS = {
    "overview": OVERVIEW,
    "models": MODEL_PERFORMANCE,
    "resources": RESOURCES,
    "errors": ERRORS,
    "batching": BATCHING,
}


def content_of(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["mlmesh"],
        "schemaVersion": 41,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": list(_variables(dashboard))},
        "panels": list(_panels(dashboard)),
    }


def text_of(dashboard: Dashboard) -> str:
    return json.dumps(content_of(dashboard), indent=1) + "\n"


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    for name, values in dashboard.variables:
        yield {
            "name": name,
            "type": "query",
            "datasource": SOURCE,
            "query": f"label_values({values})",
            "multi": True,
            "includeAll": True,
            "current": {"text": "All", "value": "$__all"},
            "refresh": 2,
        }


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    left = top = 0
    for number, panel in enumerate(dashboard.panels, 1):
        if left + panel.width > COLUMNS:
            left, top = 0, top + HEIGHT
        place = {"x": left, "y": top, "w": panel.width, "h": HEIGHT}
        left += panel.width
        yield {
            "id": number,
            "title": panel.title,
            "description": panel.text,
            "type": panel.kind,
            "datasource": SOURCE,
            "gridPos": place,
            "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": SOURCE,
                    "expr": expression,
                    "legendFormat": legend,
                    **({"format": "heatmap"} if panel.kind == "heatmap" else {}),
                }
                for index, (legend, expression) in enumerate(panel.lines.items())
            ],
        }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, dashboard in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(text_of(dashboard), encoding="utf-8")


if __name__ == "__main__":
    main()
