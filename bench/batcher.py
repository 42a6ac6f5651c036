"""What the batcher costs: `python bench/batcher.py`.

Callers in one process ask for one item at a time; the figures are items/s as a share of what ONNX
Runtime itself reaches in a plain loop with batches of that size and the same threads.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from statistics import median

import onnxruntime as ort
from graphs import cnn, encoder, mlp
from hosting import hosted
from load import Figures, called, example, looped, merged, shares
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mlmesh.inference.session import Session, SessionOptions, session_settings

CALLERS = (1, 8, 32, 128)
MAX_BATCH = 32
SECONDS = 1.0
ROUNDS = 5
# A difference of two short times needs many looks on a machine that others use, too.
SECONDS_ALONE = 0.2
ROUNDS_ALONE = 25
MODELS = {"tiny MLP": mlp, "CNN": cnn, "encoder": encoder}
# The tiny MLP takes microseconds: whatever surrounds it is most of its time.
HELD_TO_SHARE = ("CNN", "encoder")
LEAST_SHARE = 0.9
MOST_ADDED_MS = 0.3


@dataclass(frozen=True, slots=True)
class Result:
    model: str
    callers: int
    plain: Figures
    ours: Figures
    share: float
    added_ms: float
    """What a call takes longer than the graph itself; says something at one caller only."""

    @property
    def is_missed(self) -> bool:
        if self.callers == 1:
            return self.added_ms > MOST_ADDED_MS
        return self.model in HELD_TO_SHARE and self.share < LEAST_SHARE

    def row(self) -> tuple[str, ...]:
        plain, ours = self.plain, self.ours
        return (
            self.model,
            str(self.callers),
            f"{plain.per_second:,.0f}",
            f"{ours.per_second:,.0f}",
            f"{self.share:.0%}",
            f"{ours.p50_ms:.2f}",
            f"{ours.p99_ms:.2f}",
            f"{self.added_ms:.2f}" if self.callers == 1 else "",
            shares(ours.sizes),
        )


def measured(model: str, callers: int) -> Result:
    """Ceiling and callers in turn, so that a noisy moment meets both."""
    graph = MODELS[model]()
    options = SessionOptions()
    raw = ort.InferenceSession(graph, session_settings(options))
    session = Session(graph, options)
    rows = min(callers, MAX_BATCH)
    seconds, rounds = (SECONDS_ALONE, ROUNDS_ALONE) if callers == 1 else (SECONDS, ROUNDS)
    inputs = example(session.inputs, rows)
    item = example(session.inputs, 1)

    async def asked() -> Figures:
        async with hosted([session], MAX_BATCH) as version:
            return await called(version, item, callers, seconds)

    pairs = [
        (looped(lambda: raw.run(None, inputs), rows, seconds), asyncio.run(asked()))
        for _ in range(rounds)
    ]
    return Result(
        model,
        callers,
        merged([plain for plain, _ in pairs]),
        merged([ours for _, ours in pairs]),
        median(ours.per_second / plain.per_second for plain, ours in pairs),
        median(ours.p50_ms - plain.p50_ms for plain, ours in pairs),
    )


def main() -> None:
    cases = [(model, callers) for model in MODELS for callers in CALLERS]
    progress = track(cases, "running", console=Console(stderr=True))
    results = [measured(model, callers) for model, callers in progress]
    table = Table(
        "model",
        "callers",
        "ceiling/s",
        "batcher/s",
        "share",
        "p50 ms",
        "p99 ms",
        "added ms",
        "runs by batch size",
    )
    for result in results:
        table.add_row(*result.row())
    console = Console(width=120)
    console.print(table)
    console.print(
        f"Targets: {LEAST_SHARE:.0%} of the ceiling for {' and '.join(HELD_TO_SHARE)} from 8 "
        f"callers on, at most {MOST_ADDED_MS} ms added at one caller."
    )
    missed = [f"{one.model} with {one.callers}" for one in results if one.is_missed]
    console.print(f"Missed: {', '.join(missed) or 'none'}.")


if __name__ == "__main__":
    main()
