"""Packed bodies and answers, over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest

from gateway.running import RunningGateway, running_gateway
from gateway.settings import GatewaySettings

ROW = orjson.dumps({"features": [1, 2]})
ROWS = orjson.dumps({"rows": [{"features": [1, 2]}] * 100})
PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
UNPACKED = {"accept-encoding": "identity"}


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("path", ["/predict", "/v2/models/tiny/infer"])
@pytest.mark.parametrize("encoding", PACK)
async def test_a_packed_body_is_answered_as_any(
    http: httpx.AsyncClient, path: str, encoding: str
) -> None:
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    body = ROW if path == "/predict" else orjson.dumps({"inputs": [tensor]})

    plain = await http.post(path, content=body)
    packed = await http.post(
        path, content=PACK[encoding](body), headers={"content-encoding": encoding}
    )

    assert packed.status_code == plain.status_code
    assert set(packed.json()) == set(plain.json())


@pytest.mark.parametrize("path", ["/predict", "/v2/models/tiny/infer"])
@pytest.mark.parametrize(
    ("encoding", "content", "status"),
    [
        ("br", ROW, 415),
        ("gzip", ROW, 400),
        ("gzip", gzip.compress(ROW)[:-3], 400),
        ("gzip", gzip.compress(ROW) + b"more", 400),
        ("deflate", zlib.compress(ROW)[:-3], 400),
        ("gzip", gzip.compress(bytes(70_000)), 413),
    ],
)
async def test_a_wrongly_packed_body_is_refused(
    http: httpx.AsyncClient, path: str, encoding: str, content: bytes, status: int
) -> None:
    response = await http.post(path, content=content, headers={"content-encoding": encoding})

    assert response.status_code == status
    assert ("accept-encoding" in response.headers) == (status == 415)
    # The connection is as good as before.
    assert (await http.post("/predict", content=ROW)).status_code == 200


async def test_bombs_cost_no_memory(gateway_settings: GatewaySettings) -> None:
    """Ten at once, that would unpack to 3 GB together."""
    bomb = packed_zeros(300)
    limits = {"max_body_bytes": 16 * 2**20, "max_concurrent_body_bytes": 64 * 2**20}
    settings = gateway_settings.model_copy(update=limits | {"body_seconds": 30})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=60) as client,
    ):
        headers = {"content-encoding": "gzip"}
        before = resident_bytes()
        answers = await asyncio.gather(
            *(client.post("/predict", content=bomb, headers=headers) for _ in range(10))
        )

        grown = resident_bytes() - before
        assert {answer.status_code for answer in answers} <= {413, 503}
        assert (await client.post("/predict", content=ROW)).status_code == 200
    assert grown < 160 * 2**20


def packed_zeros(mebibytes: int) -> bytes:
    stream = zlib.compressobj(9, wbits=31)
    return b"".join(stream.compress(bytes(2**20)) for _ in range(mebibytes)) + stream.flush()


@pytest.mark.parametrize("encoding", PACK)
async def test_large_answers_are_packed_for_those_who_take_it(
    http: httpx.AsyncClient, encoding: str
) -> None:
    for ask in (
        ("POST", "/predict/batch", ROWS),
        ("GET", "/openapi.json", b""),
        ("POST", "/predict/batch", b'{"rows":[{"features":"%s"}]}' % (b"x" * 2000)),
    ):
        verb, path, content = ask
        plain = await http.request(verb, path, content=content, headers=UNPACKED)
        packed = await http.request(
            verb, path, content=content, headers={"accept-encoding": encoding}
        )

        large = len(plain.content) >= 1024
        assert packed.headers.get("content-encoding") == (encoding if large else None)
        assert ("accept-encoding" in packed.headers.get("vary", "")) == large
        assert packed.headers.get("vary") == plain.headers.get("vary")
        assert set(packed.json()) == set(plain.json())


async def test_small_answers_are_sent_as_they_are(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    response = await http.post("/predict", content=ROW)

    assert "gzip" in response.request.headers["accept-encoding"]
    assert "content-encoding" not in response.headers


async def test_from_which_size_on_answers_are_packed_is_a_setting(
    gateway_settings: GatewaySettings,
) -> None:
    settings = gateway_settings.model_copy(update={"compress_from_bytes": 10})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        response = await client.get("/v1/models/nobody")

    assert response.headers["content-encoding"] == "gzip"
    assert response.json()["error"]["status"] == "NOT_FOUND"
