from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.device import Device
from mlmesh.inference.loading import Opened
from mlmesh.inference.metrics import PHASES, InferenceMetrics
from mlmesh.inference.options import VersionOptions
from mlmesh.inference.session import Array, Arrays, RunOptions, Session
from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import Batching, read_manifest
from mlmesh.runtime.errors import InvalidInput, Unavailable
from tests.inference.graphs import WORDS, write_lookup
from tests.inference.loaded import loaded, opened_from
from tests.inference.open_inference.tensor_models import write_mirror
from tests.tiny_models import write_regressor

FOUR = VersionOptions(queue=QueueLimits(max_batch=4))


def ids(*numbers: int) -> dict[str, Array]:
    return {"id": np.array(numbers, np.int64).reshape(-1, 1)}


def numbers(outputs: Arrays) -> list[int]:
    """The ids that were looked up."""
    found: list[int] = (outputs["number"][:, 0] // 3).astype(int).tolist()
    return found


async def test_an_answer_has_every_output_and_how_long_the_graph_ran(tmp_path: Path) -> None:
    async with loaded(write_lookup(tmp_path)) as version:
        answer = await version.run(ids(2, 7))

        assert list(answer.outputs) == ["number"]
        assert numbers(answer.outputs) == [2, 7]
        assert 0 < answer.seconds < 5
        assert version.provider == "CPUExecutionProvider"
        assert version.devices == ("cpu",)


@pytest.mark.parametrize("rows", [1, 4, 5, 8, 41])
async def test_more_rows_than_a_batch_takes_run_as_several_and_come_back_in_order(
    tmp_path: Path, rows: int
) -> None:
    wanted = list(range(rows))
    async with loaded(write_lookup(tmp_path), FOUR) as version:
        answer = await version.run(ids(*wanted))

        assert numbers(answer.outputs) == wanted
        assert version.statistics.execution_count == -(-rows // 4)
        assert version.statistics.inference_count == rows
        assert max(version.statistics.batches) <= 4


async def test_a_large_item_fails_as_one(tmp_path: Path) -> None:
    async with loaded(write_lookup(tmp_path), FOUR) as version:
        with pytest.raises(Exception, match="out of data bounds"):
            await version.run(ids(*range(10), WORDS))

        assert version.statistics.fail.count == 1
        assert version.statistics.success.count == 0
        assert numbers((await version.run(ids(3))).outputs) == [3]


async def test_a_large_item_leaves_others_their_turn(tmp_path: Path) -> None:
    """It waits for each of its parts, so others come in between."""
    async with loaded(write_lookup(tmp_path), FOUR) as version:
        large = asyncio.create_task(version.run(ids(*[1] * 4000)))
        await asyncio.sleep(0)
        answers = [await version.run(ids(number)) for number in range(5)]

        assert not large.done()
        assert [numbers(answer.outputs) for answer in answers] == [[n] for n in range(5)]
        assert len((await large).outputs["number"]) == 4000


async def test_inputs_of_different_rows_are_refused_before_they_wait(tmp_path: Path) -> None:
    folder = write_pair(tmp_path)
    item: dict[str, Array] = {"a": np.zeros((2, 2), np.float32), "b": np.zeros((3, 1), int)}
    async with loaded(folder) as version:
        with pytest.raises(InvalidInput, match=r"^inputs: all need the same rows, got a 2, b 3$"):
            await version.run(item)

        assert version.statistics.execution_count == 0
        assert version.statistics.fail.count == 1


def write_pair(root: Path) -> Path:
    return write_mirror(root, "pair", {"a": ("float32", (None, 2)), "b": ("int64", (None, 1))})


async def test_every_run_is_observed(tmp_path: Path) -> None:
    folder = write_lookup(tmp_path)
    registry = CollectorRegistry()
    version = LoadedVersion(
        read_manifest(folder),
        folder,
        opened_from(folder),
        VersionOptions(),
        InferenceMetrics(registry),
    )
    async with version:
        await asyncio.gather(version.run(ids(1)), version.run(ids(2)))
        await version.run(ids(1))

    def seen(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"model": "lookup", "version": "1", **labels})

    assert seen("model_inference_duration_seconds_count") == 2
    assert 0 < (seen("model_inference_duration_seconds_sum") or 0) < 5
    assert (seen("model_batch_rows_bucket", le="1.0"), seen("model_batch_rows_sum")) == (1, 3)
    assert seen("model_queue_wait_seconds_count") == 3
    assert all(seen("model_batch_seconds_total", phase=phase) for phase in PHASES)


async def test_a_version_is_unused_once_nobody_holds_it(tmp_path: Path) -> None:
    async with loaded(write_lookup(tmp_path)) as version:
        await asyncio.wait_for(version.unused(), 5)

        with version.hold() as held:
            assert held is version
            with version.hold():
                pass
            unused = asyncio.create_task(version.unused())
            await asyncio.sleep(0.01)
            assert not unused.done()
        await asyncio.wait_for(unused, 5)


async def test_a_hold_ends_with_an_error_too(tmp_path: Path) -> None:
    async with loaded(write_lookup(tmp_path)) as version:
        with pytest.raises(ValueError, match="inside"), version.hold():
            raise ValueError("inside")

        await asyncio.wait_for(version.unused(), 5)


async def test_a_view_is_made_once_for_each_kind(tmp_path: Path) -> None:
    made: list[LoadedVersion] = []

    def name_of(version: LoadedVersion) -> list[str]:
        made.append(version)
        return [version.manifest.name]

    def other(version: LoadedVersion) -> str:
        return "other"

    async with loaded(write_lookup(tmp_path)) as version:
        views = [version.view(name_of) for _ in range(3)]

        assert views[0] == ["lookup"]
        assert all(view is views[0] for view in views)
        assert version.view(other) == "other"
        assert made == [version]


async def test_a_view_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    made = 0

    def fail(version: LoadedVersion) -> None:
        nonlocal made
        made += 1
        raise InvalidInput("model", "no rows")

    async with loaded(write_lookup(tmp_path)) as version:
        for _ in range(2):
            with pytest.raises(InvalidInput):
                version.view(fail)
    assert made == 2


async def test_instances_run_side_by_side_each_on_a_thread_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = VersionOptions(devices=(Device(),) * 3, queue=QueueLimits(max_batch=1))
    folder = write_regressor(tmp_path)
    opened = opened_from(folder, options)
    # All three have to be in the middle of a run at once.
    meeting = threading.Barrier(3, timeout=20)
    seen: set[tuple[int, int]] = set()
    run = Session.run

    def meet(self: Session, inputs: Arrays, run_options: RunOptions = None) -> dict[str, Array]:
        seen.add((threading.get_ident(), id(self)))
        meeting.wait()
        return run(self, inputs, run_options)

    monkeypatch.setattr(Session, "run", meet)
    items = [{"features": np.array([[number, 1]], np.float32)} for number in range(6)]
    async with loaded(folder, options, opened) as version:
        answers = await asyncio.gather(*(version.run(item) for item in items))

        assert version.devices == ("cpu", "cpu", "cpu")
    assert [answer.outputs["total"].item() for answer in answers] == [1, 2, 3, 4, 5, 6]
    assert len(seen) == len({thread for thread, _ in seen}) == len({one for _, one in seen}) == 3


async def test_after_unloading_calls_are_told_so_and_the_graph_is_freed(tmp_path: Path) -> None:
    folder = write_lookup(tmp_path)
    opened: Opened | None = opened_from(folder)
    assert opened is not None
    graph = weakref.ref(opened.sessions[0])
    async with loaded(folder, None, opened) as version:
        await version.run(ids(1))
        version.view(lambda loaded: object())
    opened = None

    gc.collect()

    assert graph() is None
    with pytest.raises(Unavailable, match="was unloaded, try again"):
        await version.run(ids(1))


async def test_what_runs_when_a_version_goes_does_not_hold_up_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator that is under way cannot be stopped; everybody else goes on meanwhile."""
    folder = write_lookup(tmp_path)
    opened = opened_from(folder)
    began, gate = threading.Event(), threading.Event()
    run = Session.run

    def held(self: Session, inputs: Arrays, run_options: RunOptions = None) -> dict[str, Array]:
        began.set()
        gate.wait(20)
        return run(self, inputs, run_options)

    monkeypatch.setattr(Session, "run", held)
    tasks: Sequence[asyncio.Task[object]] = ()
    leaving = asyncio.Event()

    async def use() -> None:
        nonlocal tasks
        async with loaded(folder, None, opened) as version:
            tasks = [asyncio.create_task(version.run(ids(number))) for number in range(3)]
            await asyncio.to_thread(began.wait, 20)
            leaving.set()

    user = asyncio.create_task(use())
    await leaving.wait()
    ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert [type(end) for end in ends] == [Unavailable] * 3
    assert not user.done()
    gate.set()
    await asyncio.wait_for(user, 20)


async def test_buckets_of_the_manifest_fill_batches_up_and_nobody_sees_it(tmp_path: Path) -> None:
    async with loaded(write_lookup(tmp_path, Batching(buckets=(2, 8)))) as version:
        answers = await asyncio.gather(*(version.run(ids(n, n + 1, n + 2)) for n in (1, 20)))

        assert [numbers(answer.outputs) for answer in answers] == [[1, 2, 3], [20, 21, 22]]
        # Rows that somebody asked for, not those that were added.
        assert version.statistics.inference_count == 6
