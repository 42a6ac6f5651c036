"""Tables of what `mlmesh top` shows: programs and model versions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mlmesh.cli.top_change import Change

PROGRAMS = (
    "program", "state", "req/s", "errors/s", "refused/s", "p50 ms", "p99 ms", "open", "loop ms",
    "CPU %", "MB",
)  # fmt: skip
MODELS = (
    "model", "version", "state", "on", "rows/s", "rows/run", "queue", "wait p99 ms", "run p50 ms",
    "run p99 ms", "dropped/s", "failed/s",
)  # fmt: skip
STATES = {"READY": "green", "LOADING": "yellow", "FAILED": "bold red", "UNLOADED": "dim"}
HTTP_ERRORS = tuple(str(status) for status in range(500, 600))
OWN = "mlmesh.v1.MeshService"
"""It carries the calls of others, which are counted by themselves."""


def view_of(changes: Sequence[Change]) -> Group:
    """Both tables; a program that could not be read is one line that says why."""
    return Group(_programs(changes), "", _models(changes))


def _programs(changes: Sequence[Change]) -> Table:
    table = _table(PROGRAMS, texts=2)
    for change in changes:
        program, problem = change.after.source.program, change.after.problem
        if problem:
            table.add_row(program, Text("away", "bold red"), Text(problem[:60], "red"))
        else:
            table.add_row(program, Text("up", "green"), *_program(change))
    return table


def _program(change: Change) -> Iterator[Text | str]:
    name, rate, errors = _traffic(change)
    yield _rate(rate)
    yield _bad(errors)
    yield _bad(
        change.rate("http_requests_refused_total") or change.rate("grpc_server_refused_total")
    )
    yield _ms(change.quantile(0.5, name))
    yield _ms(change.quantile(0.99, name))
    yield f"{change.level('http_open_requests') or change.level('grpc_server_open_calls'):.0f}"
    yield _ms(change.quantile(0.99, "event_loop_lag_seconds"))
    yield f"{100 * change.rate('process_cpu_seconds_total'):.0f}"
    yield f"{change.level('process_resident_memory_bytes') / 2**20:.0f}"


def _traffic(change: Change) -> tuple[str, float, float]:
    """The histogram of a program's calls, its calls and its errors a second."""
    if "http_requests_total" in change.after.samples:
        name = "http_requests_total"
        errors = sum(change.rate(name, status=status) for status in HTTP_ERRORS)
        return "http_request_duration_seconds", change.rate(name), errors
    name = "grpc_server_handled_total"
    rate = change.rate(name) - change.rate(name, grpc_service=OWN)
    broken = sum(change.rate(name, grpc_code=code) for code in ("INTERNAL", "UNKNOWN", "DATA_LOSS"))
    return "prediction_latency_seconds", rate, broken


def _models(changes: Sequence[Change]) -> Table:
    table = _table(MODELS, texts=4)
    for change in changes:
        for model in change.values("model_version_state", "model"):
            for version in change.values("model_version_state", "version"):
                if state := _state(change, model, version):
                    table.add_row(model, version, Text(state, STATES.get(state, "")), *_model(
                        change, model, version
                    ))  # fmt: skip
    return table


def _state(change: Change, model: str, version: str) -> str:
    for state in change.values("model_version_state", "state"):
        if change.level("model_version_state", model=model, version=version, state=state):
            return state
    return ""


def _model(change: Change, model: str, version: str) -> Iterator[Text | str]:
    of = {"model": model, "version": version}
    yield _provider(change, of)
    yield _rate(change.rate("model_batch_rows_sum", **of))
    yield _number(change.mean("model_batch_rows", **of))
    yield f"{change.level('model_queue_rows', **of):.0f}"
    yield _ms(change.quantile(0.99, "model_queue_wait_seconds", **of))
    yield _ms(change.quantile(0.5, "model_inference_duration_seconds", **of))
    yield _ms(change.quantile(0.99, "model_inference_duration_seconds", **of))
    yield _bad(change.rate("model_queue_dropped_total", **of))
    yield _bad(change.rate("model_batch_failures_total", **of))


def _provider(change: Change, of: dict[str, str]) -> str:
    name = "model_version_loaded"
    found = [
        one for one in change.values(name, "provider") if change.level(name, **of, provider=one)
    ]
    return ", ".join(one.removesuffix("ExecutionProvider") for one in found)


def _table(columns: Sequence[str], texts: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < texts else "right", no_wrap=True)
    return table


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _bad(value: float) -> Text:
    return Text(_rate(value), "bold red" if value > 0 else "")


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"


def _ms(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{1000 * seconds:.2f}"
