"""A file that the mesh has never seen: registered, and served by every protocol, while it runs."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
import tritonclient.grpc
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.end_to_end.conftest import RunningMesh, start_mesh
from tests.end_to_end.ways_in import ROW, Answer, asked_everywhere

LABELS = ("low", "middle", "high")
SWAPS = 12
CALLERS = 4
PAUSE_SECONDS = 0.02


def paths(folder: Path) -> dict[str, str]:
    return {
        "MLMESH_REPOSITORY": str(folder / "registered"),
        "MLMESH_KEYS": str(folder / "secrets"),
    }


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One whose repository and keys nobody has made yet; it must end well."""
    folder = tmp_path_factory.mktemp("new-models")
    running = start_mesh(folder, {**paths(folder), "MLMESH_LAME_DUCK_SECONDS": "0"})
    yield running
    assert running.stop() == 0, (folder / "mesh.log").read_text()


@pytest.fixture(scope="module")
def http(mesh: RunningMesh) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=mesh.url, timeout=30) as client:
        yield client


def mlmesh_models(mesh: RunningMesh, *arguments: str | Path) -> str:
    """What `mlmesh models` prints, as a user runs it beside the mesh."""
    done = subprocess.run(
        [sys.executable, "-m", "mlmesh.cli.main", "models", *arguments],
        env={**os.environ, **paths(mesh.folder), "MLMESH_GATEWAY": mesh.url},
        cwd=mesh.folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)


def probabilities(seed: int) -> list[float]:
    scores = np.exp(np.array(ROW, np.float32) @ weights(seed))
    found: list[float] = (scores / scores.sum())[0].tolist()
    return found


def write_network(path: Path, seed: int) -> Path:
    """softmax(x @ weights): a float in, a float out, and nothing said about either."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 3])],
        [numpy_helper.from_array(weights(seed), "w")],
    )
    return written(path, graph)


def write_odd(path: Path) -> Path:
    """Texts and numbers in, the texts, the numbers plus one and their half precision out."""
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["words"], ["same"]),
            helper.make_node("Add", ["ids", "one"], ["next"]),
            helper.make_node("Cast", ["ids"], ["half"], to=TensorProto.FLOAT16),
        ],
        "odd",
        [
            helper.make_tensor_value_info("words", TensorProto.STRING, ["n", 2]),
            helper.make_tensor_value_info("ids", TensorProto.INT32, ["n", 1, 3]),
        ],
        [
            helper.make_tensor_value_info("same", TensorProto.STRING, ["n", 2]),
            helper.make_tensor_value_info("next", TensorProto.INT32, ["n", 1, 3]),
            helper.make_tensor_value_info("half", TensorProto.FLOAT16, ["n", 1, 3]),
        ],
        [helper.make_tensor("one", TensorProto.INT32, [1], [1])],
    )
    return written(path, graph)


def written(path: Path, graph: onnx.GraphProto) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def expect(answers: dict[str, Answer], version: str, seed: int) -> None:
    """Every way gave this version's scores, and the very same ones."""
    scores = answers["gRPC"][1]
    assert np.allclose(scores, probabilities(seed), atol=1e-6)
    for way, (answered, found) in answers.items():
        assert answered == version, way
        assert np.array_equal(np.array(found, np.float32), np.array(scores, np.float32)), way


def versions_listed(http: httpx.Client, model: str) -> dict[str, str]:
    """State by version, as GET /v1/models has them; empty for a model that is not there."""
    [*found] = [one for one in http.get("/v1/models").json()["models"] if one["name"] == model]
    return {one["version"]: one["state"] for model in found for one in model["versions"]}


