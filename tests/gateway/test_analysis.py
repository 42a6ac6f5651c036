"""One request for several services, with real ones of tiny models behind it."""

from __future__ import annotations

import asyncio
import base64
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.running import RunningGateway
from gateway.settings import GatewaySettings
from tests.gated import GatedPredictor
from tests.gateway.conftest import settings_for
from tests.gateway.services import gateway_of
from tests.nlp.serving import serving_nlp, text_hosting, write_text_models
from tests.vision.pictures import RED, encoded, plain, with_box
from tests.vision.serving import image_hosting, serving_vision, write_image_models

PREDICTOR = "mlmesh.v1.PredictorService"
NLP = "mlmesh.v1.NlpService"
VISION = "mlmesh.v1.VisionService"
PNG = encoded(with_box(plain(64, 48), (16, 8, 48, 40), RED))
TEXT = "The film was good. The food was bad."
EVERYTHING = [
    "ANALYSIS_SENTIMENT", "ANALYSIS_ENTITIES", "ANALYSIS_SUMMARY", "ANALYSIS_EMBEDDING",
    "ANALYSIS_CLASSIFICATION", "ANALYSIS_DETECTION", "ANALYSIS_SEGMENTATION",
    "ANALYSIS_PREDICTION",
]  # fmt: skip
PARTS = {
    "sentiment": "label", "entities": "model", "summary": "summary", "embedding": "embedding",
    "classification": "predictions", "detection": "detections", "segmentation": "areas",
    "prediction": "prediction",
}  # fmt: skip


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Models of texts and of images."""
    texts, images = tmp_path_factory.mktemp("texts"), tmp_path_factory.mktemp("images")
    write_text_models(texts)
    write_image_models(images)
    return texts, images


@asynccontextmanager
async def texts_and_images(roots: tuple[Path, Path]) -> AsyncIterator[dict[str, int]]:
    async with AsyncExitStack() as stack:
        texts = await stack.enter_async_context(text_hosting(roots[0]))
        images = await stack.enter_async_context(image_hosting(roots[1]))
        nlp = await stack.enter_async_context(serving_nlp(texts))
        vision = await stack.enter_async_context(serving_vision(images))
        yield {NLP: nlp, VISION: vision}


def settings_at(folder: Path) -> GatewaySettings:
    return settings_for(1, folder).model_copy(update={"max_body_bytes": 2**20})


@pytest.fixture
async def services(
    roots: tuple[Path, Path], predictor_port: int, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """All three."""
    async with texts_and_images(roots) as ports:
        backends = ports | {PREDICTOR: predictor_port}
        async with gateway_of(settings_at(tmp_path), backends) as (_, client):
            yield client


@pytest.fixture
async def with_gate(
    roots: tuple[Path, Path], gated_port: int, tmp_path: Path
) -> AsyncIterator[tuple[RunningGateway, httpx.AsyncClient]]:
    """A predictor that waits at a gate, beside the two others."""
    async with texts_and_images(roots) as ports:
        backends = ports | {PREDICTOR: gated_port}
        async with gateway_of(settings_at(tmp_path), backends) as running:
            yield running


@pytest.fixture
def frozen_port() -> Iterator[int]:
    """Takes connections, and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def body_of(**said: Any) -> dict[str, Any]:
    image = base64.b64encode(PNG).decode()
    return {"text": TEXT, "image": image, "features": [1, 2]} | said


def codes_of(answer: dict[str, Any]) -> dict[str, int]:
    """The code of every part that is there."""
    parts = {name: answer[name] for name in PARTS if name in answer}
    return {name: part["status"]["code"] for name, part in parts.items()}


async def test_every_analysis_is_answered_as_its_service_answers_it(
    services: httpx.AsyncClient,
) -> None:
    response = await services.post(
        "/v1/analyze", json=body_of(analyses=EVERYTHING), headers={"x-request-id": "r-7"}
    )

    answer = response.json()
    assert response.status_code == 200
    assert codes_of(answer) == dict.fromkeys(PARTS, 0)
    assert all(answer[part]["response"][field] for part, field in PARTS.items())
    ids = {answer[part]["response"]["request_id"] for part in PARTS}
    assert {answer["request_id"], *ids} == {"r-7"}
    alone = await services.post("/v1/text:embed", json={"text": TEXT})
    assert answer["embedding"]["response"]["embedding"] == alone.json()["embedding"]
    shown = await services.post("/classify", json={"image": body_of()["image"]})
    assert answer["classification"]["response"]["predictions"] == shown.json()["predictions"]


async def test_who_names_no_analysis_gets_the_usual_ones_of_what_is_sent(
    services: httpx.AsyncClient,
) -> None:
    everything = await services.post("/v1/analyze", json=body_of())
    text = await services.post("/v1/analyze", json={"text": TEXT})
    row = await services.post("/v1/analyze", json={"named_features": {"x": 1, "y": 2}})

    assert set(codes_of(everything.json())) == {
        "sentiment", "entities", "classification", "prediction",
    }  # fmt: skip
    assert codes_of(text.json()) == {"sentiment": 0, "entities": 0}
    assert codes_of(row.json()) == {"prediction": 0}


async def test_the_model_and_its_version_are_those_of_the_features(
    services: httpx.AsyncClient,
) -> None:
    body = {"features": [1, 2], "model": "tiny", "model_version": "v1.0", "text": TEXT}

    answer = (await services.post("/v1/analyze", json=body)).json()

    prediction = answer["prediction"]["response"]
    assert (prediction["model"], prediction["model_version"]) == ("tiny", "v1.0")
    assert answer["sentiment"]["response"]["model"] == "sentiment"


