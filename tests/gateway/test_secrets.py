"""What callers send is in no log, span or metric, whether their calls go well, ill or wrong."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.logs import JsonFormatter
from mlmesh.runtime.metrics import metrics_page
from mlmesh.v1 import predictor_pb2 as pb
from predictor.service import CONTRACT, PredictorService, predictor_service
from tests.gateway.test_traces import traced_mesh
from tests.runtime.otlp_receiver import receiving

CANARY = "canary"
NUMBER = 471_125.0625
SECRETS = {
    "authorization": f"Bearer {CANARY}",
    "cookie": f"session={CANARY}",
    "x-api-key": CANARY,
    "user-agent": CANARY,
}


class Crashing(PredictorService):
    async def Explain(self, request: pb.ExplainRequest, call: Call) -> pb.ExplainResponse:
        raise ValueError(f"cannot explain {request}")


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """Everything that is logged, at every level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # The test's own client tells of what it does.
    clients = [logging.getLogger(name) for name in ("httpx", "httpcore")]
    for client in clients:
        client.setLevel(logging.WARNING)
    yield stream
    for client in clients:
        client.setLevel(logging.NOTSET)
    root.setLevel(level)
    root.removeHandler(handler)


async def test_nothing_that_callers_send_is_written_down(
    host: Host, tmp_path: Path, registry: CollectorRegistry, said: io.StringIO
) -> None:
    service = Service(CONTRACT, Crashing(host), {"StreamPredict": "Predict"})
    calls = [
        ("/v1/models/tiny:predict", {"features": [NUMBER, 2]}, 200),
        ("/predict", {"features": [NUMBER, 2]}, 200),
        ("/v1/models/kinds:predict", {"named_features": {CANARY: CANARY}}, 400),
        ("/v1/models/kinds:predict", {"features": [CANARY, CANARY]}, 400),
        ("/v1/models/tiny:predict", {"features": [NUMBER]}, 400),
        (f"/v1/models/{CANARY}:predict", {"features": [1, 2]}, 404),
        (f"/v1/models/tiny:predict?{CANARY}={CANARY}", {"features": [1, 2]}, 400),
        (f"/{CANARY}?{CANARY}={CANARY}", {CANARY: CANARY}, 404),
        ("/v1/models/tiny:explain", {"features": [NUMBER, 2]}, 500),
        ("/process", {"data": f"1, {CANARY}"}, 200),
    ]
    async with receiving() as receiver:
        async with traced_mesh([service], tmp_path, receiver.endpoint, registry=registry) as mesh:
            for path, body, status in calls:
                answer = await mesh.client.post(path, json=body, headers=SECRETS)
                assert answer.status_code == status, (path, answer.text)
            await mesh.client.post(
                "/v1/models/tiny:predict", content=CANARY.encode() * 3, headers=SECRETS
            )
            pages = (await mesh.client.get("/metrics")).text
        pages += metrics_page(registry)[2].decode()

    logs = said.getvalue()
    assert logs.count('"event":"request"') >= len(calls)
    assert '"event":"call"' in logs
    assert '"traceback":"' in logs
    assert len(receiver.spans) > 2 * len(calls)
    for secret in (CANARY, "471125"):
        assert secret not in logs, [line for line in logs.splitlines() if secret in line]
        assert secret.encode() not in receiver.raw
        assert secret not in pages


async def test_a_request_is_one_line_in_each_process(
    host: Host, tmp_path: Path, said: io.StringIO
) -> None:
    async with traced_mesh([predictor_service(host)], tmp_path, "") as mesh:
        headers = {"x-request-id": "only-me"}
        for features in ([1, 2], [1]):
            await mesh.client.post(
                "/v1/models/tiny:predict", json={"features": features}, headers=headers
            )
        await mesh.client.post("/process", json={"data": "1,2"}, headers=headers)

    mine = [line for line in said.getvalue().splitlines() if "only-me" in line]
    lines = [line for line in mine if '"level":"debug"' not in line]
    assert ['"event":"request"' in line for line in lines] == [False, True, False, True, True]
    assert '"model":"tiny","version":"v2.0"' in lines[0]
    assert '"status":"INVALID_ARGUMENT","reason":"INVALID_INPUT"' in lines[2]
    assert '"status":400,"reason":"INVALID_INPUT"' in lines[3]
