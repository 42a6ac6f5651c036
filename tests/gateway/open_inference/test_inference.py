from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from gateway.running import RunningGateway
from gateway.traffic import CLIENT_CLOSED
from mlmesh.openinference.v2 import inference_pb2 as pb
from tests.gateway.open_inference.echo import EchoService

ROWS = {"name": "features", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 5, 3]}
HEADER = "inference-header-content-length"


def tensor(values: np.ndarray[Any, Any], datatype: str, name: str = "x") -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(values.shape)}


def with_blobs(request: dict[str, Any], *blobs: bytes) -> tuple[bytes, dict[str, str]]:
    """Body and header of a request with binary tensors."""
    text = orjson.dumps(request)
    return text + b"".join(blobs), {HEADER: str(len(text))}


def parts_of(response: httpx.Response) -> tuple[dict[str, Any], bytes]:
    length = int(response.headers[HEADER])
    return orjson.loads(response.content[:length]), response.content[length:]


async def test_a_model_gives_by_tensors_what_it_gives_by_its_contract(
    v2: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    by_contract = (await http.post("/predict", json={"features": [1, 2]})).json()

    response = await v2.post("/models/tiny/infer", json={"id": "7", "inputs": [ROWS]})

    answer = response.json()
    (output,) = answer.pop("outputs")
    assert response.status_code == 200
    assert answer == {"model_name": "tiny", "model_version": "v2.0", "id": "7"}
    assert (output["datatype"], output["shape"]) == ("FP32", [2, 3])
    assert output["data"][:3] == by_contract["probabilities"]


@pytest.mark.parametrize("data", [[[1, 2], [5, 3]], [1.0, 2.0, 5.0, 3.0]])
async def test_nested_and_flat_data_are_the_same(v2: httpx.AsyncClient, data: list[Any]) -> None:
    flat = await v2.post("/models/tiny/infer", json={"inputs": [ROWS]})

    response = await v2.post("/models/tiny/infer", json={"inputs": [{**ROWS, "data": data}]})

    assert response.json()["outputs"] == flat.json()["outputs"]


async def test_a_version_is_asked_by_its_path(v2: httpx.AsyncClient) -> None:
    by_version = {
        version: (await v2.post(f"/models/tiny/versions/{version}/infer", json={"inputs": [ROWS]}))
        for version in ("v1.0", "v2.0")
    }

    answers = {version: response.json() for version, response in by_version.items()}
    assert {name: answer["model_version"] for name, answer in answers.items()} == {
        "v1.0": "v1.0", "v2.0": "v2.0",
    }  # fmt: skip
    assert answers["v1.0"]["outputs"] != answers["v2.0"]["outputs"]


async def test_json_and_binary_inputs_may_be_mixed_and_come_back_as_wanted(
    v2: httpx.AsyncClient, echo: EchoService
) -> None:
    large, small = np.arange(6, dtype="<i8").reshape(2, 3), np.array([1.5, -2], "<f2")
    request = {
        "inputs": [
            {**tensor(small, "FP16", "a"), "data": small.tolist()},
            {**tensor(large, "INT64", "b"), "parameters": {"binary_data_size": large.nbytes}},
        ],
        "outputs": [
            {"name": "a", "parameters": {"binary_data": True}},
            {"name": "b", "parameters": {"binary_data": False}},
        ],
    }
    body, headers = with_blobs(request, large.tobytes())

    response = await v2.post("/models/echo/infer", content=body, headers=headers)

    answer, blob = parts_of(response)
    assert response.headers["content-type"] == "application/octet-stream"
    assert list(echo.requests[0].raw_input_contents) == [small.tobytes(), large.tobytes()]
    assert blob == small.tobytes()
    assert answer["outputs"][0]["parameters"] == {"binary_data_size": 4}
    assert answer["outputs"][1]["data"] == list(range(6))


async def test_what_is_asked_beside_the_tensors_reaches_the_service(
    v2: httpx.AsyncClient, echo: EchoService
) -> None:
    request = {
        "inputs": [ROWS],
        "outputs": [{"name": "y", "parameters": {"classification": 2}}],
        "parameters": {"priority": 3, "timeout": 10**6},
    }

    answer = await v2.post("/models/echo/versions/9/infer", json=request)

    sent = echo.requests[0]
    assert (sent.model_name, sent.model_version) == ("echo", "9")
    assert sent.parameters["priority"] == pb.InferParameter(uint64_param=3)
    assert sent.outputs[0].parameters["classification"] == pb.InferParameter(int64_param=2)
    assert answer.json()["parameters"] == {"priority": 3, "timeout": 10**6}


async def test_a_body_may_be_one_tensor_and_nothing_else(
    v2: httpx.AsyncClient, echo: EchoService
) -> None:
    rows = np.arange(6, dtype="<i2").reshape(3, 2)

    response = await v2.post("/models/echo/infer", content=rows.tobytes(), headers={HEADER: "0"})
    refused = await v2.post("/models/echo/infer", content=b"12345", headers={HEADER: "0"})

    answer, blob = parts_of(response)
    assert blob == rows.tobytes()
    assert answer["outputs"] == [
        {**tensor(rows, "INT16"), "parameters": {"binary_data_size": rows.nbytes}}
    ]
    assert (refused.status_code, refused.json()) == (
        400,
        {"error": "body: [1, 2] of INT16 needs 4 bytes, got 5"},
    )


async def test_nothing_is_demanded_of_the_content_type(v2: httpx.AsyncClient) -> None:
    for kind in ("", "application/octet-stream", "text/plain; charset=latin-1"):
        content = orjson.dumps({"inputs": [ROWS]})
        headers = {"content-type": kind} if kind else {}

        response = await v2.post("/models/tiny/infer", content=content, headers=headers)

        assert response.status_code == 200


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_bodies_may_be_packed_both_ways(
    v2: httpx.AsyncClient, encoding: str, pack: Any
) -> None:
    values = np.zeros(2000, "<f4")
    request = {"inputs": [{**tensor(values, "FP32"), "parameters": {"binary_data_size": 8000}}]}
    body, headers = with_blobs({**request, "parameters": {"binary_data_output": True}}, bytes(8000))
    headers |= {"content-encoding": encoding, "accept-encoding": encoding}

    response = await v2.post("/models/echo/infer", content=pack(body), headers=headers)

    # httpx has unpacked it by now; the header's length is that of the unpacked JSON.
    _, blob = parts_of(response)
    assert response.headers["content-encoding"] == encoding
    assert int(response.headers["content-length"]) < 1000
    assert blob == bytes(8000)


async def test_small_answers_are_not_packed(v2: httpx.AsyncClient) -> None:
    headers = {"accept-encoding": "gzip"}

    response = await v2.post("/models/tiny/infer", json={"inputs": [ROWS]}, headers=headers)

    assert "content-encoding" not in response.headers


async def test_a_body_that_unpacks_to_more_than_is_taken_is_413(v2: httpx.AsyncClient) -> None:
    for content, headers in (
        (gzip.compress(bytes(65537)), {"content-encoding": "gzip"}),
        (bytes(65537), {}),
    ):
        response = await v2.post("/models/tiny/infer", content=content, headers=headers)

        assert response.status_code == 413
        assert response.json()["error"].startswith("body: ")


async def test_a_packed_body_that_is_none_or_of_another_kind_is_refused(
    v2: httpx.AsyncClient,
) -> None:
    broken = await v2.post(
        "/models/tiny/infer", content=b"{}", headers={"content-encoding": "gzip"}
    )
    unknown = await v2.post("/models/tiny/infer", content=b"{}", headers={"content-encoding": "br"})

    assert (broken.status_code, broken.json()) == (400, {"error": "body: is not gzip"})
    assert unknown.status_code == 415


async def test_the_callers_deadline_is_the_services(
    v2: httpx.AsyncClient, echo: EchoService
) -> None:
    await v2.post("/models/echo/infer", json={"inputs": [ROWS]}, headers={"grpc-timeout": "5S"})
    late = await v2.post(
        "/models/wait/infer", json={"inputs": [ROWS]}, headers={"x-request-timeout": "0.2"}
    )

    assert 0 < echo.deadlines[0] < 5
    assert late.status_code == 504
    assert "deadline" in late.json()["error"]


async def test_a_client_that_hangs_up_cancels_its_call(
    v2: httpx.AsyncClient, gateway: RunningGateway, echo: EchoService
) -> None:
    asking = asyncio.create_task(v2.post("/models/wait/infer", json={"inputs": [ROWS]}))
    await asyncio.wait_for(echo.begun.wait(), 10)

    asking.cancel()

    await asyncio.wait_for(echo.cancelled.wait(), 10)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client:
        page = (await client.get("/metrics")).text
    labels = f'method="POST",route="/v2/models/{{model}}/infer",status="{CLIENT_CLOSED}"'
    assert f"http_requests_total{{{labels}}} 1.0" in page


async def test_large_tensors_do_not_hold_up_others(v2: httpx.AsyncClient) -> None:
    # Near the limit of these tests' gateway; read and written in a thread.
    values = [0.1] * 15_000
    request = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [15_000], "data": values}]}

    response = await v2.post("/models/echo/infer", content=orjson.dumps(request))

    assert response.json()["outputs"][0]["data"] == values
