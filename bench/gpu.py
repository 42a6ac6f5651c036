"""What the batcher costs on a GPU: `python bench/gpu.py`.

Callers in one process ask for one item at a time; the figures are items/s as a share of what ONNX
Runtime itself reaches with full batches that lie on the device already ("raw"), and of what it
reaches when every batch is copied there and its answer back ("with copies").
`python bench/gpu.py --device cpu --quick` tries the program itself, with tiny networks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import median

import numpy as np
import typer
from bound_loop import BoundLoop
from graphs import bert, cnn, encoder, mlp, resnet
from hosting import hosted
from load import Figures, called, example, looped, merged, shares
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mlmesh.inference.device import Device, instances_of
from mlmesh.inference.provider import cuda_problem
from mlmesh.inference.session import BadGraph, Session, SessionOptions

BUCKETS = (1, 2, 4, 8, 16, 32)
SATURATING = 4 * BUCKETS[-1]
CALLERS = (1, 32, SATURATING)
Networks = Mapping[str, Callable[..., bytes]]
NETWORKS: Networks = {
    "tiny MLP": mlp,
    "CNN": cnn,
    "encoder": encoder,
    "ResNet-50": resnet,
    "BERT-base": bert,
}
TINY: Networks = {
    "tiny MLP": mlp,
    "tiny ResNet": partial(resnet, blocks=(1, 1), width=8, pixels=32, classes=10),
    "tiny BERT": partial(bert, layers=2, heads=2, width=32, words=100, length=16),
}
DTYPES = {"fp32": np.float32, "fp16": np.float16}
# The smaller ones take so little time that what surrounds them decides.
HELD_TO_TARGETS = ("ResNet-50", "BERT-base")
LEAST_SHARE = 0.95
MOST_SPREAD = 3.0


@dataclass(frozen=True, slots=True)
class Case:
    network: str
    dtype: str
    cuda_graphs: bool
    callers: int

    def __str__(self) -> str:
        return f"{self.network} {self.dtype}{' with CUDA graphs' * self.cuda_graphs}"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried."""

    networks: Networks
    callers: tuple[int, ...]
    seconds: float
    rounds: int


THOROUGH = Effort(NETWORKS, CALLERS, 1.0, 5)
QUICK = Effort(TINY, (1, 8), 0.1, 2)


@dataclass(frozen=True, slots=True)
class Result:
    case: Case
    raw: Figures
    copied: Figures
    ours: Figures
    share: float
    """Of raw."""
    share_of_copied: float

    @property
    def is_held_to_targets(self) -> bool:
        return self.case.network in HELD_TO_TARGETS and self.case.callers == SATURATING

    @property
    def is_missed(self) -> bool:
        return self.share < LEAST_SHARE or self.ours.p99_ms >= MOST_SPREAD * self.ours.p50_ms

    def row(self) -> tuple[str, ...]:
        case, ours = self.case, self.ours
        return (
            case.network,
            case.dtype,
            "yes" if case.cuda_graphs else "no",
            str(case.callers),
            f"{self.raw.per_second:,.0f}",
            f"{self.copied.per_second:,.0f}",
            f"{ours.per_second:,.0f}",
            f"{self.share:.0%}",
            f"{self.share_of_copied:.0%}",
            f"{ours.p50_ms:.2f}",
            f"{ours.p99_ms:.2f}",
            f"{ours.joining_ms:.2f}",
            shares(ours.sizes),
        )


def measured(case: Case, graph: bytes, devices: tuple[Device, ...], effort: Effort) -> Result:
    """Raw, with copies and ours in turn, so that a noisy moment meets all."""
    options = SessionOptions(cuda_graphs=case.cuda_graphs)
    sessions = [Session(graph, options, device) for device in devices]
    rows = min(case.callers, BUCKETS[-1])
    item = example(sessions[0].inputs, 1)
    loop = BoundLoop(graph, options, devices[0], example(sessions[0].inputs, rows))

    async def asked() -> list[tuple[Figures, Figures, Figures]]:
        async with hosted(sessions, BUCKETS[-1], BUCKETS) as version:
            return [
                (
                    looped(loop.run, rows, effort.seconds),
                    looped(loop.run_with_copies, rows, effort.seconds),
                    await called(version, item, case.callers, effort.seconds),
                )
                for _ in range(effort.rounds)
            ]

    rounds = asyncio.run(asked())
    raw, copied, ours = (merged(part) for part in zip(*rounds, strict=True))
    return Result(
        case,
        raw,
        copied,
        ours,
        median(ours.per_second / raw.per_second for raw, _, ours in rounds),
        median(ours.per_second / copied.per_second for _, copied, ours in rounds),
    )


def results(devices: tuple[Device, ...], effort: Effort) -> list[Result]:
    recording = (False, True) if devices[0].kind == "cuda" else (False,)
    graphs = list(product(effort.networks, DTYPES))
    found = []
    for network, dtype in track(graphs, "running", console=Console(stderr=True)):
        graph = effort.networks[network](DTYPES[dtype])
        for cuda_graphs, callers in product(recording, effort.callers):
            case = Case(network, dtype, cuda_graphs, callers)
            found.append(measured(case, graph, devices, effort))
    return found


def verdict(found: Sequence[Result]) -> str:
    """Whether the targets are met; none are set for networks other than the large ones."""
    held = [one for one in found if one.is_held_to_targets]
    if not held:
        return "No target was tried."
    missed = [str(one.case) for one in held if one.is_missed]
    return (
        f"Targets for {' and '.join(HELD_TO_TARGETS)} with {SATURATING} callers: "
        f"{LEAST_SHARE:.0%} of raw, p99 under {MOST_SPREAD:g} x p50.\n"
        f"Missed: {', '.join(missed) or 'none'}."
    )


def main(device: str = "cuda:0", quick: bool = False) -> None:
    """device: where to run, `cuda:0 x2` for two instances. quick: tiny networks, short runs."""
    console = Console(width=140)
    devices = instances_of([device])
    if devices[0].kind == "cuda" and (problem := cuda_problem()):
        console.print(f"Not run: {problem}.")
        return
    try:
        found = results(devices, QUICK if quick else THOROUGH)
    except BadGraph as error:
        console.print(f"Not run: {error}.")
        return
    table = Table(
        *("network", "dtype", "CUDA graphs", "callers", "raw/s", "with copies/s", "batcher/s"),
        *("of raw", "of copies", "p50 ms", "p99 ms", "joining ms", "runs by size"),
    )
    for result in found:
        table.add_row(*result.row())
    console.print(table)
    console.print(verdict(found))


if __name__ == "__main__":
    typer.run(main)