def test_a_file_that_is_registered_is_served_by_every_protocol(
    mesh: RunningMesh, http: httpx.Client, tmp_path: Path
) -> None:
    path = write_network(tmp_path / "levels.onnx", seed=1)
    assert http.get("/v2/models/levels").status_code == 404

    printed = mlmesh_models(mesh, "register", path, "--labels", ",".join(LABELS))

    assert "has it loaded" in printed
    expect(asked_everywhere(mesh, "levels"), "v1.0", seed=1)
    assert versions_listed(http, "levels") == {"v1.0": "MODEL_STATE_READY"}
    predicted = http.post("/v1/models/levels:predict", json={"features": ROW[0]}).json()
    assert predicted["label"] == LABELS[int(np.argmax(probabilities(1)))]
    metadata = http.get("/v2/models/levels").json()
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert metadata["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}]
    assert "levels" in mlmesh_models(mesh, "list")


def test_a_graph_of_any_signature_is_served(
    mesh: RunningMesh, http: httpx.Client, tmp_path: Path
) -> None:
    mlmesh_models(mesh, "register", write_odd(tmp_path / "graph.onnx"), "--name", "odd-one")
    words = np.array([["Grüße", ""], ["a", "b"]], object)
    ids = np.arange(6, dtype=np.int32).reshape(2, 1, 3)

    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{mesh.grpc_port}") as client:
        inputs = [
            tritonclient.grpc.InferInput("ids", [2, 1, 3], "INT32").set_data_from_numpy(ids),
            tritonclient.grpc.InferInput("words", [2, 2], "BYTES").set_data_from_numpy(words),
        ]
        result = client.infer("odd-one", inputs)
    refused = http.post("/v1/models/odd-one:predict", json={"features": [1]})

    assert result.as_numpy("same").tolist() == [["Grüße".encode(), b""], [b"a", b"b"]]
    assert np.array_equal(result.as_numpy("next"), ids + 1)
    assert np.array_equal(result.as_numpy("half"), ids.astype(np.float16))
    assert refused.status_code == 400
    assert "/v2/models/odd-one/infer" in refused.json()["error"]["message"]


def test_versions_come_are_promoted_labelled_and_go(
    mesh: RunningMesh, http: httpx.Client, tmp_path: Path
) -> None:
    mlmesh_models(mesh, "register", write_network(tmp_path / "changing.onnx", seed=1))
    mlmesh_models(mesh, "register", write_network(tmp_path / "changing.onnx", seed=2))
    expect(asked_everywhere(mesh, "changing"), "v2.0", seed=2)
    expect(asked_everywhere(mesh, "changing", "v1.0"), "v1.0", seed=1)

    mlmesh_models(mesh, "promote", "changing", "v1.0")
    mlmesh_models(mesh, "label", "changing", "canary", "v2.0")

    expect(asked_everywhere(mesh, "changing"), "v1.0", seed=1)
    expect(asked_everywhere(mesh, "changing", "canary"), "v2.0", seed=2)

    mlmesh_models(mesh, "remove", "changing", "v2.0", "--yes")
    mlmesh_models(mesh, "label", "changing", "stable", "v1.0")

    expect(asked_everywhere(mesh, "changing", "stable"), "v1.0", seed=1)
    assert http.get("/v1/models/changing").json()["model"]["labels"] == {"stable": "v1.0"}
    assert versions_listed(http, "changing").get("v2.0") != "MODEL_STATE_READY"
    for version in ("canary", "v2.0"):
        gone = http.post(
            f"/v1/models/changing/versions/{version}:predict", json={"features": ROW[0]}
        )
        assert gone.status_code in (404, 503), gone.text


async def test_swaps_under_load_fail_no_call(mesh: RunningMesh, tmp_path: Path) -> None:
    mlmesh_models(mesh, "register", write_network(tmp_path / "swapped.onnx", seed=1))
    mlmesh_models(mesh, "register", write_network(tmp_path / "swapped.onnx", seed=2))
    expected = {"v1.0": probabilities(1), "v2.0": probabilities(2)}

    async with httpx.AsyncClient(base_url=mesh.url, timeout=30) as http:
        await move(http, "v1.0", "v2.0")
        async with calling(http) as answers:
            for swap in range(SWAPS):
                await move(http, *(("v2.0", "v1.0") if swap % 2 else ("v1.0", "v2.0")))

    assert len(answers) > SWAPS * CALLERS
    assert {version for version, _ in answers} == expected.keys()
    for version, scores in answers:
        assert np.allclose(scores, expected[version], atol=1e-6), version


async def move(http: httpx.AsyncClient, version: str, other: str) -> None:
    """Let everybody have `version`, and free the other one."""
    model = "/v1/models/swapped"
    for verb, path, body in [
        ("POST", f"{model}:load", {"version": version}),
        ("POST", f"{model}:setDefault", {"version": version}),
        ("PUT", f"{model}/labels/stable", {"version": version}),
        ("POST", f"{model}:unload", {"version": other}),
    ]:
        response = await http.request(verb, path, json=body)
        assert response.status_code == 200, (path, response.text)


@asynccontextmanager
async def calling(http: httpx.AsyncClient) -> AsyncIterator[list[Answer]]:
    """Callers that ask for the default and for a label in turn, by both protocols; any failure
    fails the test."""
    answers: list[Answer] = []
    ended = asyncio.Event()

    async def call() -> None:
        for place in itertools.cycle(["", "/versions/stable"]):
            if ended.is_set():
                return
            response = await http.post(
                f"/v1/models/swapped{place}:predict", json={"features": ROW[0]}
            )
            assert response.status_code == 200, response.text
            answer = response.json()
            answers.append((answer["model_version"], answer["probabilities"]))
            tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": ROW}
            response = await http.post(
                f"/v2/models/swapped{place}/infer", json={"inputs": [tensor]}
            )
            assert response.status_code == 200, response.text
            answer = response.json()
            answers.append((answer["model_version"], answer["outputs"][0]["data"]))
            await asyncio.sleep(PAUSE_SECONDS)

    async with asyncio.TaskGroup() as callers:
        for _ in range(CALLERS):
            callers.create_task(call())
        yield answers
        ended.set()
