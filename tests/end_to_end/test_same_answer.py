"""One row, every way in: the same bits come out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import onnxruntime as ort
import pytest

from mlmesh.registry.manifest import read_manifest
from mlmesh.v1 import (
    mesh_pb2,
    mesh_pb2_grpc,
    predictor_pb2 as pb,
    predictor_pb2_grpc as rpc,
)
from tests.end_to_end.conftest import ROOT, RunningMesh

ROW = [39.1, 18.7, 181, 3750]
BODY = json.dumps({"features": ROW})
MODELS = ROOT / "predictor" / "models"
PREDICT = "mlmesh.v1.PredictorService/Predict"

Ask = Callable[[RunningMesh], list[float]]


def by_curl(mesh: RunningMesh) -> list[float]:
    command = ["curl", "-s", f"{mesh.url}/predict", "-H", "content-type: application/json"]
    done = subprocess.run([*command, "-d", BODY], capture_output=True, check=True)
    return list(json.loads(done.stdout)["probabilities"])


def by_buf_curl(mesh: RunningMesh) -> list[float]:
    """A gRPC client of others, which learns the contract by reflection."""
    command = ["buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", BODY]
    url = f"http://127.0.0.1:{mesh.grpc_port}/{PREDICT}"
    done = subprocess.run([*command, url], capture_output=True, check=True)
    return list(json.loads(done.stdout)["probabilities"])


def by_stub(mesh: RunningMesh) -> list[float]:
    with grpc.insecure_channel(f"127.0.0.1:{mesh.grpc_port}") as channel:
        answer = rpc.PredictorServiceStub(channel).Predict(pb.PredictRequest(features=ROW))
        return list(answer.probabilities)


def by_stream(mesh: RunningMesh) -> list[float]:
    request = pb.StreamPredictRequest(id="1", request=pb.PredictRequest(features=ROW))
    with grpc.insecure_channel(f"127.0.0.1:{mesh.grpc_port}") as channel:
        [answer] = rpc.PredictorServiceStub(channel).StreamPredict(iter([request]))
        return list(answer.response.probabilities)


def by_carry(mesh: RunningMesh) -> list[float]:
    request = pb.PredictRequest(features=ROW).SerializeToString()
    call = mesh_pb2.Call(id=1, method=f"/{PREDICT}", request=request)
    with grpc.insecure_channel(f"127.0.0.1:{mesh.grpc_port}") as channel:
        stub = mesh_pb2_grpc.MeshServiceStub(channel)
        # Not every message has replies: the server speaks first.
        messages = stub.Carry(iter([mesh_pb2.CarryRequest(calls=[call])]))
        [reply] = [reply for message in messages for reply in message.replies]
        return list(pb.PredictResponse.FromString(reply.response).probabilities)


@pytest.mark.parametrize("ask", [by_curl, by_buf_curl, by_stub, by_stream, by_carry])
def test_every_way_in_gives_what_onnxruntime_gives(mesh: RunningMesh, ask: Ask) -> None:
    session = ort.InferenceSession(MODELS / "penguins" / "v1.0" / "model.onnx")
    [expected] = session.run(None, {"features": np.array([ROW], np.float32)})

    answer = np.array(ask(mesh), np.float32)

    assert answer.tobytes() == expected[0].tobytes()


def versions() -> list[Path]:
    return sorted(path.parent for path in MODELS.glob("*/*/manifest.json"))


@pytest.mark.parametrize("folder", versions(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_served_answers_are_those_of_torch_before_the_export(
    mesh: RunningMesh, folder: Path
) -> None:
    """The manifest keeps what torch computed for rows of the test set."""
    manifest = read_manifest(folder)
    golden = manifest.golden
    assert golden
    rows = []
    for index in range(len(next(iter(golden.inputs.values())))):
        row = pb.Row()
        for feature in manifest.features:
            value = golden.inputs[feature.input][index][feature.column]
            if feature.kind == "categorical":
                row.named_features[feature.name].string_value = feature.categories[int(value)]
            else:
                row.named_features[feature.name].number_value = value
        rows.append(row)
    request = pb.BatchPredictRequest(model=manifest.name, model_version=manifest.version, rows=rows)

    with grpc.insecure_channel(f"127.0.0.1:{mesh.grpc_port}") as channel:
        answer = rpc.PredictorServiceStub(channel).BatchPredict(request)

    served = np.array([list(result.probabilities) for result in answer.results])
    expected = np.array(golden.outputs[manifest.outputs[0].name])
    assert [result.status.code for result in answer.results] == [0] * len(rows)
    assert np.abs(served - expected).max() <= 1e-5


def test_the_promised_answer_has_the_promised_fields(mesh: RunningMesh) -> None:
    body = json.dumps({"features": ROW, "model_version": "v1.0"})
    command = ["curl", "-s", f"{mesh.url}/predict", "-H", "content-type: application/json"]

    answer = json.loads(subprocess.check_output([*command, "-d", body]))

    promised = {"prediction", "confidence", "model_version", "inference_time_ms", "request_id"}
    assert promised <= answer.keys()
    assert (answer["prediction"], answer["model_version"]) == ("Adelie", "v1.0")
