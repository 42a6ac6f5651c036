"""What callers notice of a swap: `python bench/swap.py`.

A host serves one version of a CNN at 70 % of what it can take, while the other version is loaded
beside it (copied, tried in a process apart, warmed), made the default, and the first one unloaded.
Latencies of calls during swaps are compared with those of the same load without any, in short
turns, so that what else the machine does falls on both. The p99 of one turn hangs on a dozen calls:
the figure to go by is that of all calls.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from graphs import cnn
from load import example
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mlmesh.inference.host import Host, open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.options import HostOptions
from mlmesh.inference.session import Session, SessionOptions
from mlmesh.registry.keys import PrivateKey
from mlmesh.registry.manifest import MODEL_FILE, Manifest, sha256_of, write_manifest
from mlmesh.registry.signature import SIGNATURE_FILE, Trust, sign
from mlmesh.runtime.program import SWITCH_SECONDS

LOAD = 0.7
ROUNDS = 16
SWAPS = 4
"""In each round, an even number."""
CALM_SECONDS = 2.0
KEY = PrivateKey("bench", Ed25519PrivateKey.generate())


def write_versions(root: Path, versions: Sequence[str]) -> None:
    graph = cnn()
    session = Session(graph, SessionOptions())
    for version in versions:
        folder = root / "cnn" / version
        folder.mkdir(parents=True)
        (folder / MODEL_FILE).write_bytes(graph)
        manifest = Manifest(
            name="cnn",
            version=version,
            files={MODEL_FILE: sha256_of(folder / MODEL_FILE)},
            inputs=session.inputs,
            outputs=session.outputs,
        )
        write_manifest(folder, manifest)
        content = (folder / "manifest.json").read_bytes()
        (folder / SIGNATURE_FILE).write_bytes(sign(content, KEY))


class Callers:
    """Calls that begin at even intervals, whether or not the earlier ones have ended."""

    def __init__(self, host: Host, interval: float) -> None:
        self._host = host
        self._interval = interval
        self.seconds: list[float] = []
        self._item = example(host.find("cnn", "").manifest.inputs, rows=1)

    async def call(self) -> None:
        started = time.perf_counter()
        with self._host.using("cnn", "") as version:
            await version.run(self._item, deadline=time.monotonic() + 60)
        self.seconds.append(time.perf_counter() - started)

    async def run(self, done: asyncio.Event) -> None:
        due = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            while not done.is_set():
                group.create_task(self.call())
                due += self._interval
                await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def swap(host: Host, old: str, new: str) -> None:
    await host.load("cnn", new)
    await host.set_default("cnn", new)
    await host.unload("cnn", old)


async def measured(host: Host, interval: float, *, swaps: int) -> tuple[list[float], float]:
    """Latencies of calls, and the seconds that one swap took; without swaps, for CALM_SECONDS."""
    callers, done = Callers(host, interval), asyncio.Event()
    calling = asyncio.create_task(callers.run(done))
    began = time.perf_counter()
    if not swaps:
        await asyncio.sleep(CALM_SECONDS)
    for number in range(swaps):
        await swap(host, *(("v1", "v2") if number % 2 == 0 else ("v2", "v1")))
    took = time.perf_counter() - began
    done.set()
    await calling
    return callers.seconds, took / max(1, swaps)


def p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


def row(seconds: Sequence[float]) -> list[str]:
    figures = (statistics.median(seconds), p99(seconds), max(seconds))
    return [str(len(seconds)), *(f"{1000 * one:.2f}" for one in figures)]


async def main() -> None:
    calm: list[float] = []
    swapped: list[float] = []
    ratios, lengths = [], []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_versions(root, ("v1", "v2"))
        options = HostOptions(roots=(root,), default_model="cnn", trust=Trust(keys=(KEY.public,)))
        async with open_host(options, InferenceMetrics(CollectorRegistry())) as host:
            await host.set_default("cnn", "v1")
            await host.unload("cnn", "v2")
            callers = Callers(host, 0)
            for _ in range(200):
                await callers.call()
            interval = statistics.median(callers.seconds) / LOAD
            for _ in track(range(ROUNDS), "swapping", console=Console(stderr=True)):
                without, _ = await measured(host, interval, swaps=0)
                during, length = await measured(host, interval, swaps=SWAPS)
                calm += without
                swapped += during
                ratios.append(p99(during) / p99(without))
                lengths.append(length)
    table = Table("", "calls", "p50 ms", "p99 ms", "worst ms")
    table.add_row("without swaps", *row(calm))
    table.add_row(
        f"during {ROUNDS * SWAPS} swaps of {statistics.median(lengths):.2f} s", *row(swapped)
    )
    console = Console(width=100)
    console.print(table)
    console.print(
        f"p99 during swaps over p99 without: {p99(swapped) / p99(calm):.2f}; of {ROUNDS} rounds: "
        f"median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_SECONDS)  # as in every service
    asyncio.run(main())
