from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.device import Device
from mlmesh.inference.options import VersionOptions
from mlmesh.inference.session import Array, Arrays, RunOptions, Session
from tests.inference.graphs import write_lookup
from tests.inference.loaded import loaded, opened_from

ALONE = QueueLimits(max_batch=1)


def ids(*numbers: int) -> dict[str, Array]:
    return {"id": np.array(numbers, np.int64).reshape(-1, 1)}


@dataclass
class Held:
    """Runs of graphs that wait for a gate, and who was in one."""

    began: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    threads: set[int] = field(default_factory=set)
    inside: int = 0
    most: int = 0


def hold(monkeypatch: pytest.MonkeyPatch) -> Held:
    """From now on; what was opened has been warmed up."""
    held = Held()
    run = Session.run

    def wait(self: Session, inputs: Arrays, run_options: RunOptions = None) -> dict[str, Array]:
        held.threads.add(threading.get_ident())
        held.inside += 1
        held.most = max(held.most, held.inside)
        held.began.set()
        held.gate.wait(20)
        held.inside -= 1
        return run(self, inputs, run_options)

    monkeypatch.setattr(Session, "run", wait)
    return held


async def turns() -> None:
    """Let the loop do all that it can do while the graph is held."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize("ahead", [0, 1, 2])
async def test_so_many_batches_wait_for_the_thread_and_run_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    options = VersionOptions(ahead=ahead, queue=ALONE)
    folder = write_lookup(tmp_path)
    opened = opened_from(folder, options)
    held = hold(monkeypatch)
    async with loaded(folder, options, opened) as version:
        calls = [asyncio.create_task(version.run(ids(number))) for number in range(5)]
        await asyncio.to_thread(held.began.wait, 20)
        await turns()
        taken = version.statistics.queue.count
        held.gate.set()
        answers = await asyncio.gather(*calls)

    assert taken == 1 + ahead
    assert [answer.outputs["number"][0, 0] // 3 for answer in answers] == list(range(5))
    assert (held.most, len(held.threads)) == (1, 1)


async def test_a_batch_that_waits_for_the_thread_costs_nothing_once_its_caller_hung_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_lookup(tmp_path)
    options = VersionOptions(ahead=1, queue=ALONE)
    opened = opened_from(folder, options)
    held = hold(monkeypatch)
    async with loaded(folder, options, opened) as version:
        calls = [asyncio.create_task(version.run(ids(number))) for number in range(3)]
        await asyncio.to_thread(held.began.wait, 20)
        await turns()
        calls[1].cancel()
        await turns()
        held.gate.set()
        ends = await asyncio.gather(*calls, return_exceptions=True)

        assert isinstance(ends[1], asyncio.CancelledError)
        assert version.statistics.execution_count == 2


async def test_a_gpu_gets_no_batch_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = VersionOptions(ahead=1, queue=ALONE)
    folder = write_lookup(tmp_path)
    opened = opened_from(folder, options)
    monkeypatch.setattr(opened.sessions[0], "device", Device("cuda", 0))
    held = hold(monkeypatch)
    async with loaded(folder, options, opened) as version:
        calls = [asyncio.create_task(version.run(ids(number))) for number in range(3)]
        await asyncio.to_thread(held.began.wait, 20)
        await turns()
        taken = version.statistics.queue.count
        held.gate.set()
        await asyncio.gather(*calls)

    assert taken == 1
