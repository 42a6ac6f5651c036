"""Where everything is, for the person who started it: a table of addresses, and calls to try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlmesh.cli.plan import Plan, Program, address, reachable
from mlmesh.cli.port import Port

COLUMNS = ("program", "state", "HTTP / gRPC", "health", "metrics", "after")
# Cells must not be cut short where nobody can widen the window.
PLAIN_WIDTH = 120
_JSON = "-H 'content-type: application/json'"
_ROW = '{"features": [39.1, 18.7, 181, 3750]}'
_TEXT = '{"text": "This product is amazing!"}'
EXAMPLES = {
    "mlmesh.v1.PredictorService": (
        f"curl -s GATEWAY/predict {_JSON} -d '{_ROW}'",
        f"grpcurl -plaintext -d '{_ROW}' SERVICE mlmesh.v1.PredictorService/Predict",
    ),
    "mlmesh.v1.NlpService": (
        f"curl -s GATEWAY/analyze/sentiment {_JSON} -d '{_TEXT}'",
        f"grpcurl -plaintext -d '{_TEXT}' SERVICE mlmesh.v1.NlpService/AnalyzeSentiment",
    ),
    "mlmesh.v1.VisionService": ("curl -s GATEWAY/detect -F image=@docs/images/cat.jpg",),
}
"""What to try, by contract. GATEWAY and SERVICE stand for where these answer."""


def open_console(*, stderr: bool) -> Console:
    console = Console(highlight=False, stderr=stderr)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console


def show_plan(console: Console, plan: Plan) -> None:
    """Print what would be started."""
    _show_table(console, plan, {program.name: ("planned", "") for program in plan.programs})


def show_board(console: Console, plan: Plan, seconds: Mapping[str, float], total: float) -> None:
    """Print what runs where; `seconds` to ready of each program, by name, and of all."""
    rows = {name: ("ready", f"{waited:.1f} s") for name, waited in seconds.items()}
    _show_table(console, plan, rows)
    console.print(f"All ready after {total:.1f} s. Ctrl-C stops everything. Try:\n")
    for line in _calls(plan):
        # Not wrapped: the line is there to be copied.
        console.print(Text(f"  {line}"), soft_wrap=True)
    console.print()


def _show_table(console: Console, plan: Plan, states: Mapping[str, tuple[str, str]]) -> None:
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for program in plan.programs:
        state, waited = states[program.name]
        table.add_row(program.name, Text(state, "green"), *_addresses(program), waited)
    for name in plan.absent:
        table.add_row(name, Text("absent", "dim"))
    console.print("", table, "", sep="\n")


def _addresses(program: Program) -> tuple[str, str, str]:
    serving = _near(program.serving)
    return (
        serving if program.contract else f"http://{serving}",
        _near(program.health),
        _near(program.metrics),
    )


def _calls(plan: Plan) -> Iterator[str]:
    for service in plan.services:
        for example in EXAMPLES.get(service.contract or "", ()):
            line = example.replace("SERVICE", _called(service.serving))
            if plan.gateway:
                yield line.replace("GATEWAY", _called(plan.gateway.serving))
            elif "GATEWAY" not in line:
                yield line


def _near(port: Port) -> str:
    return address(reachable(port.host), port.number)


def _called(port: Port) -> str:
    """The address as a person would type it."""
    host = reachable(port.host)
    return address("localhost" if host in ("127.0.0.1", "::1") else host, port.number)