async def test_an_image_comes_as_a_part_of_a_form_or_as_the_body(
    services: httpx.AsyncClient,
) -> None:
    form = await services.post(
        "/v1/analyze",
        files={"image": ("any.png", PNG, "image/png")},
        data={"text": TEXT, "features": ["1", "2"]},
    )
    raw = await services.post(
        "/v1/analyze?analyses=ANALYSIS_DETECTION&analyses=ANALYSIS_SENTIMENT&text=good",
        content=PNG,
        headers={"content-type": "image/png"},
    )

    assert codes_of(form.json()) == {
        "sentiment": 0, "entities": 0, "classification": 0, "prediction": 0,
    }  # fmt: skip
    assert codes_of(raw.json()) == {"detection": 0, "sentiment": 0}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "text: send text, image, features or named_features, at least one of them"),
        ({"analyses": ["ANALYSIS_SENTIMENT"]}, "text: send text, image, features or "),
        (
            {"text": "a", "analyses": ["ANALYSIS_SENTIMENT", "ANALYSIS_DETECTION"]},
            "analyses[1]: ANALYSIS_DETECTION is about image: send it, too",
        ),
        ({"text": "a", "analyses": ["ANALYSIS_UNSPECIFIED"]}, "analyses[0]: "),
        ({"text": "a", "analyses": [77]}, "analyses[0]: "),
        ({"text": "a", "analyses": ["ANALYSIS_SENTIMENT"] * 2}, "analyses: "),
        ({"text": "a", "model": "m" * 65}, "model: "),
        ({"text": "a", "sentiment": True}, "sentiment: "),
    ],
)
async def test_what_asks_for_nothing_that_can_be_done_is_refused_by_its_field(
    services: httpx.AsyncClient, body: dict[str, Any], message: str
) -> None:
    response = await services.post("/v1/analyze", json=body)

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(message)


async def test_what_is_wrong_with_one_input_fails_its_parts_alone(
    services: httpx.AsyncClient,
) -> None:
    broken = base64.b64encode(b"no image").decode()
    body = body_of(image=broken, features=[1, 2, 3], analyses=EVERYTHING)

    response = await services.post("/v1/analyze", json=body)

    answer = response.json()
    images = dict.fromkeys(("classification", "detection", "segmentation"), 3)
    texts = dict.fromkeys(("sentiment", "entities", "summary", "embedding"), 0)
    assert response.status_code == 200
    assert codes_of(answer) == images | texts | {"prediction": 3}
    assert answer["prediction"]["status"]["message"].startswith("features: ")
    assert "response" not in answer["prediction"]
    assert answer["detection"]["status"]["message"].startswith("image: ")


async def test_services_that_are_away_cost_their_parts_only(
    roots: tuple[Path, Path], tmp_path: Path
) -> None:
    async with texts_and_images(roots) as ports:
        backends = {NLP: ports[NLP], PREDICTOR: 1}
        async with gateway_of(settings_at(tmp_path), backends) as (_, client):
            response = await client.post("/v1/analyze", json=body_of())

    answer = response.json()
    assert response.status_code == 200
    assert codes_of(answer) == {
        "sentiment": 0, "entities": 0, "classification": 14, "prediction": 14,
    }  # fmt: skip
    assert "(see MLMESH_BACKENDS)" in answer["classification"]["status"]["message"]
    assert "127.0.0.1" not in response.text


async def test_an_answer_in_which_everything_failed_is_still_an_answer(tmp_path: Path) -> None:
    backends = {NLP: 1, VISION: 1, PREDICTOR: 1}
    async with gateway_of(settings_at(tmp_path), backends) as (_, client):
        response = await client.post("/v1/analyze", json=body_of(analyses=EVERYTHING))

    assert response.status_code == 200
    assert codes_of(response.json()) == dict.fromkeys(PARTS, 14)


async def test_a_slow_part_is_given_up_at_the_deadline_and_the_others_are_answered(
    with_gate: tuple[RunningGateway, httpx.AsyncClient], gated: GatedPredictor
) -> None:
    _, client = with_gate
    slow_first = ["ANALYSIS_PREDICTION", "ANALYSIS_SENTIMENT", "ANALYSIS_CLASSIFICATION"]
    began = time.monotonic()

    response = await client.post(
        "/v1/analyze", json=body_of(analyses=slow_first), headers={"x-request-timeout": "1.5"}
    )

    seconds = time.monotonic() - began
    assert response.status_code == 200
    assert codes_of(response.json()) == {"sentiment": 0, "classification": 0, "prediction": 4}
    assert 1.0 < seconds < 15
    await asyncio.wait_for(gated.cancelled.wait(), 5)


async def test_a_backend_that_says_nothing_is_given_up_at_the_deadline(
    roots: tuple[Path, Path], frozen_port: int, tmp_path: Path
) -> None:
    async with texts_and_images(roots) as ports:
        backends = ports | {PREDICTOR: frozen_port}
        async with gateway_of(settings_at(tmp_path), backends) as (_, client):
            response = await client.post(
                "/v1/analyze", json=body_of(), headers={"x-request-timeout": "1.5"}
            )

    answer = response.json()
    assert response.status_code == 200
    assert answer["sentiment"]["status"]["code"] == 0
    assert answer["prediction"]["status"]["code"] in (4, 14)


async def test_a_caller_who_leaves_ends_every_part(
    with_gate: tuple[RunningGateway, httpx.AsyncClient], gated: GatedPredictor
) -> None:
    gateway, _ = with_gate
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    body = b'{"features": [1, 2], "text": "good"}'
    head = b"POST /v1/analyze HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
    writer.write(head % len(body) + body)
    await gated.has_begun()

    writer.close()

    await asyncio.wait_for(gated.cancelled.wait(), 5)
