"""Loads that are cancelled or fail for a reason that passes, and folders that no host can use."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host, open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.models_service import models_service
from mlmesh.inference.options import TrialLimits, VersionOptions
from mlmesh.inference.scratch import PREFIX
from mlmesh.inference.session import SessionOptions
from mlmesh.registry.manifest import MODEL_FILE, read_manifest, sha256_of, write_manifest
from mlmesh.registry.pointers import MAX_LABELS, read_pointers
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import InvalidInput, Precondition
from mlmesh.v1 import models_pb2 as pb
from tests.tiny_models import host_options, sign_version, write_classifier

ROW = {"features": np.array([[1, 2]], np.float32)}
OTHER = ((0, 1, 0), (1, 0, 0))


async def answer(host: Host) -> bytes:
    with host.using("tiny", "") as found:
        return (await found.run(ROW)).outputs["probabilities"].tobytes()


def change(root: Path) -> None:
    """Another graph under the same version's name."""
    shutil.rmtree(root / "tiny" / "v1.0")
    write_classifier(root, weights=OTHER)


async def test_a_swap_that_was_cancelled_is_made_when_it_is_asked_for_again(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    async with open_host(host_options(tmp_path), InferenceMetrics(registry)) as host:
        before = await answer(host)
        change(tmp_path)
        loading = asyncio.create_task(host.load("tiny", "v1.0"))
        await asyncio.sleep(0.2)
        loading.cancel()
        await asyncio.wait([loading])

        await host.load("tiny", "v1.0")

        assert await answer(host) != before


async def test_a_swap_that_failed_is_tried_again_when_it_is_asked_for(
    tmp_path: Path, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classifier(tmp_path)
    options = host_options(tmp_path, trial=TrialLimits(seconds=30))
    async with open_host(options, InferenceMetrics(registry)) as host:
        before = await answer(host)
        change(tmp_path)
        with monkeypatch.context() as patched:
            # As on a machine whose disk is full.
            patched.setattr("mlmesh.inference.trial.sys.executable", "/bin/false")
            with pytest.raises(Precondition, match="a changed copy was not taken"):
                await host.load("tiny", "v1.0")
            assert await answer(host) == before

        await host.load("tiny", "v1.0")

        assert await answer(host) != before


async def test_cancelling_a_long_copy_neither_keeps_the_loop_nor_the_copy(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    root, scratch = tmp_path / "models", tmp_path / "scratch"
    scratch.mkdir()
    write_classifier(root)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tempfile.tempdir", str(scratch))
        async with open_host(host_options(root, trial=None), InferenceMetrics(registry)) as host:
            write_large(root, 400)
            loading = asyncio.create_task(host.load("tiny", "v2.0"))
            await asyncio.sleep(0.05)
            loading.cancel()
            worst = 0.0
            while not loading.done():
                started = time.perf_counter()
                await asyncio.sleep(0.001)
                worst = max(worst, time.perf_counter() - started)

            assert loading.cancelled()
            assert worst < 0.15
            [own] = scratch.glob(f"{PREFIX}*")
            assert [path.name for path in own.iterdir()] == ["1-tiny-v1.0"]


async def test_a_scratch_folder_that_is_gone_fails_versions_and_not_the_service(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    root, scratch = tmp_path / "models", tmp_path / "scratch"
    scratch.mkdir()
    write_classifier(root)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tempfile.tempdir", str(scratch))
        async with open_host(host_options(root, trial=None), InferenceMetrics(registry)) as host:
            [own] = scratch.glob(f"{PREFIX}*")
            shutil.rmtree(own)
            write_classifier(root, version="v2.0")

            with pytest.raises(Precondition, match="private copy cannot be made: No such file"):
                await host.load("tiny")
            states = {one.version: one.state for one in host.models["tiny"].states()}
            assert states == {"v1.0": "READY", "v2.0": "FAILED"}


@pytest.mark.parametrize(
    "odd", ["²", "1²", "a" * 250, "9" * 250, b"v\xff".decode("utf8", "surrogateescape")]
)
async def test_a_folder_with_an_odd_name_harms_nobody(
    tmp_path: Path, registry: CollectorRegistry, odd: str
) -> None:
    write_classifier(tmp_path)
    shutil.copytree(tmp_path / "tiny" / "v1.0", tmp_path / "tiny" / odd)

    async with open_host(host_options(tmp_path, trial=None), InferenceMetrics(registry)) as host:
        assert list(host.models["tiny"].versions) == ["v1.0"]
        listed = await models_service(host, "x").servicer.ListModels(  # type: ignore[attr-defined]
            pb.ListModelsRequest(), Call("test")
        )
        assert listed.SerializeToString()


async def test_labels_over_the_limit_are_refused_and_all_is_there_after_a_restart(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    async with open_host(host_options(tmp_path, trial=None), InferenceMetrics(registry)) as host:
        await host.set_default("tiny", "v1.0")
        for number in range(MAX_LABELS):
            await host.set_label("tiny", f"l{number}", "v1.0")
        with pytest.raises(InvalidInput, match="at most 256; remove one first"):
            await host.set_label("tiny", "more", "v1.0")
        await host.set_label("tiny", "l0", "v1.0")

    pointers = read_pointers(tmp_path, "tiny")
    assert pointers.default == "v1.0"
    assert len(pointers.labels) == MAX_LABELS


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own")
async def test_threads_that_serve_give_way_to_nobody(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    before = threads()
    versions = VersionOptions(session=SessionOptions(threads=3))
    options = host_options(tmp_path, trial=None, versions=versions)
    async with open_host(options, InferenceMetrics(registry)) as host:
        await answer(host)
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert len(threads() - before) >= 2
        async with asyncio.timeout(10):
            # The system shows threads that have just ended for a moment longer.
            while {niceness(thread) for thread in threads() - before} - {own, None}:
                await asyncio.sleep(0.01)


def niceness(thread: int) -> int | None:
    """None for a thread that has ended meanwhile."""
    try:
        return os.getpriority(os.PRIO_PROCESS, thread)
    except ProcessLookupError:
        return None


def threads() -> set[int]:
    """The system's numbers of this process's threads."""
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}


def write_large(root: Path, megabytes: int) -> None:
    """tiny v2.0, with a file beside the graph that takes long to copy."""
    folder = write_classifier(root, version="v2.0")
    with (folder / "weights.bin").open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1024) * 1024)
    manifest = read_manifest(folder)
    files = {name: sha256_of(folder / name) for name in (MODEL_FILE, "weights.bin")}
    write_manifest(folder, manifest.model_copy(update={"files": files}))
    sign_version(folder)
