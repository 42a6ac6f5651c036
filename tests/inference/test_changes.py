"""Versions that come, change and go while the host serves."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host, open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.watch import watching
from mlmesh.runtime.errors import (
    ModelNotFound,
    Precondition,
    Unavailable,
)
from tests.tiny_models import host_options, sign_version, write_classifier, write_slow

ROW = {"features": np.array([[1, 2]], np.float32)}
OTHER = ((0, 1, 0), (1, 0, 0))
THIRD = ((5, 0, 0), (0, 5, 0))


@pytest.fixture
async def changing(tmp_path: Path, registry: CollectorRegistry) -> AsyncIterator[Host]:
    """A host of tiny v1.0 that tries nothing in a child first, for speed."""
    write_classifier(tmp_path)
    options = host_options(tmp_path, trial=None)
    async with open_host(options, InferenceMetrics(registry)) as host:
        yield host


async def answer(host: Host, version: str = "") -> tuple[str, bytes]:
    """The version that answers and what it says."""
    with host.using("tiny", version) as found:
        said = (await found.run(ROW)).outputs["probabilities"]
        return found.manifest.version, said.tobytes()


def states(host: Host) -> dict[str, str]:
    return {state.version: state.state for state in host.models["tiny"].states()}


async def test_a_new_version_is_loaded_when_it_is_asked_for(changing: Host, tmp_path: Path) -> None:
    write_classifier(tmp_path, version="v2.0", weights=OTHER)
    with pytest.raises(ModelNotFound):
        changing.find("tiny", "v2.0")

    await changing.load("tiny", "v2.0")

    assert (await answer(changing))[0] == "v2.0"
    assert (await answer(changing, "v1.0"))[0] == "v1.0"


async def test_a_new_model_is_loaded_with_all_its_versions(changing: Host, tmp_path: Path) -> None:
    write_classifier(tmp_path, "more")
    write_classifier(tmp_path, "more", "v2.0")

    await changing.load("more")

    assert list(changing.models["more"].versions) == ["v1.0", "v2.0"]


async def test_what_is_not_in_the_repository_cannot_be_loaded(changing: Host) -> None:
    with pytest.raises(ModelNotFound, match=r"'tiny v9\.0' is not in this service's repository"):
        await changing.load("tiny", "v9.0")
    with pytest.raises(ModelNotFound, match="'nothing' is not in"):
        await changing.load("nothing")

    assert list(changing.models) == ["tiny"]


async def test_a_bad_version_is_refused_with_its_reason_and_the_old_one_serves_on(
    changing: Host, tmp_path: Path
) -> None:
    folder = write_classifier(tmp_path, version="v2.0")
    (folder / "model.onnx").write_bytes(b"")

    with pytest.raises(Precondition, match=r"^version: tiny v2\.0: model\.onnx"):
        await changing.load("tiny", "v2.0")

    assert states(changing) == {"v1.0": "READY", "v2.0": "FAILED"}
    assert (await answer(changing))[0] == "v1.0"


async def test_a_version_whose_changed_copy_is_bad_goes_on_as_it_was(
    changing: Host, tmp_path: Path
) -> None:
    _, before = await answer(changing)
    shutil.rmtree(tmp_path / "tiny" / "v1.0")
    folder = write_classifier(tmp_path, weights=OTHER)
    (folder / "model.onnx").write_bytes(b"")

    with pytest.raises(Precondition, match="a changed copy was not taken"):
        await changing.load("tiny", "v1.0")

    assert await answer(changing) == ("v1.0", before)
    assert states(changing) == {"v1.0": "READY"}


async def test_a_changed_copy_takes_over(changing: Host, tmp_path: Path) -> None:
    _, before = await answer(changing)
    shutil.rmtree(tmp_path / "tiny" / "v1.0")
    write_classifier(tmp_path, weights=OTHER)

    await changing.load("tiny")

    assert (await answer(changing))[1] != before


async def test_loading_what_is_loaded_already_changes_nothing(changing: Host) -> None:
    version = changing.find("tiny", "")

    await changing.load("tiny", "v1.0")

    assert changing.find("tiny", "") is version


async def test_an_unloaded_version_answers_no_more_and_can_come_back(
    changing: Host, tmp_path: Path
) -> None:
    write_classifier(tmp_path, version="v2.0")
    await changing.load("tiny")

    await changing.unload("tiny", "v2.0")

    assert states(changing) == {"v1.0": "READY", "v2.0": "UNLOADED"}
    with pytest.raises(Unavailable, match=r"tiny v2\.0 is not loaded"):
        changing.find("tiny", "v2.0")
    assert (await answer(changing))[0] == "v1.0"
    await changing.load("tiny", "v2.0")
    assert (await answer(changing))[0] == "v2.0"


async def test_what_is_unloaded_stays_so_over_a_restart(changing: Host, tmp_path: Path) -> None:
    write_classifier(tmp_path, version="v2.0")
    await changing.load("tiny")
    await changing.unload("tiny", "v2.0")

    metrics = InferenceMetrics(CollectorRegistry())
    async with open_host(host_options(tmp_path, trial=None), metrics) as restarted:
        assert states(restarted) == {"v1.0": "READY", "v2.0": "UNLOADED"}


async def test_unloading_a_whole_model_leaves_nothing_that_answers(changing: Host) -> None:
    await changing.set_default("tiny", "v1.0")

    await changing.unload("tiny")

    with pytest.raises(Unavailable, match=r"tiny v1\.0 is not loaded"):
        changing.find("tiny", "")
    await changing.load("tiny")
    assert (await answer(changing))[0] == "v1.0"


async def test_models_of_other_services_are_left_to_them(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    folder = write_classifier(tmp_path, "texts")
    manifest = json.loads((folder / "manifest.json").read_text())
    said = {**manifest, "service": "mlmesh.v1.NlpService"}
    (folder / "manifest.json").write_text(json.dumps(said))
    sign_version(folder)

    async with open_host(host_options(tmp_path, trial=None), InferenceMetrics(registry)) as host:
        assert list(host.models) == ["tiny"]
        with pytest.raises(ModelNotFound):
            await host.load("texts")


async def test_what_is_held_is_unloaded_only_afterwards(changing: Host, tmp_path: Path) -> None:
    write_classifier(tmp_path, version="v2.0")
    await changing.load("tiny")
    with changing.using("tiny", "v2.0") as version:
        unloading = asyncio.create_task(changing.unload("tiny", "v2.0"))
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable):
            changing.find("tiny", "v2.0")
        assert not unloading.done()
        assert (await version.run(ROW)).outputs["probabilities"].shape == (1, 3)

    await asyncio.wait_for(unloading, 10)
    with pytest.raises(Unavailable, match="unloaded"):
        await version.run(ROW)


async def test_a_caller_that_never_ends_does_not_hold_a_version_for_ever(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    options = host_options(tmp_path, trial=None, drain_seconds=0.2)
    async with open_host(options, InferenceMetrics(registry)) as host:
        with host.using("tiny", "") as version:
            await asyncio.wait_for(host.unload("tiny"), 10)
            with pytest.raises(Unavailable):
                await version.run(ROW)


async def test_a_caller_of_unload_that_goes_away_stops_nothing(
    changing: Host, tmp_path: Path
) -> None:
    with changing.using("tiny", "") as version:
        unloading = asyncio.create_task(changing.unload("tiny"))
        await asyncio.sleep(0.1)
        unloading.cancel()
        await asyncio.wait([unloading])
    await asyncio.sleep(0.5)

    with pytest.raises(Unavailable):
        await version.run(ROW)
    await changing.load("tiny")
    assert (await answer(changing))[0] == "v1.0"


async def test_loading_that_is_cancelled_leaves_all_as_it_was(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    async with open_host(host_options(tmp_path), InferenceMetrics(registry)) as host:
        write_slow(tmp_path, "tiny", "v2.0")
        loading = asyncio.create_task(host.load("tiny", "v2.0"))
        await asyncio.sleep(0.1)
        loading.cancel()
        await asyncio.wait([loading])

        assert states(host) == {"v1.0": "READY", "v2.0": "UNLOADED"}
        assert (await answer(host))[0] == "v1.0"
        await host.load("tiny", "v2.0")
        assert states(host) == {"v1.0": "READY", "v2.0": "READY"}


async def test_metrics_name_what_computes_as_long_as_it_is_there(
    changing: Host, registry: CollectorRegistry
) -> None:
    labels = {"model": "tiny", "version": "v1.0", "provider": "CPUExecutionProvider"}
    runs = {"model": "tiny", "version": "v1.0"}
    await answer(changing)
    assert registry.get_sample_value("model_version_loaded", labels) == 1
    assert registry.get_sample_value("model_inference_duration_seconds_count", runs) == 1

    await changing.unload("tiny")

    assert registry.get_sample_value("model_version_loaded", labels) is None
    assert registry.get_sample_value("model_inference_duration_seconds_count", runs) is None


async def test_watching_notices_new_changed_and_removed_versions(
    changing: Host, tmp_path: Path
) -> None:
    async def until(wanted: dict[str, str]) -> None:
        async with asyncio.timeout(20):
            while states(changing) != wanted:
                await asyncio.sleep(0.02)

    async with watching(changing, 0.05):
        broken = write_classifier(tmp_path, version="v2.0")
        (broken / "model.onnx").write_bytes(b"")
        await until({"v1.0": "READY", "v2.0": "FAILED"})
        shutil.rmtree(broken)
        write_classifier(tmp_path, version="v2.0")
        await until({"v1.0": "READY", "v2.0": "READY"})
        shutil.rmtree(tmp_path / "tiny" / "v1.0")
        await until({"v2.0": "READY"})


async def test_private_copies_go_with_their_versions(changing: Host) -> None:
    folder = changing.find("tiny", "").folder
    assert (folder / "model.onnx").exists()

    await changing.unload("tiny")

    assert not folder.exists()


async def test_what_is_gone_from_the_repository_is_forgotten_when_it_is_unloaded(
    changing: Host, tmp_path: Path
) -> None:
    write_classifier(tmp_path, version="v2.0")
    await changing.load("tiny")
    await changing.unload("tiny", "v2.0")
    shutil.rmtree(tmp_path / "tiny" / "v2.0")

    await changing.unload("tiny", "v2.0")

    assert states(changing) == {"v1.0": "READY"}
    with pytest.raises(ModelNotFound):
        changing.find("tiny", "v2.0")
    shutil.rmtree(tmp_path / "tiny" / "v1.0")
    await changing.unload("tiny")
    assert changing.models == {}
