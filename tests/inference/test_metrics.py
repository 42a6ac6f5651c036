from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.batcher import Batcher, QueueLimits
from mlmesh.inference.gpu import FIGURES, show_gpus_of
from mlmesh.inference.host import open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.stop import Stop
from mlmesh.runtime.errors import ServingError
from tests.tiny_models import host_options, write_classifier


def of_model(registry: CollectorRegistry, model: str) -> Iterator[str]:
    for family in registry.collect():
        for sample in family.samples:
            if sample.labels.get("model") == model:
                yield sample.name


def state(registry: CollectorRegistry, version: str, of: str) -> float | None:
    labels = {"model": "tiny", "version": version, "state": of}
    return registry.get_sample_value("model_version_state", labels)


async def test_the_state_of_every_version_is_shown(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    broken = write_classifier(tmp_path, version="v2.0")
    (broken / "model.onnx").write_bytes(b"no graph")

    async with open_host(host_options(tmp_path), InferenceMetrics(registry)) as host:
        assert (state(registry, "v1.0", "READY"), state(registry, "v2.0", "FAILED")) == (1, 1)
        assert registry.get_sample_value("model_loads_total", {"result": "failed"}) == 1
        loaded = {"model": "tiny", "version": "v1.0"}
        assert (registry.get_sample_value("model_load_seconds", loaded) or 0) > 0

        await host.unload("tiny", "v1.0")

        assert state(registry, "v1.0", "READY") is None
        assert state(registry, "v1.0", "UNLOADED") == 1
    assert state(registry, "v1.0", "UNLOADED") is None


async def test_nothing_is_left_of_a_version_that_went_but_its_state(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    async with open_host(host_options(tmp_path, trial=None), InferenceMetrics(registry)) as host:
        before = set(of_model(registry, "tiny"))
        assert {"model_queue_rows", "model_batch_rows_count", "model_load_seconds"} <= before

        await host.unload("tiny")

        assert set(of_model(registry, "tiny")) == {"model_version_state"}


async def test_a_swap_is_counted_and_keeps_the_series(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    async with open_host(host_options(tmp_path, trial=None), InferenceMetrics(registry)) as host:
        before = set(of_model(registry, "tiny"))

        shutil.rmtree(tmp_path / "tiny")
        write_classifier(tmp_path, weights=((0, 1, 0), (1, 0, 0)))
        await host.load("tiny", "v1.0")

        assert registry.get_sample_value("model_swaps_total", {"model": "tiny"}) == 1
        assert set(of_model(registry, "tiny")) == before | {"model_swaps_total"}


async def test_items_that_are_not_run_are_counted_by_the_reason() -> None:
    dropped: list[str] = []
    gate = asyncio.Event()

    async def run(items: Any, stop: Stop) -> Any:
        await gate.wait()
        return items

    loop = asyncio.get_running_loop()
    limits = QueueLimits(max_batch=1, max_waiting=2)
    async with Batcher(run, limits=limits, on_dropped=dropped.append) as batcher:
        running = asyncio.create_task(batcher.submit(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        given_up = asyncio.create_task(batcher.submit(2))
        late = asyncio.create_task(batcher.submit(3, deadline=loop.time() + 0.05))
        await asyncio.sleep(0)
        assert batcher.waiting_rows == 2
        for size in (1, 3):
            with pytest.raises(ServingError):
                await batcher.submit(4, size)
        given_up.cancel()
        await asyncio.wait([given_up])
        with pytest.raises(ServingError):
            await batcher.submit(5, deadline=loop.time() - 1)
        await asyncio.sleep(0.06)
        gate.set()
        await running
        with pytest.raises(ServingError):
            await late

    assert dropped == ["queue_full", "too_large", "given_up", "hopeless", "expired"]


class NvmlError(Exception):
    pass


def driver(count: int) -> Any:
    """Stands for NVML, which only a machine with a GPU has; the second GPU knows no power."""

    def power(gpu: int) -> int:
        if gpu:
            raise NvmlError("not supported")
        return 61_500

    return SimpleNamespace(
        NVMLError=NvmlError,
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda at: at,
        nvmlDeviceGetMemoryInfo=lambda gpu: SimpleNamespace(used=2**30 + gpu, total=2**33),
        nvmlDeviceGetUtilizationRates=lambda gpu: SimpleNamespace(gpu=40),
        nvmlDeviceGetTemperature=lambda gpu, sensor: 50,
        nvmlDeviceGetPowerUsage=power,
    )


def test_every_gpu_shows_the_figures_that_it_has(registry: CollectorRegistry) -> None:
    show_gpus_of(registry, driver(2))

    def found(name: str, gpu: str) -> float | None:
        return registry.get_sample_value(name, {"gpu": gpu})

    assert [found("gpu_memory_usage_bytes", gpu) for gpu in "01"] == [2**30, 2**30 + 1]
    assert found("gpu_memory_total_bytes", "0") == 2**33
    assert found("gpu_utilization_ratio", "0") == 0.4
    assert found("gpu_temperature_celsius", "0") == 50
    assert [found("gpu_power_watts", gpu) for gpu in "01"] == [61.5, None]


def test_without_a_gpu_or_a_driver_there_are_no_gpu_figures(registry: CollectorRegistry) -> None:
    def fail() -> None:
        raise NvmlError("no driver")

    absent = driver(1)
    absent.nvmlInit = fail

    show_gpus_of(registry, absent)
    show_gpus_of(registry, driver(0))

    names = {family.name for family in registry.collect()}
    assert names.isdisjoint(figure.name for figure in FIGURES)
