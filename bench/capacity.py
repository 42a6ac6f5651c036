"""What a request costs the gateway and its service, and what they hold: `python bench/capacity.py`.

It starts the mesh as it is shipped, keeps callers busy with each payload in turns, and divides the
CPU time of each program by the requests: docs/operations.md plans with a core's worth of them. CPU
time hardly depends on what else the machine does, but on how well calls coalesce under the load.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from bench.comparison.mesh import planned_mesh
from bench.comparison.payloads import PAYLOADS, Payload
from bench.comparison.program import Running, running
from bench.comparison.wrk import http_load

FORMS = {"tabular": "json", "text": "json", "image": "binary"}
"""By payload, how callers usually send it."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Turn:
    per_second: float
    gateway_us: float
    service_us: float


def megabytes(program: Running) -> float:
    """What the process has in memory, shared pages included."""
    pages = Path(f"/proc/{program.process.pid}/statm").read_text().split()[1]
    return int(pages) * PAGE_BYTES / 1e6


def turn(
    address: str, payload: Payload, programs: Mapping[str, Running], callers: int, seconds: float
) -> Turn:
    request = getattr(payload, FORMS[payload.name])
    gateway, service = programs["gateway"], programs[payload.program]
    before = gateway.cpu_seconds, service.cpu_seconds
    seen = http_load(address, request, callers, seconds)
    if seen.failed:
        raise SystemExit(f"{payload.name}: {seen.failed} requests failed")
    spent = gateway.cpu_seconds - before[0], service.cpu_seconds - before[1]
    return Turn(seen.per_second, *(1e6 * one / seen.requests for one in spent))


def main(
    callers: Annotated[int, typer.Option(help="Connections that each wait for an answer")] = 64,
    seconds: Annotated[float, typer.Option(help="Of each turn")] = 3.0,
    rounds: Annotated[int, typer.Option(help="Turns of every payload")] = 5,
) -> None:
    payloads = [PAYLOADS[name]() for name in FORMS]
    with tempfile.TemporaryDirectory(prefix="mlmesh-bench-") as scratch:
        folder = Path(scratch)
        environment = {
            "MLMESH_REPOSITORY": str(folder / "models"),
            "MLMESH_KEYS": str(folder / "keys"),
        }
        mesh = planned_mesh([one.program for one in payloads], folder, environment)
        with running(mesh.programs, folder) as started:
            programs = {one.program.name: one for one in started}
            idle = {name: megabytes(one) for name, one in programs.items()}
            turns: dict[str, list[Turn]] = {one.name: [] for one in payloads}
            for number in range(rounds + 1):
                for payload in payloads:
                    taken = turn(mesh.http_address, payload, programs, callers, seconds)
                    if number:  # The first round warms up.
                        turns[payload.name].append(taken)
            busy = {name: megabytes(one) for name, one in programs.items()}
    print(
        "| payload | requests/s | gateway us | service us | a gateway's core | a service's core |"
    )
    print("|---|---|---|---|---|---|")
    for name, of_payload in turns.items():
        gateway = median(one.gateway_us for one in of_payload)
        service = median(one.service_us for one in of_payload)
        each = median(one.per_second for one in of_payload)
        rates = f"{1e6 / gateway:,.0f} | {1e6 / service:,.0f}"
        print(f"| {name} | {each:,.0f} | {gateway:,.0f} | {service:,.0f} | {rates} |")
    print("\n| program | MB idle | MB after the load |\n|---|---|---|")
    for name in programs:
        print(f"| {name} | {idle[name]:,.0f} | {busy[name]:,.0f} |")


if __name__ == "__main__":
    typer.run(main)
