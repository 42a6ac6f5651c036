"""The same over HTTP, through a real gateway."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from nlp.service import CONTRACT
from tests.nlp.serving import LIMITS

NLP = CONTRACT.full_name


def settings_for(folder: Path, target: str) -> GatewaySettings:
    return GatewaySettings.model_validate(
        {
            "http_address": "127.0.0.1:0",
            "ops_address": "127.0.0.1:0",
            "backends": {NLP: target},
            "input_log": folder / "inputs.jsonl",
            "drain_seconds": 1,
        }
    )


@pytest.fixture
async def http(nlp_port: int, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running_gateway(settings_for(tmp_path, f"127.0.0.1:{nlp_port}")) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=15) as client,
    ):
        yield client


TEXT = "Ada works in Paris \U0001f600."
PATHS = [
    ("/v1/text:analyzeSentiment", {"text": TEXT}, "label", "positive"),
    ("/analyze/sentiment", {"text": TEXT}, "label", "positive"),
    ("/predict/text", {"input_text": TEXT}, "prediction", "positive"),
    ("/v1/text:predict", {"input_text": TEXT}, "prediction", "positive"),
    ("/v1/text:summarize", {"text": TEXT}, "summary", TEXT),
    ("/analyze/summary", {"text": TEXT}, "method", "extractive"),
    ("/v1/text:embed", {"text": TEXT}, "dimensions", 384),
    ("/embed", {"text": TEXT}, "dimensions", 384),
    ("/v1/text:similarity", {"text": TEXT, "other": TEXT}, "similarity", 1.0),
    ("/analyze/ner", {"text": TEXT}, "model", "entities"),
    ("/v1/text:recognizeEntities", {"text": TEXT}, "model", "entities"),
]


@pytest.mark.parametrize(("path", "body", "field", "value"), PATHS)
async def test_every_method_has_its_paths(
    http: httpx.AsyncClient, path: str, body: dict[str, str], field: str, value: object
) -> None:
    response = await http.post(path, json=body)

    answer = response.json()
    assert response.status_code == 200, answer
    assert answer[field] == pytest.approx(value, abs=1e-5)
    assert answer["language"] == "en"
    assert answer["request_id"] == response.headers["x-request-id"]


async def test_places_are_numbers(http: httpx.AsyncClient) -> None:
    answer = (await http.post("/analyze/ner", json={"text": "\U0001f600 Paris"})).json()

    [entity] = answer["entities"]
    assert entity.pop("confidence") > 0.5
    assert entity == {
        "type": "LOC", "text": "Paris", "start": 2, "end": 7, "start_byte": 5, "end_byte": 10,
    }  # fmt: skip


async def test_an_embedding_can_be_base64(http: httpx.AsyncClient) -> None:
    body = {"text": TEXT, "encoding": "EMBEDDING_ENCODING_BYTES"}

    packed = (await http.post("/embed", json=body)).json()
    listed = (await http.post("/embed", json={"text": TEXT})).json()

    numbers = np.frombuffer(base64.b64decode(packed["embedding_bytes"]), "<f4")
    assert numbers.tolist() == np.array(listed["embedding"], np.float32).tolist()


BATCHES = [
    ("/v1/text:batchAnalyzeSentiment", {"texts": [TEXT, ""]}),
    ("/v1/text:batchRecognizeEntities", {"texts": [TEXT, ""]}),
    ("/v1/text:batchSummarize", {"texts": [TEXT, ""]}),
    ("/v1/text:batchEmbed", {"texts": [TEXT, ""]}),
    ("/v1/text:batchSimilarity", {"pairs": [{"text": "a", "other": "b"}, {"text": "a"}]}),
]


@pytest.mark.parametrize(("path", "body"), BATCHES)
async def test_every_batch_has_a_status_for_each(
    http: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    response = await http.post(path, json=body)

    assert response.status_code == 200
    codes = [(result["status"] or {}).get("code", 0) for result in response.json()["results"]]
    assert codes == [0, 3]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/text:streamAnalyzeSentiment", "label"),
        ("/v1/text:streamRecognizeEntities", "entities"),
        ("/v1/text:streamSummarize", "summary"),
        ("/v1/text:streamEmbed", "embedding"),
    ],
)
async def test_streams_are_lines_of_json(http: httpx.AsyncClient, path: str, field: str) -> None:
    lines = [orjson.dumps({"id": str(n), "request": {"text": TEXT * n}}) for n in range(3)]

    response = await http.post(
        path, content=b"\n".join(lines), headers={"content-type": "application/x-ndjson"}
    )

    answers = {one["id"]: one for one in map(orjson.loads, response.content.splitlines())}
    assert answers["0"]["status"]["code"] == 3
    assert answers["1"]["response"][field]
    assert answers["2"]["response"][field]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"text": ""}', "text: must be at least 1 characters"),
        (b'{"text": "a\\u0000"}', "text: character 1 is NUL, which no text holds; leave it out"),
        (b'{"text": "x", "language": "fr"}', "language: only English is understood, "),
        (b'{"text": "%s"}' % (b"x" * (LIMITS.text_bytes + 1)), "text: 262145 bytes, the limit"),
        (b'{"text": "\xff"}', ""),
        (b'{"text": "\\ud800"}', ""),
        (b'{"text": "\xed\xa0\x80"}', ""),
    ],
)
async def test_what_is_no_text_is_400(http: httpx.AsyncClient, body: bytes, message: str) -> None:
    headers = {"content-type": "application/json"}

    response = await http.post("/analyze/sentiment", content=body, headers=headers)

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(message)


async def test_a_body_larger_than_the_gateway_takes_is_413(http: httpx.AsyncClient) -> None:
    response = await http.post("/analyze/sentiment", json={"text": "word " * 6_000_000})

    assert response.status_code == 413


@pytest.mark.parametrize("data", ["It works!", "1, two", "nan", "\U0001f600 great"])
async def test_process_sends_text_to_sentiment(http: httpx.AsyncClient, data: str) -> None:
    response = await http.post("/process", json={"data": data, "forward_to_model": True})

    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "Input logged successfully"
    alone = (await http.post("/analyze/sentiment", json={"text": data})).json()
    assert answer["model_prediction"]["label"] == alone["label"]
    assert answer["model_prediction"]["probabilities"] == pytest.approx(alone["probabilities"])


async def test_process_names_what_is_wrong_with_a_text(http: httpx.AsyncClient) -> None:
    response = await http.post("/process", json={"data": " ", "forward_to_model": True})

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("text: holds only white space")


async def test_an_absent_service_is_503_and_the_input_is_kept(tmp_path: Path) -> None:
    async with (
        running_gateway(settings_for(tmp_path, "127.0.0.1:1")) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        forwarded = await client.post("/process", json={"data": "hi", "forward_to_model": True})
        asked = await client.post("/analyze/sentiment", json={"text": "hi"})
        numbers = await client.post("/process", json={"data": [1, 2], "forward_to_model": True})

    message = f"{NLP} is not available just now, try again"
    assert [one.status_code for one in (forwarded, asked, numbers)] == [503, 503, 503]
    assert forwarded.json()["error"]["message"] == f"the input was logged, but {message}"
    assert asked.json()["error"]["message"] == message
    assert len((tmp_path / "inputs.jsonl").read_bytes().splitlines()) == 2
