"""Images through the gateway to a real vision service, every way alike."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.settings import GatewaySettings
from tests.gateway.services import gateway_of
from tests.vision.pictures import RED, encoded, plain
from tests.vision.serving import image_hosting, serving_vision, write_image_models

SERVICE = "mlmesh.v1.VisionService"
JPEG = encoded(plain(64, 48, RED), "JPEG")
OWN = ("inference_time_ms", "decode_time_ms", "request_id")


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    write_image_models(tmp_path / "models")
    settings = GatewaySettings.model_validate(
        {
            "http_address": "127.0.0.1:0",
            "ops_address": "127.0.0.1:0",
            "input_log": tmp_path / "inputs.jsonl",
            "drain_seconds": 1,
        }
    )
    async with (
        image_hosting(tmp_path / "models") as host,
        serving_vision(host) as port,
        gateway_of(settings, {SERVICE: port}) as (gateway, client),
    ):
        await asyncio.wait_for(gateway.probes.directory.complete.wait(), 10)
        yield client


def answered(response: httpx.Response) -> dict[str, Any]:
    """The answer without what is different every time."""
    answer: dict[str, Any] = response.json()
    assert response.status_code == 200, answer
    return {name: value for name, value in answer.items() if name not in OWN}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/classify", {"top_k": "1"}),
        ("/v1/images:classify", {"model_version": "v1.0"}),
        ("/detect", {"overlay": "OVERLAY_FORMAT_PNG", "min_confidence": "0.1"}),
        ("/segment", {"encoding": "MASK_ENCODING_BOTH"}),
    ],
)
async def test_an_image_gets_one_answer_whichever_way_it_comes(
    http: httpx.AsyncClient, path: str, fields: dict[str, str]
) -> None:
    body = {"image": base64.b64encode(JPEG).decode(), **fields}
    file = {"image": ("photo.jpg", JPEG, "image/jpeg")}
    headers = {"content-type": "application/octet-stream"}

    by_json = answered(await http.post(path, json=body))
    by_form = answered(await http.post(path, files=file, data=fields))
    raw = answered(await http.post(path, content=JPEG, params=fields, headers=headers))

    assert by_json == by_form == raw
    assert by_json["model_version"] == fields.get("model_version", by_json["model_version"])


async def test_the_promised_short_path_answers_as_promised(http: httpx.AsyncClient) -> None:
    answer = (await http.post("/classify", files={"image": JPEG})).json()

    assert set(answer) >= {"predictions", "inference_time_ms"}
    assert set(answer["predictions"][0]) == {"class", "confidence"}


async def test_a_batch_is_a_form_with_many_parts(http: httpx.AsyncClient) -> None:
    files = [("images", JPEG), ("images", b"no image"), ("images", JPEG)]

    answer = answered(await http.post("/v1/images:batchClassify", files=files))
    alone = answered(await http.post("/classify", files={"image": JPEG}))

    first, wrong, last = answer["results"]
    assert first["predictions"] == last["predictions"] == alone["predictions"]
    assert wrong["status"]["code"] == 3


REFUSALS = [
    (b"<svg/>", "image/svg+xml", 415),
    (b"II*\0" + bytes(100), "image/tiff", 415),
    (JPEG, "image/png", 415),
    (b"", "image/jpeg", 400),
    (JPEG[: len(JPEG) // 2], "image/jpeg", 400),
    (b"no image at all", "application/octet-stream", 415),
]


@pytest.mark.parametrize(("content", "kind", "status"), REFUSALS)
async def test_what_is_no_image_is_refused_by_its_field(
    http: httpx.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    raw = await http.post("/classify", content=content, headers={"content-type": kind})
    form = await http.post("/classify", files={"image": ("a", content, kind)})

    assert raw.status_code == form.status_code == status, raw.text
    assert raw.json()["error"]["message"] == form.json()["error"]["message"]
    assert "image" in raw.json()["error"]["message"]
