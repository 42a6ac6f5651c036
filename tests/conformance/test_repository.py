"""The repository extension: `comes-and-goes` does both in here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.conformance.client import LEAVES_BODIES, Client

pytestmark = LEAVES_BODIES

MODEL = "comes-and-goes"
ROW = np.array([[3, 4]], np.float32)


def indexed(client: Client) -> dict[tuple[str, str], dict[str, Any]]:
    """Name and version to the rest."""
    index = client.plain("get_model_repository_index")
    models = index["models"] if client.is_grpc else index
    return {(one["name"], one.get("version", "")): one for one in models}


def test_every_model_is_listed_with_its_state(client: Client) -> None:
    index = indexed(client)

    names = {name for name, _ in index}
    assert {"classifier", "arithmetic", "slow", MODEL, "echo-bfloat16"} <= names
    assert index["arithmetic", "1"]["state"] == "READY"


def test_every_version_is_listed(client: Client, beyond: Callable[[str], None]) -> None:
    beyond("other servers may load the newest version only")

    index = indexed(client)

    states = {version: one["state"] for (name, version), one in index.items()
              if name == "classifier"}  # fmt: skip
    assert states == {"1": "READY", "2": "READY"}


def test_a_model_that_is_unloaded_does_not_answer_until_it_is_loaded(client: Client) -> None:
    inputs = [client.input("features", ROW)]

    client.unload_model(MODEL)

    assert client.is_model_ready(MODEL) is False
    assert indexed(client)[MODEL, "1"]["state"] == "UNAVAILABLE"
    assert indexed(client)[MODEL, "1"]["reason"] == "unloaded"
    client.refuses("UNAVAILABLE", MODEL, "infer", MODEL, inputs)

    client.load_model(MODEL)

    assert client.is_model_ready(MODEL) is True
    assert indexed(client)[MODEL, "1"]["state"] == "READY"
    assert client.infer(MODEL, inputs).as_numpy("total").tolist() == [[7]]


def test_loading_what_is_loaded_changes_nothing(client: Client) -> None:
    client.load_model(MODEL)

    assert client.is_model_ready(MODEL) is True


def test_the_index_can_leave_out_what_is_not_ready(
    http: httpx.Client, beyond: Callable[[str], None]
) -> None:
    beyond("tritonclient cannot ask for it, so nobody may")
    dependents = {"parameters": {"unload_dependents": True}}
    unloaded = http.post(f"/repository/models/{MODEL}/unload", json=dependents)

    index = http.post("/repository/index", json={"ready": True}).json()

    loaded = http.post(f"/repository/models/{MODEL}/load")
    assert (unloaded.status_code, loaded.status_code) == (200, 200)
    assert MODEL not in {one["name"] for one in index}
    assert "arithmetic" in {one["name"] for one in index}


@pytest.mark.parametrize("method", ["load_model", "unload_model"])
def test_a_model_that_is_not_there_is_not_found(client: Client, method: str) -> None:
    client.refuses("NOT_FOUND", "nobody", method, "nobody")


@pytest.mark.parametrize(
    "sent",
    [{"config": '{"max_batch_size": 1}'}, {"config": "{}", "files": {"file:1/model.onnx": b"x"}}],
    ids=["config", "files"],
)
def test_a_model_cannot_come_with_the_request(
    client: Client, sent: dict[str, Any], beyond: Callable[[str], None]
) -> None:
    beyond("Triton loads them")

    client.refuses("UNIMPLEMENTED", "repository", "load_model", MODEL, **sent)
