"""Every way into a running mesh, asked for the same row."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import numpy as np
import tritonclient.grpc
import tritonclient.http

from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc
from tests.end_to_end.conftest import RunningMesh

ROW = [[0.5, -1.0, 2.0, 0.25]]
Answer = tuple[str, list[float]]
"""The version that answered, and the scores that it gave."""


def asked_everywhere(mesh: RunningMesh, model: str, version: str = "") -> dict[str, Answer]:
    """The answer for ROW by every way into the mesh."""
    return {
        "REST": by_rest(mesh, model, version),
        "gRPC": by_grpc(mesh, model, version),
        "/v2": by_v2(mesh, model, version),
        "tritonclient.grpc": by_triton(
            tritonclient.grpc, f"127.0.0.1:{mesh.grpc_port}", model, version
        ),
        "tritonclient.http": by_triton(
            tritonclient.http, f"127.0.0.1:{mesh.http_port}", model, version
        ),
    }


def by_rest(mesh: RunningMesh, model: str, version: str) -> Answer:
    place = f"{model}/versions/{version}" if version else model
    response = httpx.post(f"{mesh.url}/v1/models/{place}:predict", json={"features": ROW[0]})
    assert response.status_code == 200, response.text
    answer = response.json()
    return answer["model_version"], answer["probabilities"]


def by_grpc(mesh: RunningMesh, model: str, version: str) -> Answer:
    with grpc.insecure_channel(f"127.0.0.1:{mesh.grpc_port}") as channel:
        request = pb.PredictRequest(model=model, model_version=version, features=ROW[0])
        answer = rpc.PredictorServiceStub(channel).Predict(request, timeout=30)
    return answer.model_version, list(answer.probabilities)


def by_v2(mesh: RunningMesh, model: str, version: str) -> Answer:
    place = f"{model}/versions/{version}" if version else model
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": ROW}
    response = httpx.post(f"{mesh.url}/v2/models/{place}/infer", json={"inputs": [tensor]})
    assert response.status_code == 200, response.text
    answer = response.json()
    return answer["model_version"], answer["outputs"][0]["data"]


def by_triton(module: Any, address: str, model: str, version: str) -> Answer:
    with module.InferenceServerClient(address) as client:
        assert client.is_model_ready(model, version)
        sent = module.InferInput("x", [1, 4], "FP32")
        sent.set_data_from_numpy(np.array(ROW, np.float32))
        result = client.infer(model, [sent], version)
        response = result.get_response()
    answered = response["model_version"] if isinstance(response, dict) else response.model_version
    return answered, result.as_numpy("probabilities")[0].tolist()
