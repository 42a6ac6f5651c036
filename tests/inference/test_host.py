from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.host import Host, open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.models_service import ModelsService
from mlmesh.inference.options import VersionOptions
from mlmesh.registry.manifest import sha256_of
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import ModelNotFound, Unavailable
from mlmesh.v1 import models_pb2 as pb
from tests.tiny_models import host_options, sign_version, write_classifier, write_slow

ROW = {"features": np.array([[1, 2]], np.float32)}


@pytest.fixture
def metrics(registry: CollectorRegistry) -> InferenceMetrics:
    return InferenceMetrics(registry)


async def test_names_left_out_mean_the_default_model_and_its_newest_version(host: Host) -> None:
    assert host.find("", "").manifest.version == "v2.0"
    assert host.find("", "v1.0").manifest.name == "tiny"


async def test_unknown_names_are_not_found(host: Host) -> None:
    with pytest.raises(ModelNotFound, match=r"^model: .*'tinny', did you mean 'tiny'\?$"):
        host.find("tinny", "")
    with pytest.raises(ModelNotFound, match=r"^model_version: tiny has nothing named 'v3\.0'"):
        host.find("tiny", "v3.0")


async def test_runs_are_timed_by_model_and_version(host: Host, registry: CollectorRegistry) -> None:
    await host.find("tiny", "v1.0").run(ROW)

    labels = {"model": "tiny", "version": "v1.0"}
    assert registry.get_sample_value("model_inference_duration_seconds_count", labels) == 1


def _empty(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"")


def _cut(folder: Path) -> None:
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-40])


def _flip(folder: Path) -> None:
    model = folder / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)


def _remove(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def _no_json(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")
    sign_version(folder)


def _said(folder: Path, **fields: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    sign_version(folder)


def _other_name(folder: Path) -> None:
    _said(folder, name="somebody")


def _other_shape(folder: Path) -> None:
    outputs = [{"name": "probabilities", "dtype": "float64", "shape": [None, 3]}]
    _said(folder, outputs=outputs)


def _feature(name: str, column: int) -> dict[str, object]:
    bounds = {"minimum": 0, "maximum": 1, "baseline": 0}
    return {"name": name, "kind": "numeric", "input": "features", "column": column, **bounds}


def _twice_the_same_column(folder: Path) -> None:
    _said(folder, features=[_feature("x", 0), _feature("y", 0)])


def _one_feature_less(folder: Path) -> None:
    _said(folder, features=[_feature("x", 0)])


def _one_label_less(folder: Path) -> None:
    _said(folder, labels=["a", "b"])


def _pipe(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")


def _outside(folder: Path) -> None:
    _said(folder, files={"model.onnx": "0" * 64, "../model.onnx": "0" * 64})


def _other_answers(folder: Path) -> None:
    golden = {
        "inputs": {"features": [[1, 2]]},
        "outputs": {"probabilities": [[0, 0, 1]]},
        "tolerance": 1e-5,
    }
    _said(folder, golden=golden)


BROKEN = [
    (_twice_the_same_column, "features: features has 2 columns, features go to [0, 0]"),
    (_one_feature_less, "features: features has 2 columns, features go to [0]"),
    (_one_label_less, "labels: 2, but the graph has 3 classes"),
    (_pipe, "model.onnx: not a regular file"),
    (_other_answers, "golden: probabilities is off by"),
    (_empty, "sha256 differs"),
    (_cut, "sha256 differs"),
    (_flip, "sha256 differs"),
    (_remove, "model.onnx: No such file or directory"),
    (_no_json, "manifest.json"),
    (_other_name, "is of somebody v2.0, but lies in tiny/v2.0"),
    (_other_shape, "outputs: the manifest names"),
    (_outside, "is not a plain file name"),
]


@pytest.mark.parametrize(("damage", "reason"), BROKEN)
async def test_a_broken_version_fails_with_its_reason_and_the_others_serve(
    tmp_path: Path, metrics: InferenceMetrics, damage: object, reason: str
) -> None:
    write_classifier(tmp_path)
    broken = write_classifier(tmp_path, version="v2.0")
    damage(broken)  # type: ignore[operator]

    async with open_host(host_options(tmp_path, "tiny"), metrics) as host:
        service = ModelsService(host, "mlmesh.v1.PredictorService")
        [model] = (await service.ListModels(pb.ListModelsRequest(), Call("1"))).models
        answer = await host.find("tiny", "").run(ROW)
        with pytest.raises(Unavailable, match=r"v2\.0 could not be loaded"):
            host.find("tiny", "v2.0")

    assert model.default_version == "v1.0"
    states = {version.version: version.state for version in model.versions}
    assert states == {"v1.0": pb.MODEL_STATE_READY, "v2.0": pb.MODEL_STATE_FAILED}
    assert reason in model.versions[1].reason
    assert answer.outputs["probabilities"].shape == (1, 3)


async def test_a_graph_that_onnxruntime_refuses_fails_with_its_reason(
    tmp_path: Path, metrics: InferenceMetrics
) -> None:
    folder = write_classifier(tmp_path)
    (folder / "model.onnx").write_bytes(b"not a graph")
    _said(folder, files={"model.onnx": sha256_of(folder / "model.onnx")})

    async with open_host(host_options(tmp_path, "tiny"), metrics) as host:
        [state] = host.models["tiny"].states()

    assert state.state == "FAILED"
    assert state.reason


async def test_version_ten_is_newer_than_version_nine(
    tmp_path: Path, metrics: InferenceMetrics
) -> None:
    for version in ("v10.0", "v9.0", "v9.1"):
        write_classifier(tmp_path, version=version)

    async with open_host(host_options(tmp_path, "tiny"), metrics) as host:
        assert list(host.models["tiny"].versions) == ["v9.0", "v9.1", "v10.0"]
        assert host.find("", "").manifest.version == "v10.0"


async def test_a_run_that_nobody_waits_for_ends_early(
    tmp_path: Path, metrics: InferenceMetrics
) -> None:
    write_slow(tmp_path, rounds=1000)
    versions = VersionOptions(queue=QueueLimits(max_batch=20_000, max_waiting=30_000))
    options = host_options(tmp_path, "slow", versions=versions)
    rows = {"features": np.ones((20_000, 2), np.float32)}
    async with open_host(options, metrics) as host:
        version = host.find("slow", "")
        started = time.perf_counter()
        await version.run({"features": np.ones((200, 2), np.float32)})
        part = time.perf_counter() - started

        abandoned = asyncio.create_task(version.run(rows))
        await asyncio.sleep(part)
        abandoned.cancel()
        started = time.perf_counter()
        await version.run({"features": np.ones((1, 2), np.float32)})
        waited = time.perf_counter() - started

    # The whole run would take about a hundred times as long as the part of it.
    assert waited < 50 * part
