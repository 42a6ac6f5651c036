from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from tests.gateway.open_inference.conftest import ECHO
from tests.gateway.open_inference.echo import EchoService

REQUEST = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}


@pytest.mark.parametrize(
    ("model", "status", "message"),
    [
        ("invalid", 400, "inputs[0].shape: too many rows"),
        ("precondition", 400, "model: not that one"),
        ("absent", 404, "model: it was here a moment ago"),
        ("nobodys", 404, "model: no service of the mesh has one named 'nobodys'"),
        ("conflict", 409, "model: there already"),
        ("large", 413, "too large"),
        ("broken", 500, "internal error"),
        ("unsupported", 501, "not here"),
        ("full", 503, "the queue is full"),
        ("away", 503, "model: unloaded"),
        ("late", 504, "too late"),
    ],
)
async def test_a_failure_is_a_status_and_one_sentence(
    v2: httpx.AsyncClient, model: str, status: int, message: str
) -> None:
    response = await v2.post(f"/models/{model}/infer", json=REQUEST)

    assert (response.status_code, response.json()) == (status, {"error": message})
    assert response.headers["content-type"] == "application/json"
    assert ("retry-after" in response.headers) == (status == 503)


async def test_a_full_queue_says_when_to_try_again(v2: httpx.AsyncClient) -> None:
    response = await v2.post("/models/full/infer", json=REQUEST)

    # The service's own time, which is spread so that not all come back at once.
    assert 4 <= int(response.headers["retry-after"]) <= 8


async def test_what_is_wrong_with_the_request_itself_is_told_in_the_same_way(
    v2: httpx.AsyncClient,
) -> None:
    for content, message in (
        (b"", "body: not valid JSON"),
        (b"{", "body: not valid JSON"),
        (b"[" * 200 + b"]" * 200, "body: nested more than 100 deep"),
        (b'{"inputs":[{"name":"x"}]}', "inputs[0].datatype: expected one of BOOL"),
    ):
        response = await v2.post("/models/tiny/infer", content=content)

        assert response.status_code == 400
        assert response.json()["error"].startswith(message)


@pytest.mark.parametrize(
    ("verb", "path", "status", "allow"),
    [
        ("GET", "/nowhere", 404, None),
        ("GET", "/models", 404, None),
        ("GET", "/models/tiny/infer", 405, "OPTIONS, POST"),
        ("POST", "/health/live", 405, "GET, HEAD, OPTIONS"),
        ("POST", "/systemsharedmemory/region/r/register", 501, None),
        ("GET", "/cudasharedmemory/status", 501, None),
        ("POST", "/trace/setting", 501, None),
        ("GET", "/logging", 501, None),
        ("POST", "/models/tiny/generate", 501, None),
        ("GET", "/models/%zz", 400, None),
    ],
)
async def test_other_paths_and_verbs_are_refused_in_the_same_way(
    v2: httpx.AsyncClient, verb: str, path: str, status: int, allow: str | None
) -> None:
    response = await v2.request(verb, path)

    assert response.status_code == status
    assert response.headers.get("allow") == allow
    assert list(response.json()) == ["error"]
    assert response.json()["error"]


async def test_options_says_what_a_path_takes_and_head_is_answered(v2: httpx.AsyncClient) -> None:
    options = await v2.options("/models/tiny/infer")
    head = await v2.head("/models/tiny")
    nowhere = await v2.options("/nowhere")

    assert (options.status_code, options.headers["allow"]) == (204, "OPTIONS, POST")
    assert (head.status_code, head.content) == (200, b"")
    assert nowhere.status_code == 404


async def test_request_ids_come_back_whatever_happens(v2: httpx.AsyncClient) -> None:
    for path in ("/models/echo/infer", "/models/broken/infer", "/nowhere"):
        response = await v2.post(path, json=REQUEST, headers={"x-request-id": "order-7"})

        assert response.headers["x-request-id"] == "order-7"


async def test_requests_are_counted_by_route_however_many_names_are_asked(
    v2: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    for name in range(5):
        await v2.post(f"/models/m{name}/versions/{name}/infer", json=REQUEST)
        await v2.post(f"/systemsharedmemory/region/{name}/register")
        await v2.get(f"/nowhere/{name}")

    page = (await http.get("/metrics")).text

    infer = 'method="POST",route="/v2/models/{model}/versions/{version}/infer",status="404"'
    memory = 'method="POST",route="/v2/systemsharedmemory/region/{region}/register",status="501"'
    unmatched = 'method="GET",route="unmatched",status="404"'
    for labels in (infer, memory, unmatched):
        assert f"http_requests_total{{{labels}}} 5.0" in page


async def test_when_too_many_requests_are_under_way_the_next_is_503(
    gateway_settings: GatewaySettings, echo: EchoService
) -> None:
    settings = gateway_settings.model_copy(update={"max_concurrent_requests": 1})
    async with running_gateway(settings) as gateway:
        url = f"http://127.0.0.1:{gateway.port}/v2"
        async with httpx.AsyncClient(base_url=url, timeout=15) as client:
            await asyncio.wait_for(gateway.probes.directory.complete.wait(), 10)
            waiting = asyncio.create_task(client.post("/models/wait/infer", json=REQUEST))
            await asyncio.wait_for(echo.begun.wait(), 10)

            refused = await client.post("/models/echo/infer", json=REQUEST)
            echo.gate.set()
            answered = await waiting

    assert refused.status_code == 503
    assert "retry-after" in refused.headers
    assert refused.json() == {"error": "requests: 1 are under way already, try again later"}
    assert answered.status_code == 200


async def test_errors_of_the_contracts_keep_their_form(http: httpx.AsyncClient) -> None:
    refused = (await http.post("/v1/models/tiny:predict", json={"features": [1]})).json()
    unknown = (await http.get("/v20")).json()

    assert refused["error"]["status"] == "INVALID_ARGUMENT"
    assert unknown["error"]["status"] == "NOT_FOUND"


async def test_a_model_of_a_service_that_never_answered_may_be_there_yet(
    gateway_settings: GatewaySettings, tmp_path: Path
) -> None:
    away = {**gateway_settings.backends, ECHO: f"unix:{tmp_path}/nobody"}
    async with running_gateway(gateway_settings.model_copy(update={"backends": away})) as gateway:
        url = f"http://127.0.0.1:{gateway.port}/v2"
        async with httpx.AsyncClient(base_url=url, timeout=15) as client:
            unknown = await client.post("/models/echo/infer", json=REQUEST)
            known = await client.get("/models/tiny")

    assert unknown.status_code == 503
    assert "not every service has answered yet" in unknown.json()["error"]
    assert known.status_code == 200
