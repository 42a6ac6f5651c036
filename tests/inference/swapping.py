"""Swaps two versions again and again under load, in a process of its own: its memory is looked at.

Takes a folder for the models. Prints how many answers each version gave, and by how many bytes the
process has grown, as JSON. Fails when an answer is not that of the version that it names.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host, open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.session import Array
from tests.tiny_models import host_options, write_heavy

SWAPS = 50
LOAD = 0.7
ROW = {"features": np.ones((1, 2), np.float32)}


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


async def asked(host: Host, seen: Counter[str], expected: dict[str, Array]) -> None:
    with host.using("heavy", "") as version:
        answer = await version.run(ROW, deadline=time.monotonic() + 60)
    name = version.manifest.version
    np.testing.assert_array_equal(answer.outputs["y"], expected[name])
    seen[name] += 1


async def swapped(host: Host, old: str, new: str) -> None:
    await host.load("heavy", new)
    await host.set_default("heavy", new)
    await host.unload("heavy", old)


async def main(folder: str) -> None:
    root = Path(folder)
    for version, scale in (("v1.0", 1.0), ("v2.0", 2.0)):
        write_heavy(root, version=version, scale=scale)
    options = host_options(root, "heavy", trial=None)
    async with open_host(options, InferenceMetrics(CollectorRegistry())) as host:
        expected = {}
        for version in ("v1.0", "v2.0"):
            expected[version] = (await host.find("heavy", version).run(ROW)).outputs["y"]
        assert not np.array_equal(expected["v1.0"], expected["v2.0"])
        started = time.perf_counter()
        for _ in range(50):
            await host.find("heavy", "v1.0").run(ROW)
        interval = (time.perf_counter() - started) / 50 / LOAD
        await host.set_default("heavy", "v1.0")
        await host.unload("heavy", "v2.0")
        seen: Counter[str] = Counter()
        done = asyncio.Event()

        async def load() -> None:
            async with asyncio.TaskGroup() as group:
                while not done.is_set():
                    group.create_task(asked(host, seen, expected))
                    await asyncio.sleep(interval)

        loading = asyncio.create_task(load())
        await swapped(host, "v1.0", "v2.0")
        await swapped(host, "v2.0", "v1.0")
        gc.collect()
        before = resident_bytes()
        for swap in range(SWAPS):
            await swapped(host, *(("v1.0", "v2.0") if swap % 2 == 0 else ("v2.0", "v1.0")))
        done.set()
        await loading
        gc.collect()
        grown = resident_bytes() - before

    print(json.dumps({"seen": seen, "grown": grown}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
