from __future__ import annotations

import base64
from pathlib import Path

import httpx
import orjson
import pytest

from mlmesh.openinference.v2 import inference_pb2 as pb
from tests.gateway.open_inference.echo import EchoService
from tests.tiny_models import write_regressor


async def test_the_index_lists_the_models_of_all_services(v2: httpx.AsyncClient) -> None:
    # As tritonclient sends it: without a body.
    response = await v2.post("/repository/index")

    listed = [(model["name"], model["version"], model["state"]) for model in response.json()]
    assert response.status_code == 200
    assert {("tiny", "v1.0", "READY"), ("echo", "1", "READY"), ("new", "1", "READY")} <= {*listed}
    assert ("tiny", "1", "READY") not in listed


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"ready":true}', 200), (b'{"ready":1}', 400), (b"[]", 400), (b"x", 400)]
)
async def test_the_index_may_be_of_ready_models_only(
    v2: httpx.AsyncClient, body: bytes, status: int
) -> None:
    response = await v2.post("/repository/index", content=body)

    assert response.status_code == status


async def test_a_new_model_is_loaded_by_who_finds_it(
    v2: httpx.AsyncClient, model_root: Path, echo: EchoService
) -> None:
    write_regressor(model_root, "fresh")
    row = {"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}

    before = await v2.post("/models/fresh/infer", json={"inputs": [row]})
    loaded = await v2.post("/repository/models/fresh/load")
    after = await v2.post("/models/fresh/infer", json={"inputs": [row]})
    elsewhere = await v2.post("/repository/models/new/load")

    assert (before.status_code, loaded.status_code, after.status_code) == (404, 200, 200)
    assert elsewhere.status_code == 200
    assert [request.model_name for request in echo.changes] == ["new"]


async def test_a_model_is_unloaded_and_loaded_again(v2: httpx.AsyncClient) -> None:
    body = orjson.dumps({"parameters": {"unload_dependents": False}})

    unloaded = await v2.post("/repository/models/sum/unload", content=body)
    ready = await v2.get("/models/sum/ready")
    others = await v2.get("/models/tiny/ready")
    loaded = await v2.post("/repository/models/sum/load", content=b"{}")
    ready_again = await v2.get("/models/sum/ready")

    assert (unloaded.status_code, unloaded.json()) == (200, {})
    assert (ready.status_code, others.status_code) == (400, 200)
    assert (loaded.status_code, ready_again.status_code) == (200, 200)


@pytest.mark.parametrize("change", ["load", "unload"])
async def test_a_model_that_nobody_has_is_not_found(v2: httpx.AsyncClient, change: str) -> None:
    response = await v2.post(f"/repository/models/nobodys/{change}")

    assert response.status_code == 404


async def test_parameters_of_a_load_reach_the_service(
    v2: httpx.AsyncClient, echo: EchoService
) -> None:
    parameters = {
        "config": "{}", "count": 2, "flag": True,
        "file:1/model.onnx": base64.b64encode(b"\0model").decode(),
    }  # fmt: skip

    await v2.post("/repository/models/echo/load", content=orjson.dumps({"parameters": parameters}))

    assert dict(echo.changes[0].parameters) == {
        "config": pb.ModelRepositoryParameter(string_param="{}"),
        "count": pb.ModelRepositoryParameter(int64_param=2),
        "flag": pb.ModelRepositoryParameter(bool_param=True),
        "file:1/model.onnx": pb.ModelRepositoryParameter(bytes_param=b"\0model"),
    }


@pytest.mark.parametrize("value", [1.5, None, [], 2**63, "no base64!"])
async def test_parameters_of_another_kind_are_refused(v2: httpx.AsyncClient, value: object) -> None:
    body = orjson.dumps({"parameters": {"file:x": value}})

    response = await v2.post("/repository/models/echo/load", content=body)

    assert response.status_code == 400
    assert response.json()["error"].startswith('parameters["file:x"]: expected')
