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
from tests.vision.pictures import RED, encoded, opened, plain, with_box
from vision.service import CONTRACT

VISION = CONTRACT.full_name
SCENE = with_box(plain(128, 96), (32, 16, 96, 80), RED)
PNG, JPEG = encoded(SCENE), encoded(SCENE, "JPEG", quality=95)


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture
async def http(vision_port: int, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = GatewaySettings.model_validate(
        {
            "http_address": "127.0.0.1:0",
            "ops_address": "127.0.0.1:0",
            "backends": {VISION: f"127.0.0.1:{vision_port}"},
            "input_log": tmp_path / "inputs.jsonl",
            "drain_seconds": 1,
        }
    )
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=15) as client,
    ):
        yield client


PATHS = [
    ("/v1/images:classify", "predictions"),
    ("/classify", "predictions"),
    ("/v1/images:detect", "detections"),
    ("/detect", "detections"),
    ("/v1/images:segment", "areas"),
    ("/segment", "areas"),
]


@pytest.mark.parametrize(("path", "field"), PATHS)
async def test_every_method_has_its_paths_and_takes_an_image_in_any_form(
    http: httpx.AsyncClient, path: str, field: str
) -> None:
    answers = [
        await http.post(path, json={"image": base64_of(JPEG)}),
        await http.post(path, files={"image": ("any.jpg", JPEG, "image/jpeg")}),
        await http.post(path, files={"image": ("any", JPEG)}),
        await http.post(path, content=JPEG, headers={"content-type": "image/jpeg"}),
    ]

    assert [answer.status_code for answer in answers] == [200] * 4
    bodies = [answer.json() for answer in answers]
    assert all(body[field] == bodies[0][field] for body in bodies)
    assert bodies[0][field]
    assert bodies[0]["request_id"] == answers[0].headers["x-request-id"]
    assert bodies[0]["inference_time_ms"] > 0


async def test_predictions_have_a_class_and_a_confidence(http: httpx.AsyncClient) -> None:
    answer = (await http.post("/classify", files={"image": ("x.png", PNG, "image/png")})).json()

    assert [list(one) for one in answer["predictions"]] == [["class", "confidence"]] * 3
    assert answer["predictions"][0]["class"] == "red"


async def test_options_stand_beside_the_image(http: httpx.AsyncClient) -> None:
    form = await http.post("/classify", files={"image": ("x.png", PNG)}, data={"top_k": "1"})
    query = await http.post("/classify?top_k=1", content=PNG, headers={"content-type": "image/png"})

    assert len(form.json()["predictions"]) == len(query.json()["predictions"]) == 1


async def test_pictures_are_base64(http: httpx.AsyncClient) -> None:
    body = {
        "image": base64_of(PNG),
        "overlay": "OVERLAY_FORMAT_PNG",
        "encoding": "MASK_ENCODING_BOTH",
    }

    answer = (await http.post("/segment", json=body)).json()

    mask = opened(base64.b64decode(answer["mask"]))
    assert mask.shape == (96, 128)
    assert np.count_nonzero(mask == 1) == 64 * 64
    assert answer["areas"][1]["pixels"] == 64 * 64
    assert answer["areas"][1]["run_lengths"][0] == 32 * 96 + 16
    assert opened(base64.b64decode(answer["overlay"])).shape == (96, 128, 3)


REFUSED: list[tuple[bytes, str, int, str]] = [
    (b"<svg/>", "image/svg+xml", 415, "media_type: 'image/svg+xml' is not read; send JPEG, PNG, "),
    (b"GIF89a", "image/png", 415, "image: this is a GIF, but was declared as image/png; declare"),
    (JPEG, "image/png", 415, "image: this is a JPEG, but was declared as image/png; declare"),
    (b"hello", "application/octet-stream", 415, "image: this is text; send JPEG, PNG, WebP or BMP"),
    (JPEG[:500], "image/jpeg", 400, "image: this JPEG "),
    (b"", "image/jpeg", 400, "image: must be at least 1 bytes"),
]


@pytest.mark.parametrize(("content", "kind", "code", "message"), REFUSED)
async def test_what_is_no_image_is_refused_by_its_status(
    http: httpx.AsyncClient, content: bytes, kind: str, code: int, message: str
) -> None:
    response = await http.post("/classify", content=content, headers={"content-type": kind})

    assert (response.status_code, response.json()["error"]["code"]) == (code, code)
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert response.json()["error"]["message"].startswith(message)


async def test_a_batch_may_be_the_parts_of_a_form(http: httpx.AsyncClient) -> None:
    files = [
        ("images", ("a.png", PNG)),
        ("images", ("b.png", b"no image")),
        ("images", ("c.jpg", JPEG)),
    ]

    response = await http.post("/v1/images:batchDetect", files=files)

    codes = [(result["status"] or {}).get("code", 0) for result in response.json()["results"]]
    assert codes == [0, 3, 0]


@pytest.mark.parametrize("task", ["Classify", "Detect", "Segment"])
async def test_every_batch_has_a_status_for_each(http: httpx.AsyncClient, task: str) -> None:
    body = {"images": [base64_of(PNG), base64_of(b"no image"), base64_of(JPEG)]}

    response = await http.post(f"/v1/images:batch{task}", json=body)

    assert response.status_code == 200
    codes = [(result["status"] or {}).get("code", 0) for result in response.json()["results"]]
    assert codes == [0, 3, 0]


@pytest.mark.parametrize(("task", "field"), [("Classify", "predictions"), ("Detect", "detections")])
async def test_streams_are_lines_of_json_in_order(
    http: httpx.AsyncClient, task: str, field: str
) -> None:
    frames: list[dict[str, Any]] = [
        {"id": str(n), "request": {"image": base64_of(PNG if n % 3 else b"x")}} for n in range(9)
    ]

    response = await http.post(
        f"/v1/images:stream{task}",
        content=b"\n".join(map(orjson.dumps, frames)),
        headers={"content-type": "application/x-ndjson"},
    )

    answers = [orjson.loads(line) for line in response.content.splitlines()]
    assert [one["id"] for one in answers] == [str(n) for n in range(9)]
    assert [(one["status"] or {}).get("code", 0) for one in answers] == [3, 0, 0] * 3
    assert answers[1]["response"][field]
