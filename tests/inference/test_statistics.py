from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.options import VersionOptions
from mlmesh.inference.session import Array
from mlmesh.inference.statistics import BatchStatistics, Duration, Spent, Statistics
from mlmesh.runtime.errors import Overloaded
from tests.inference.graphs import WORDS, write_lookup
from tests.inference.loaded import loaded


def ids(*numbers: int) -> dict[str, Array]:
    return {"id": np.array(numbers, np.int64).reshape(-1, 1)}


def test_a_run_counts_its_items_and_each_size_its_runs() -> None:
    statistics = Statistics()

    statistics.ran(3, 8, Spent(joining=1, computing=20, parting=300))
    statistics.ran(1, 8, Spent(joining=1, computing=20, parting=300))
    statistics.ran(1, 2, Spent(joining=5, computing=50, parting=500))

    assert statistics.compute_input == Duration(5, 7)
    assert statistics.compute_infer == Duration(5, 90)
    assert statistics.compute_output == Duration(5, 1100)
    assert (statistics.inference_count, statistics.execution_count) == (18, 3)
    assert statistics.batches == {
        8: BatchStatistics(Duration(2, 2), Duration(2, 40), Duration(2, 600)),
        2: BatchStatistics(Duration(1, 5), Duration(1, 50), Duration(1, 500)),
    }


async def test_statistics_count_items_rows_and_runs(tmp_path: Path) -> None:
    before = time.time_ns() // 1_000_000
    async with loaded(write_lookup(tmp_path), VersionOptions()) as version:
        assert version.statistics.last_inference_ms == 0
        for counts in ((1,), (2, 3), (1, 1, 3)):
            await asyncio.gather(*(version.run(ids(*range(count))) for count in counts))
        found = version.statistics

        assert (found.inference_count, found.execution_count) == (11, 3)
        assert (found.success.count, found.fail.count) == (6, 0)
        for spent in (found.compute_input, found.compute_infer, found.compute_output):
            assert spent.count == 6
            assert spent.ns > 0
        assert found.queue.count == 6
        assert {rows: one.compute_infer.count for rows, one in found.batches.items()} == {
            1: 1,
            5: 2,
        }
        assert before <= found.last_inference_ms <= time.time_ns() // 1_000_000
        # What is waited for holds what it is made of.
        parts = found.queue.ns + found.compute_infer.ns
        assert found.success.ns > 0.1 * parts


async def test_statistics_count_what_failed_and_what_was_refused(tmp_path: Path) -> None:
    options = VersionOptions(queue=QueueLimits(max_batch=2, max_waiting=2))
    async with loaded(write_lookup(tmp_path), options) as version:
        runs = (version.run(ids(number)) for number in (0, WORDS, 1, 2))
        ends = await asyncio.gather(*runs, return_exceptions=True)

        assert [isinstance(end, BaseException) for end in ends] == [False, True, True, True]
        assert [type(end) for end in ends[2:]] == [Overloaded, Overloaded]
        found = version.statistics
        assert (found.success.count, found.fail.count) == (1, 3)
        # The batch failed, then each of the two ran alone, and one of them answered.
        assert (found.inference_count, found.execution_count) == (1, 1)
        assert found.queue.count == 2
        assert found.fail.ns > 0


async def test_statistics_count_callers_that_hang_up_as_failures(tmp_path: Path) -> None:
    async with loaded(write_lookup(tmp_path)) as version:
        task = asyncio.create_task(version.run(ids(1)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

        assert version.statistics.fail.count == 1
