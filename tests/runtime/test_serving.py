from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from mlmesh.runtime.chain import Service
from mlmesh.runtime.health import Health
from mlmesh.runtime.serving import serve
from mlmesh.runtime.settings import ServiceSettings


@pytest.fixture(autouse=True)
def garbage_is_looked_for_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    # What other tests left is not kept for good.
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def test_what_was_loaded_is_not_looked_through_for_garbage_while_it_serves() -> None:
    loaded = [[number] for number in range(10_000)]
    opened: list[Health] = []
    before = gc.get_freeze_count()

    @asynccontextmanager
    async def open_services(
        registry: CollectorRegistry, health: Health
    ) -> AsyncIterator[Sequence[Service]]:
        opened.append(health)
        yield []

    settings = ServiceSettings(
        grpc_address="127.0.0.1:0",
        health_address="127.0.0.1:0",
        metrics_address="127.0.0.1:0",
        lame_duck_seconds=0,
    )
    serving = asyncio.create_task(
        serve(settings, ["mlmesh.v1.NoService"], open_services, modality="none")
    )
    async with asyncio.timeout(30):
        while not (opened and opened[0].ready) and not serving.done():
            await asyncio.sleep(0.01)
        kept = gc.get_freeze_count()
        os.kill(os.getpid(), signal.SIGTERM)
        await serving

    assert kept - before >= len(loaded)
