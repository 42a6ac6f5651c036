from __future__ import annotations

from pathlib import Path

import pytest
from onnx import TensorProto

from mlmesh.inference.loading import open_version
from mlmesh.inference.options import VersionOptions
from mlmesh.registration.card import Said
from mlmesh.registration.refusal import Refused
from mlmesh.registry.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from mlmesh.registry.private_copy import copy_verified
from mlmesh.registry.signature import SIGNATURE_FILE, trust_of
from mlmesh.registry.store import StoredVersion
from tests.registration import graphs
from tests.registration.conftest import Register


def loaded(stored: StoredVersion, tmp_path: Path) -> Manifest:
    """Load a version as a server does, from what lies in the repository."""
    trust = trust_of(tmp_path / "keys", "development")
    manifest = copy_verified(stored, tmp_path / "copy", trust)
    open_version(tmp_path / "copy", manifest, VersionOptions())
    return manifest


def left_behind(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != ".lock")


async def test_any_graph_becomes_a_version_that_a_server_loads(
    registering: Register, root: Path, tmp_path: Path
) -> None:
    done = await registering(graphs.network(tmp_path / "net.onnx"))

    manifest = loaded(done.stored, tmp_path)
    assert manifest == done.manifest
    assert done.stored.folder == root / "tiny" / "v1.0"
    assert left_behind(root) == ["tiny"]
    names = {path.name for path in done.stored.folder.iterdir()}
    assert names == {MANIFEST_FILE, MODEL_FILE, SIGNATURE_FILE}


async def test_versions_count_up_and_are_never_overwritten(
    registering: Register, root: Path, tmp_path: Path
) -> None:
    graph = graphs.regressor(tmp_path / "sum.onnx")

    first = await registering(graph)
    second = await registering(graph)
    named = await registering(graph, version="v7.2-rc1")
    after = await registering(graph)

    versions = [one.stored.version for one in (first, second, named, after)]
    assert versions == ["v1.0", "v2.0", "v7.2-rc1", "v8.0"]
    before = (first.stored.folder / MANIFEST_FILE).read_bytes()
    with pytest.raises(Refused, match=r"version: tiny v1\.0 is there already"):
        await registering(graphs.network(tmp_path / "net.onnx"), version="v1.0")
    assert (first.stored.folder / MANIFEST_FILE).read_bytes() == before
    assert left_behind(root) == ["tiny"]


async def test_a_name_that_a_shipped_version_has_is_taken(
    registering: Register, tmp_path: Path
) -> None:
    graph = graphs.regressor(tmp_path / "sum.onnx")
    shipped = (await registering(graph)).stored.root.rename(tmp_path / "shipped")

    with pytest.raises(Refused, match=r"v1\.0 is there already"):
        await registering(graph, version="v1.0", others=(shipped,))
    assert (await registering(graph, others=(shipped,))).stored.version == "v2.0"


@pytest.mark.parametrize(
    ("field", "name"),
    [("model", name) for name in ("blobs", "../x", "A", ".hidden", "")]
    + [("version", name) for name in ("a b", "/v1", "V1")],
)
async def test_what_cannot_name_a_folder_names_no_version(
    field: str, name: str, registering: Register, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=f"^{field}: "):
        await registering(graphs.regressor(tmp_path / "sum.onnx"), **{field: name})


async def test_external_data_comes_along_and_is_hashed(
    registering: Register, tmp_path: Path
) -> None:
    done = await registering(graphs.with_external_data(tmp_path / "from" / "net.onnx"))

    assert set(done.manifest.files) == {MODEL_FILE, "weights.bin"}
    assert loaded(done.stored, tmp_path).name == "tiny"


async def test_large_files_are_shared_between_versions(
    registering: Register, root: Path, tmp_path: Path
) -> None:
    graph = graphs.with_external_data(tmp_path / "from" / "net.onnx")

    first = await registering(graph, share_bytes=1000)
    second = await registering(graph, share_bytes=1000)

    [blob] = (root / "blobs").iterdir()
    assert first.manifest.blobs == second.manifest.blobs == {"weights.bin": blob.name}
    assert not (first.stored.folder / "weights.bin").exists()
    assert loaded(second.stored, tmp_path).version == "v2.0"


async def test_small_files_stay_in_the_version(registering: Register, tmp_path: Path) -> None:
    graph = graphs.with_external_data(tmp_path / "from" / "net.onnx")

    done = await registering(graph, share_bytes=10**9)

    assert not done.manifest.blobs


async def test_a_graph_whose_neighbours_matter_runs_every_call_alone(
    registering: Register, tmp_path: Path
) -> None:
    done = await registering(graphs.mean_of_batch(tmp_path / "mean.onnx"))

    assert not done.manifest.batching.together
    assert "a batch neighbour changes y" in done.measured.neighbours.reason
    assert not loaded(done.stored, tmp_path).batching.together
    with pytest.raises(Refused, match="together: not for this graph"):
        await registering(graphs.mean_of_batch(tmp_path / "mean.onnx"), Said(together=True))


async def test_a_graph_of_fixed_size_runs_that_size(registering: Register, tmp_path: Path) -> None:
    done = await registering(graphs.network(tmp_path / "net.onnx", batch=4))

    batching = loaded(done.stored, tmp_path).batching
    assert (batching.together, batching.max_rows) == (False, 4)
    assert not done.manifest.features


@pytest.mark.parametrize(
    "kind", ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT8", "INT32", "INT64", "UINT8", "UINT64",
             "BOOL", "STRING"],
)  # fmt: skip
async def test_every_type_is_registered_and_loads(
    kind: str, registering: Register, tmp_path: Path
) -> None:
    graph = graphs.unary(tmp_path / "same.onnx", "Identity", getattr(TensorProto, kind))

    done = await registering(graph)

    assert loaded(done.stored, tmp_path).golden is not None
