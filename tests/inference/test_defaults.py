"""Which version answers: the default, labels, and where they are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host, open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.registry.manifest import read_manifest, sha256_of, write_manifest
from mlmesh.registry.pointers import read_pointers
from mlmesh.runtime.errors import (
    InvalidInput,
    ModelNotFound,
    NotFound,
    Precondition,
    Unavailable,
)
from tests.tiny_models import host_options, sign_version, write_classifier

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


async def test_the_default_is_not_unloaded_alone(changing: Host) -> None:
    await changing.set_default("tiny", "v1.0")

    with pytest.raises(Precondition, match=r"v1\.0 is the default of tiny; make another"):
        await changing.unload("tiny", "v1.0")

    assert (await answer(changing))[0] == "v1.0"


async def test_the_default_and_labels_choose_the_version_also_after_a_restart(
    changing: Host, tmp_path: Path
) -> None:
    write_classifier(tmp_path, version="v2.0", weights=OTHER)
    await changing.load("tiny")

    await changing.set_default("tiny", "v1.0")
    await changing.set_label("tiny", "canary", "v2.0")

    assert (await answer(changing))[0] == "v1.0"
    assert (await answer(changing, "canary"))[0] == "v2.0"
    metrics = InferenceMetrics(CollectorRegistry())
    async with open_host(host_options(tmp_path, trial=None), metrics) as restarted:
        assert (await answer(restarted))[0] == "v1.0"
        assert (await answer(restarted, "canary"))[0] == "v2.0"
    await changing.remove_label("tiny", "canary")
    with pytest.raises(ModelNotFound, match="'canary'"):
        changing.find("tiny", "canary")


async def test_labels_and_defaults_are_refused_where_they_make_no_sense(changing: Host) -> None:
    with pytest.raises(InvalidInput, match="label: "):
        await changing.set_label("tiny", "v1.0", "v1.0")
    with pytest.raises(ModelNotFound, match=r"version: tiny has nothing named 'v9\.0'"):
        await changing.set_label("tiny", "stable", "v9.0")
    with pytest.raises(ModelNotFound, match=r"version: tiny has nothing named 'v9\.0'"):
        await changing.set_default("tiny", "v9.0")
    with pytest.raises(NotFound, match="label: tiny has nothing named 'stable'"):
        await changing.remove_label("tiny", "stable")
    with pytest.raises(ModelNotFound, match="did you mean 'tiny'"):
        await changing.unload("tinny")


async def test_a_label_whose_version_is_unloaded_says_so(changing: Host, tmp_path: Path) -> None:
    write_classifier(tmp_path, version="v2.0")
    await changing.load("tiny")
    await changing.set_label("tiny", "canary", "v2.0")

    await changing.unload("tiny", "v2.0")

    with pytest.raises(Unavailable, match=r"tiny v2\.0 is not loaded"):
        changing.find("tiny", "canary")


async def test_a_broken_pointers_file_moves_nobody(changing: Host, tmp_path: Path) -> None:
    write_classifier(tmp_path, version="v2.0")
    await changing.set_default("tiny", "v1.0")
    (tmp_path / "tiny" / "pointers.json").write_text("{")

    await changing.load("tiny")

    assert (await answer(changing))[0] == "v1.0"


async def test_a_repository_that_cannot_be_written_keeps_changes_until_the_restart(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path / "shipped")
    (tmp_path / "no-folder").write_text("")
    options = host_options(tmp_path / "shipped", trial=None, more=(tmp_path / "no-folder",))
    async with open_host(options, InferenceMetrics(registry)) as host:
        await host.set_label("tiny", "stable", "v1.0")
        assert (await answer(host, "stable"))[0] == "v1.0"


async def test_two_repositories_make_one_model(tmp_path: Path, registry: CollectorRegistry) -> None:
    shipped, added = tmp_path / "shipped", tmp_path / "added"
    write_classifier(shipped)
    write_classifier(added, version="v2.0", weights=OTHER)
    write_classifier(added, version="v1.0", weights=THIRD)
    options = host_options(shipped, trial=None, more=(added,))
    async with open_host(options, InferenceMetrics(registry)) as host:
        alone = (await answer(host, "v1.0"))[1]
        assert states(host) == {"v1.0": "READY", "v2.0": "READY"}
        await host.set_default("tiny", "v1.0")

    assert not (shipped / "tiny" / "pointers.json").exists()
    assert read_pointers(added, "tiny").default == "v1.0"
    metrics = InferenceMetrics(CollectorRegistry())
    async with open_host(host_options(shipped, trial=None), metrics) as only_shipped:
        assert (await answer(only_shipped))[1] == alone


async def test_a_version_made_from_another_is_not_the_default_by_itself(
    changing: Host, tmp_path: Path
) -> None:
    write_classifier(tmp_path, version="v1.0-int8", weights=OTHER)
    await changing.load("tiny")
    assert (await answer(changing))[0] == "v1.0"
    assert (await answer(changing, "v1.0-int8"))[0] == "v1.0-int8"

    await changing.unload("tiny", "v1.0")

    assert (await answer(changing))[0] == "v1.0-int8"


async def test_a_failure_does_not_say_where_the_files_lie(changing: Host, tmp_path: Path) -> None:
    folder = write_classifier(tmp_path, version="v2.0")
    (folder / "model.onnx").write_bytes(b"not a graph")
    manifest = read_manifest(folder)
    files = {"model.onnx": sha256_of(folder / "model.onnx")}
    write_manifest(folder, manifest.model_copy(update={"files": files}))
    sign_version(folder)

    with pytest.raises(Precondition) as refused:
        await changing.load("tiny", "v2.0")

    assert "/" not in refused.value.message
