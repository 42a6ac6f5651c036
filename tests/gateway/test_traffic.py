from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from gateway.settings import GatewaySettings
from mlmesh.runtime.metrics import metrics_page
from tests.gateway.services import PREDICTOR, gateway_of
from tests.gateway.wire_requests import LAST, get, request

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE[::-1]}-b7ad6b7169203331-00"
NAMES = 10_000


async def test_random_paths_verbs_and_models_over_http_add_no_series(
    predictor_port: int, gateway_settings: GatewaySettings
) -> None:
    chance = random.Random(2)

    def random_name() -> bytes:
        return b"%x" % chance.getrandbits(80)

    def paths_and_models() -> list[bytes]:
        one, other, third = random_name(), random_name(), random_name()
        infer = b"/v2/models/%b/versions/%b/infer" % (other, random_name())
        return [
            get(b"/%b/%b?%b=%b" % (one, one, one, one)),
            request(infer, body=b'{"inputs":[]}'),
            request(b"/v1/models/%b:predict" % third, body=b'{"features":[1]}'),
        ]

    def odd_verb() -> bytes:
        verb = "".join(chance.choices("ABCDEFGHIJ", k=5)).encode()
        return request(b"/" + random_name(), verb=verb, body=None)

    async with gateway_of(gateway_settings, {PREDICTOR: predictor_port}) as (gateway, client):

        async def names() -> set[str]:
            page = (await client.get("/metrics")).text
            return {line.rpartition(" ")[0] for line in page.splitlines() if "#" not in line}

        async def ask(times: int) -> None:
            sent = chain.from_iterable(paths_and_models() for _ in range(times))
            answers = await answers_to(gateway.port, [*sent, LAST])
            assert Counter(answers) == {404: 3 * times, 200: 1}
            # Which ends its connection at once.
            assert await answers_to(gateway.port, [odd_verb()]) == [400]

        await ask(1)
        await names()
        before = await names()
        await asyncio.gather(*(ask(NAMES // 4 // 40) for _ in range(40)))

        assert await names() == before


async def answers_to(port: int, requests: Sequence[bytes]) -> list[int]:
    """The statuses of requests that are sent at once on a connection, which the last one ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(requests))
    told = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3}) ", told)]


async def test_open_metrics_show_the_traces_of_sampled_calls_only(
    predictor_port: int, gateway_settings: GatewaySettings, registry: CollectorRegistry
) -> None:
    async with gateway_of(gateway_settings, {PREDICTOR: predictor_port}) as (_, client):
        for traceparent in (SAMPLED, UNSAMPLED):
            answer = await client.post(
                "/v1/models/tiny:predict",
                json={"features": [1, 2]},
                headers={"traceparent": traceparent},
            )
            assert answer.status_code == 200, answer.text
        accept = {"accept": "application/openmetrics-text;version=1.0.0"}
        here = await client.get("/metrics", headers=accept)
        there = metrics_page(registry, accept["accept"])[2].decode()
        plain = await client.get("/metrics")

    for text, name in (
        (here.text, "http_request_duration_seconds"),
        (there, "grpc_server_handling_seconds"),
        (there, "prediction_latency_seconds"),
    ):
        (family,) = (one for one in text_string_to_metric_families(text) if one.name == name)
        traces = {one.exemplar.labels["trace_id"] for one in family.samples if one.exemplar}
        assert traces == {TRACE}, name
    assert here.headers["content-type"].startswith("application/openmetrics-text")
    assert TRACE[::-1] not in here.text + there
    assert plain.headers["content-type"].startswith("text/plain")
    assert TRACE not in plain.text


async def test_refusals_are_counted_by_their_reason(
    predictor_port: int, gateway_settings: GatewaySettings
) -> None:
    async with gateway_of(gateway_settings, {PREDICTOR: predictor_port}) as (_, client):
        await client.post("/v1/models/tiny:predict", content=b"{")
        await client.post("/v1/models/tiny:predict", json={"features": [1]})
        await client.post("/v1/models/other:predict", json={"features": [1, 2]})
        await client.get("/nowhere")
        page = (await client.get("/metrics")).text

    for reason, count in (("INVALID_INPUT", 2), ("MODEL_NOT_FOUND", 1), ("ROUTE_NOT_FOUND", 1)):
        assert f'http_requests_refused_total{{reason="{reason}"}} {count}.0' in page, page
