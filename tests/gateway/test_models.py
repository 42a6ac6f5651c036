"""Changes of models through the gateway, on real services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.conftest import settings_for
from tests.gateway.services import OTHER, PREDICTOR, gateway_of, serving
from tests.tiny_models import write_classifier


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway before two services: `tiny` is the first one's, `other` the second one's."""
    write_classifier(tmp_path / "first")
    write_classifier(tmp_path / "second", "other")
    async with (
        serving(tmp_path / "first", PREDICTOR) as first,
        serving(tmp_path / "second", OTHER) as second,
        gateway_of(settings_for(1, tmp_path), {PREDICTOR: first, OTHER: second}) as (_, client),
    ):
        yield client


async def versions(client: httpx.AsyncClient, model: str) -> dict[str, str]:
    found = (await client.get(f"/v1/models/{model}")).json()["model"]["versions"]
    return {version["version"]: version["state"] for version in found}


async def test_a_new_model_is_loaded_by_the_service_that_has_it(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    write_classifier(tmp_path / "second", "fresh")
    assert (await client.get("/v1/models/fresh")).status_code == 404

    loaded = await client.post("/v1/models/fresh:load", json={})

    assert loaded.status_code == 200, loaded.text
    assert loaded.json()["model"]["default_version"] == "v1.0"
    # At once: whoever loads does not have to wait for the gateway's next look.
    assert await versions(client, "fresh") == {"v1.0": "MODEL_STATE_READY"}
    infer = {"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
    assert (await client.post("/v2/models/fresh/infer", json=infer)).status_code == 200


async def test_versions_are_loaded_made_the_default_labelled_and_unloaded(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    write_classifier(tmp_path / "first", version="v2.0")
    for response in (
        await client.post("/v1/models/tiny:load", json={"version": "v2.0"}),
        await client.post("/v1/models/tiny:setDefault", json={"version": "v1.0"}),
        await client.put("/v1/models/tiny/labels/canary", json={"version": "v2.0"}),
    ):
        assert response.status_code == 200, response.text

    row = {"model": "tiny", "features": [1, 2]}
    plain = (await client.post("/predict", json=row)).json()
    canary = (await client.post("/predict", json={**row, "model_version": "canary"})).json()
    assert (plain["model_version"], canary["model_version"]) == ("v1.0", "v2.0")

    removed = await client.delete("/v1/models/tiny/labels/canary")
    assert removed.json()["model"]["labels"] == {}
    unloaded = await client.post("/v1/models/tiny:unload", json={"version": "v2.0"})
    assert unloaded.status_code == 200
    assert await versions(client, "tiny") == {
        "v1.0": "MODEL_STATE_READY",
        "v2.0": "MODEL_STATE_UNLOADED",
    }


async def test_refusals_say_what_to_do(client: httpx.AsyncClient, tmp_path: Path) -> None:
    broken = write_classifier(tmp_path / "first", version="v3.0")
    (broken / "model.onnx").write_bytes(b"")

    refused = await client.post("/v1/models/tiny:load", json={"version": "v3.0"})
    missing = await client.post("/v1/models/nobody:load", json={})
    unknown = await client.post("/v1/models/tiny:setDefault", json={"version": "v9.0"})
    label = await client.put("/v1/models/tiny/labels/V1", json={"version": "v1.0"})

    assert refused.status_code == 400
    assert refused.json()["error"]["status"] == "FAILED_PRECONDITION"
    assert "version: tiny v3.0: model.onnx" in refused.json()["error"]["message"]
    assert missing.status_code == unknown.status_code == 404
    assert label.status_code == 400
    assert label.json()["error"]["message"].startswith("label: ")
