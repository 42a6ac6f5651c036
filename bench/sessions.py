"""What the settings of a session do to services that share a machine: `python bench/sessions.py`.

Three services, each a process with one model and callers that never rest, first one by one, then
all at once. Every setting meets the same moments: the processes of all settings stand ready, and
take turns. The figures are medians of these rounds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from statistics import median

from rich.console import Console
from rich.progress import track
from rich.table import Table
from service import GRAPHS, Done, Order, Service, Setting, running_service

from mlmesh.inference.session import SessionOptions

DEFAULT = "as delivered"
SETTINGS = {
    DEFAULT: Setting(),
    "2 threads": Setting(SessionOptions(threads=2)),
    "2 threads, spinning": Setting(SessionOptions(threads=2), spinning=True),
    "2 inter-op threads": Setting(SessionOptions(inter_op_threads=2)),
    "no arena": Setting(SessionOptions(arena=False)),
    "optimisation extended": Setting(SessionOptions(optimisation="extended")),
    "optimisation basic": Setting(SessionOptions(optimisation="basic")),
    "optimisation none": Setting(SessionOptions(optimisation="none")),
}
ROUNDS = 12
ALONE = Order(callers=8, seconds=0.4)
TOGETHER = Order(callers=8, seconds=0.8)
CALM = Order(callers=1, seconds=0.5)
BURST = Order(callers=1, seconds=2.0, rows=128)
BURST_MODELS = ("CNN", "encoder")

Services = Mapping[str, Mapping[str, Service]]
"""By setting, by model."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one service did in one round."""

    alone: Done
    together: Done


Rounds = Mapping[str, Mapping[str, Round]]
"""What all did in one round, by setting, by model."""


def one_round(services: Mapping[str, Service]) -> dict[str, Round]:
    """Services of one setting, by model: each by itself, then all of them."""
    alone = {model: service.run(ALONE) for model, service in services.items()}
    for service in services.values():
        service.begin(TOGETHER)
    together = {model: service.end() for model, service in services.items()}
    return {model: Round(alone[model], together[model]) for model in services}


def all_rounds(services: Services) -> list[Rounds]:
    names = list(services)
    rounds: list[Rounds] = []
    for number in track(range(ROUNDS), "speeds", console=Console(stderr=True)):
        # Nobody is always the first or always behind the same neighbour.
        at = number % len(names)
        rounds.append({name: one_round(services[name]) for name in names[at:] + names[:at]})
    return rounds


def speeds(rounds: Sequence[Rounds]) -> Table:
    table = Table(
        *("model", "setting", "alone/s", "", "p99 ms", "CPU ms"),
        *("three at once/s", "", "p99 ms", "CPU ms"),
    )
    for model, name in product(GRAPHS, SETTINGS):
        table.add_row(
            *(model, name),
            *_cells(rounds, model, name, lambda one: one.alone),
            *_cells(rounds, model, name, lambda one: one.together),
            end_section=name == list(SETTINGS)[-1],
        )
    return table


def sums(rounds: Sequence[Rounds]) -> Table:
    """What is left of all services: which of them shares a core with which is chance."""
    table = Table("setting", "three at once: sum", "least")
    for name in SETTINGS:
        shares = [
            [_ratio(one[name][model].together, one[DEFAULT][model].alone) for model in GRAPHS]
            for one in rounds
        ]
        table.add_row(
            name, f"x {median(map(sum, shares)):.2f}", f"x {median(map(min, shares)):.2f}"
        )
    return table


def _cells(
    rounds: Sequence[Rounds],
    model: str,
    name: str,
    part: Callable[[Round], Done],
) -> Iterable[str]:
    """Items/s, their ratio to what is delivered when it is alone, p99 and CPU time of an item."""
    found = [part(one[name][model]) for one in rounds]
    delivered = [one[DEFAULT][model].alone for one in rounds]
    ratio = median(map(_ratio, found, delivered))
    yield f"{median(one.figures.per_second for one in found):,.0f}"
    yield f"x {ratio:.2f}"
    yield f"{median(one.figures.p99_ms for one in found):.1f}"
    yield f"{median(one.cpu_ms for one in found):.2f}"


def _ratio(one: Done, other: Done) -> float:
    return one.figures.per_second / other.figures.per_second


def memory(services: Services) -> Table:
    """What a burst of large batches leaves behind."""
    table = Table("model", "setting", "MB before", "MB after", "MB later", "burst rows/s")
    cases = [(model, name) for model in BURST_MODELS for name in (DEFAULT, "no arena")]
    for model, name in track(cases, "memory", console=Console(stderr=True)):
        service = services[name][model]
        before, burst, later = (service.run(order) for order in (CALM, BURST, CALM))
        megabytes = (f"{done.resident_mb:.0f}" for done in (before, burst, later))
        table.add_row(model, name, *megabytes, f"{burst.figures.per_second:,.0f}")
    return table


def main() -> None:
    console = Console(width=120)
    console.print(f"Load of the machine before: {os.getloadavg()[0]:.1f}")
    with ExitStack() as stack:
        opened = track(SETTINGS.items(), "starting", console=Console(stderr=True))
        services = {
            name: {model: stack.enter_context(running_service(model, setting)) for model in GRAPHS}
            for name, setting in opened
        }
        rounds = all_rounds(services)
        console.print(speeds(rounds), sums(rounds))
        console.print(memory(services))


if __name__ == "__main__":
    main()
