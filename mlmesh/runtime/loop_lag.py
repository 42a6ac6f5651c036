"""How late the event loop is: what blocks it, or has too much to do, shows here first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from mlmesh.runtime.instruments import Histogram, Spread

SECONDS_BETWEEN = 0.25
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@asynccontextmanager
async def watching_lag(registry: CollectorRegistry) -> AsyncIterator[None]:
    """Measure inside the block, four times a second."""
    histogram = Histogram(
        registry,
        "event_loop_lag_seconds",
        "Seconds that the event loop came late to what was due.",
        bounds=BUCKETS,
    )
    watching = asyncio.create_task(_watch(histogram.series()))
    try:
        yield
    finally:
        watching.cancel()


async def _watch(lags: Spread) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SECONDS_BETWEEN
        await asyncio.sleep(SECONDS_BETWEEN)
        lags.observe(max(0.0, loop.time() - due))
