from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from prometheus_client import CollectorRegistry
from websockets.asyncio.client import connect

from mlmesh.inference.host import Host
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.errors import Unavailable
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from mlmesh.runtime.settings import ServiceSettings
from mlmesh.runtime.trace_export import open_tracing
from mlmesh.v1 import mesh_pb2, mesh_pb2_grpc, predictor_pb2 as pb
from predictor.service import CONTRACT, predictor_service
from tests.gateway.conftest import settings_for
from tests.gateway.counter import REFUSED, counting
from tests.gateway.services import PREDICTOR, gateway_of
from tests.runtime.otlp_receiver import Received, receiving

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
PREDICT = "/v1/models/tiny:predict"
ROW = {"features": [1, 2]}
SERVER, CLIENT = 2, 3
GATEWAY = "mlmesh-gateway"


@dataclass(frozen=True, slots=True)
class Traced:
    client: httpx.AsyncClient
    port: int
    """The predictor's."""


@asynccontextmanager
async def traced_mesh(
    services: Sequence[Service],
    folder: Path,
    endpoint: str,
    *,
    ratio: float = 1,
    flush_seconds: float = 3,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[Traced]:
    said = {
        "otlp_endpoint": endpoint,
        "trace_ratio": ratio,
        "trace_flush_seconds": flush_seconds,
    }
    async with AsyncExitStack() as stack:
        tracing = await stack.enter_async_context(
            open_tracing(ServiceSettings.model_validate(said), "mlmesh-predictor")
        )
        metrics = ServerMetrics(registry or CollectorRegistry(), "tabular")
        port = await stack.enter_async_context(
            running_server("127.0.0.1:0", services, metrics, Health([]), tracing=tracing)
        )
        settings = settings_for(port, folder).model_copy(update=said)
        _, client = await stack.enter_async_context(gateway_of(settings, {PREDICTOR: port}))
        yield Traced(client, port)


def one(spans: Sequence[Received], name: str, service: str = "mlmesh-predictor") -> Received:
    (found,) = (span for span in spans if span.name == name and span.service == service)
    return found


def whole(requests: int) -> Callable[[Sequence[Received]], bool]:
    """Whether the gateway's own spans of so many requests are there, and those of their models."""

    def there(spans: Sequence[Received]) -> bool:
        mine = [span for span in spans if span.name.startswith(("POST ", "GET "))]
        links = [link for span in spans if span.name.startswith("batch ") for link in span.links]
        return len(mine) >= requests and len(links) >= requests

    return there


@pytest.mark.parametrize("short", [True, False], ids=["short way", "ASGI"])
async def test_a_request_is_one_trace_from_http_to_the_model(
    host: Host, tmp_path: Path, short: bool
) -> None:
    # A header that the short way leaves to the application.
    headers = SAMPLED if short else {**SAMPLED, "accept": "application/json, */*;q=0.5"}
    async with receiving() as receiver:
        async with traced_mesh([predictor_service(host)], tmp_path, receiver.endpoint) as mesh:
            answer = await mesh.client.post(
                PREDICT, json=ROW, headers={**headers, "x-request-id": "me"}
            )
            assert answer.status_code == 200, answer.text
        spans = await receiver.until(whole(1))

    http = one(spans, "POST /v1/models/{model}:predict", GATEWAY)
    sent = one(spans, "mlmesh.v1.PredictorService/Predict", GATEWAY)
    served = one(spans, "mlmesh.v1.PredictorService/Predict")
    batch, run = one(spans, "batch tiny"), one(spans, "run tiny")
    assert len(spans) == 5
    assert {span.trace for span in spans} == {TRACE}
    assert http.parent == PARENT
    assert [http.id, sent.id, served.id, batch.id] == [
        sent.parent, served.parent, batch.parent, run.parent,
    ]  # fmt: skip
    assert (http.kind, sent.kind, served.kind) == (SERVER, CLIENT, SERVER)
    assert batch.links == [served.id]
    assert http.attributes["http.response.status_code"] == 200
    assert {span.attributes["mlmesh.request_id"] for span in (http, sent, served)} == {"me"}
    assert (served.attributes["mlmesh.model"], served.attributes["mlmesh.model_version"]) == (
        "tiny", "v2.0",
    )  # fmt: skip
    assert (batch.attributes["mlmesh.batch.items"], batch.attributes["mlmesh.batch.rows"]) == (1, 1)
    assert http.seconds >= sent.seconds >= served.seconds > batch.seconds >= run.seconds > 0
    assert not any(span.failed for span in spans)


async def test_every_request_is_linked_by_the_batch_that_it_was_in(
    host: Host, tmp_path: Path
) -> None:
    count = 20
    async with receiving() as receiver:
        async with traced_mesh([predictor_service(host)], tmp_path, receiver.endpoint) as mesh:
            await asyncio.gather(*(mesh.client.post(PREDICT, json=ROW) for _ in range(count)))
        spans = await receiver.until(whole(count))

    batches = [span for span in spans if span.name == "batch tiny"]
    served = [span for span in spans if span.service == "mlmesh-predictor" and span.kind == SERVER]
    linked = [link for batch in batches for link in batch.links]
    assert len({span.trace for span in served}) == count
    assert sorted(linked) == sorted(span.id for span in served)
    assert all(len(batch.links) == batch.attributes["mlmesh.batch.items"] for batch in batches)


@pytest.mark.parametrize(
    ("ratio", "headers", "traces"),
    [
        (0, SAMPLED, 1),
        (0, {}, 0),
        (1, {}, 1),
        (1, {"traceparent": f"00-{TRACE}-{PARENT}-00"}, 0),
        (1, {"traceparent": "nonsense"}, 1),
    ],
)
async def test_the_caller_decides_what_is_traced_and_chance_where_it_does_not(
    host: Host, tmp_path: Path, ratio: float, headers: dict[str, str], traces: int
) -> None:
    async with (
        receiving() as receiver,
        traced_mesh([predictor_service(host)], tmp_path, receiver.endpoint, ratio=ratio) as mesh,
    ):
        answer = await mesh.client.post(PREDICT, json=ROW, headers=headers)
        assert answer.status_code == 200

    # Leaving has flushed whatever there was.
    assert len({span.trace for span in receiver.spans}) == traces
    assert len([span for span in receiver.spans if not span.parent]) == (traces if ratio else 0)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_socket_is_one_span_and_the_stream_it_opens_is_its_child(
    tmp_path: Path, fails: bool
) -> None:
    async with receiving() as receiver:
        options = {"otlp_endpoint": receiver.endpoint, "trace_ratio": 0}
        async with (
            counting(tmp_path, **options) as (gateway, _),
            connect(f"ws://127.0.0.1:{gateway.port}/echo", additional_headers=SAMPLED) as websocket,
        ):
            await websocket.send(f'{{"value":{REFUSED if fails else 1}}}')
            await websocket.recv()
            await websocket.send("")
            await websocket.wait_closed()
        spans = receiver.spans

    http, sent = one(spans, "GET /echo", GATEWAY), one(spans, "counter.v1.Counter/Echo", GATEWAY)
    assert len(spans) == 2
    assert (http.trace, http.parent, sent.parent) == (TRACE, PARENT, http.id)
    assert (http.kind, sent.kind) == (SERVER, CLIENT)
    assert http.attributes["http.response.status_code"] == (400 if fails else 101)
    assert sent.attributes["rpc.response.status_code"] == ("OUT_OF_RANGE" if fails else "OK")
    assert http.seconds >= sent.seconds > 0


async def test_what_other_tracers_say_is_sent_on(host: Host, tmp_path: Path) -> None:
    headers = {**SAMPLED, "tracestate": "vendor=abc,other=1"}
    async with receiving() as receiver:
        async with traced_mesh([predictor_service(host)], tmp_path, receiver.endpoint) as mesh:
            await mesh.client.post(PREDICT, json=ROW, headers=headers)
        spans = await receiver.until(whole(1))

    assert {span.state for span in spans} == {"vendor=abc,other=1"}


async def test_carried_calls_keep_their_traces_and_their_batch_links_them_all(
    host: Host, tmp_path: Path
) -> None:
    request = pb.PredictRequest(model="tiny", features=[1, 2]).SerializeToString()
    traces = [f"{n:032x}" for n in range(1, 7)]
    calls = [
        mesh_pb2.Call(
            id=at,
            method="/mlmesh.v1.PredictorService/Predict",
            request=request,
            traceparent=f"00-{trace}-{PARENT}-0{at % 2}",
            tracestate=f"n={at}",
        )
        for at, trace in enumerate(traces)
    ]
    async with receiving() as receiver:
        async with (
            traced_mesh([predictor_service(host)], tmp_path, receiver.endpoint) as mesh,
            grpc.aio.insecure_channel(f"127.0.0.1:{mesh.port}") as channel,
        ):
            stub = mesh_pb2_grpc.MeshServiceStub(channel)
            answer = await stub.CarryBatch(mesh_pb2.CarryRequest(calls=calls))
            assert all(reply.response for reply in answer.replies)
        spans = receiver.spans

    served = sorted((span for span in spans if span.kind == SERVER), key=lambda span: span.trace)
    batch = one(spans, "batch tiny")
    assert [(span.trace, span.parent, span.state) for span in served] == [
        (traces[at], PARENT, f"n={at}") for at in (1, 3, 5)
    ]
    assert batch.attributes["mlmesh.batch.items"] == 6
    assert sorted(batch.links) == sorted(span.id for span in served)
    assert batch.parent in batch.links
    others = [span for span in served if span.id != batch.parent]
    assert all(span.links == [batch.id] for span in others)


async def test_failures_are_seen_without_what_was_sent(host: Host, tmp_path: Path) -> None:
    async with receiving() as receiver:
        async with traced_mesh([predictor_service(host)], tmp_path, receiver.endpoint) as mesh:
            wrong = {"model": "kinds", "named_features": {"canary": 1}}
            await mesh.client.post("/v1/models/kinds:predict", json=wrong, headers=SAMPLED)
        spans = receiver.spans

    served = one(spans, "mlmesh.v1.PredictorService/Predict")
    assert served.attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"
    assert served.events == [("exception", {"exception.type": "InvalidInput"})]
    assert not served.failed
    assert (
        one(spans, "POST /v1/models/{model}:predict", GATEWAY).attributes[
            "http.response.status_code"
        ]
        == 400
    )
    assert b"canary" not in receiver.raw


class Flaky:
    """A servicer that is not there the first time, and crashes for one model."""

    def __init__(self) -> None:
        self.calls = 0

    async def Predict(self, request: pb.PredictRequest, call: Call) -> pb.PredictResponse:
        self.calls += 1
        if self.calls == 1:
            raise Unavailable("not just now")
        if request.model == "broken":
            raise ValueError(f"cannot do {request.features}")
        return pb.PredictResponse(model="tiny")

    async def BatchPredict(self, request: object, call: Call) -> pb.BatchPredictResponse:
        return pb.BatchPredictResponse()

    async def Explain(self, request: object, call: Call) -> pb.ExplainResponse:
        return pb.ExplainResponse()


async def test_retries_and_crashes_are_seen(tmp_path: Path) -> None:
    service = Service(CONTRACT, Flaky(), {"StreamPredict": "Predict"})
    async with receiving() as receiver:
        async with traced_mesh([service], tmp_path, receiver.endpoint) as mesh:
            good = await mesh.client.post(PREDICT, json=ROW, headers=SAMPLED)
            crashed = await mesh.client.post(
                "/v1/models/broken:predict", json={"features": [4711.25]}, headers=SAMPLED
            )
        spans = receiver.spans

    assert (good.status_code, crashed.status_code) == (200, 500)
    served = [span for span in spans if span.service == "mlmesh-predictor"]
    assert [
        (
            span.attributes["rpc.response.status_code"],
            span.attributes["mlmesh.attempt"],
            span.failed,
        )
        for span in served
    ] == [("UNAVAILABLE", 0, True), ("OK", 1, False), ("INTERNAL", 0, True)]
    assert served[2].events == [("exception", {"exception.type": "ValueError"})]
    sent = [span for span in spans if span.kind == CLIENT]
    assert [span.events for span in sent] == [
        [("sent again", {"attempt": 1})],
        [("exception", {"exception.type": "Relayed"})],
    ]
    assert b"4711.25" not in receiver.raw
    assert [span.failed for span in spans if span.name.startswith("POST")] == [False, True]


async def test_a_collector_that_is_away_is_said_once_and_holds_up_nobody(
    host: Host, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        # Bound and not listened on: nobody answers there, and nobody else gets it.
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with traced_mesh(
            [predictor_service(host)], tmp_path, endpoint, flush_seconds=0.5
        ) as mesh:
            for _ in range(20):
                answer = await mesh.client.post(PREDICT, json=ROW, headers=SAMPLED)
                assert answer.status_code == 200
            leaving = time.monotonic()
        left = time.monotonic()

    # Half a second each for the gateway and the predictor, times ten, and their drains.
    assert left - leaving < 10 + 20
    said = [record for record in caplog.records if "opentelemetry" in record.name]
    assert not said
    assert sum(record.getMessage() == "traces are not taken" for record in caplog.records) <= 2


async def test_without_a_collector_the_sdk_is_not_even_imported() -> None:
    script = (
        "import sys, asyncio, gateway.running, mlmesh.runtime.serving\n"
        "assert not [one for one in sys.modules if one.startswith('opentelemetry')]"
    )
    process = await asyncio.create_subprocess_exec(
        "python", "-c", script, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
