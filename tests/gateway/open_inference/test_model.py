from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize("path", ["/models/tiny", "/models/tiny/versions/v1.0"])
async def test_metadata_name_the_tensors(v2: httpx.AsyncClient, path: str) -> None:
    response = await v2.get(path)

    answer = response.json()
    assert response.status_code == 200
    assert (answer["name"], answer["versions"]) == ("tiny", ["v1.0", "v2.0"])
    assert answer["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 2]}]
    assert answer["platform"] == "onnxruntime_onnx"


@pytest.mark.parametrize("path", ["/models/tiny/ready", "/models/tiny/versions/v1.0/ready"])
async def test_a_model_that_answers_is_ready(v2: httpx.AsyncClient, path: str) -> None:
    response = await v2.get(path)

    assert (response.status_code, response.json()) == (200, {"name": "tiny", "ready": True})


async def test_a_model_that_does_not_answer_is_not_ready(v2: httpx.AsyncClient) -> None:
    response = await v2.get("/models/away/ready")

    assert (response.status_code, response.json()) == (400, {"name": "away", "ready": False})


async def test_configuration_is_json_with_names_for_values(v2: httpx.AsyncClient) -> None:
    answer = (await v2.get("/models/tiny/config")).json()

    assert answer["name"] == "tiny"
    assert answer["input"][0]["data_type"] == "TYPE_FP32"
    assert answer["input"][0]["name"] == "features"


async def test_statistics_count_with_numbers(v2: httpx.AsyncClient) -> None:
    row = {"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    for _ in range(2):
        await v2.post("/models/tiny/versions/v1.0/infer", json={"inputs": [row]})

    (one,) = (await v2.get("/models/tiny/versions/v1.0/stats")).json()["model_stats"]
    both = (await v2.get("/models/tiny/stats")).json()["model_stats"]

    assert (one["name"], one["version"], one["inference_count"]) == ("tiny", "v1.0", 2)
    assert one["inference_stats"]["success"]["count"] == 2
    assert one["inference_stats"]["success"]["ns"] > 0
    assert [model["version"] for model in both] == ["v1.0", "v2.0"]


async def test_statistics_of_all_models_come_from_all_services(v2: httpx.AsyncClient) -> None:
    models = (await v2.get("/models/stats")).json()["model_stats"]

    counted = [(model["name"], model["version"]) for model in models]
    # The echoes have statistics of a "tiny", too, but the name is not theirs.
    assert len(set(counted)) == len(counted)
    assert {("tiny", "v1.0"), ("sum", "v1.0"), ("echo", "")} <= set(counted)
    assert ("tiny", "") not in counted


@pytest.mark.parametrize("what", ["", "/ready", "/config", "/stats", "/versions/v1.0"])
async def test_a_model_that_nobody_has_is_not_found(v2: httpx.AsyncClient, what: str) -> None:
    response = await v2.get(f"/models/{'long' * 100}{what}")

    assert response.status_code == 404
    assert response.json()["error"].startswith("model: no service of the mesh has one named 'long")
    assert len(response.json()["error"]) < 150
