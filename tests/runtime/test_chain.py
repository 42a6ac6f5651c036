from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.runtime.admission import Limits
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Chain, Service
from mlmesh.runtime.errors import DeadlineExceeded
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc
from tests.conftest import Serve
from tests.gated import GatedPredictor


async def test_a_caller_without_a_deadline_gets_the_contracts(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    gated.gate.set()

    await rpc.PredictorServiceStub(gated_channel).Predict(pb.PredictRequest())

    assert 4 < gated.began[0].remaining <= 5


async def test_a_caller_can_shorten_the_deadline_but_not_stretch_it(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    gated.gate.set()
    stub = rpc.PredictorServiceStub(gated_channel)

    await stub.Predict(pb.PredictRequest(), timeout=2)
    await stub.Predict(pb.PredictRequest(), timeout=600)

    # gRPC rounds up what it sends.
    assert 1 < gated.began[0].remaining < 2.1
    assert gated.began[1].remaining <= 5


async def test_work_ends_at_the_deadline(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    stub = rpc.PredictorServiceStub(gated_channel)

    with pytest.raises(grpc.aio.AioRpcError) as late:
        await stub.Predict(pb.PredictRequest(), timeout=0.3)

    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(gated.cancelled.wait(), 5)


async def test_a_caller_that_hangs_up_ends_its_work(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    call = rpc.PredictorServiceStub(gated_channel).Predict(pb.PredictRequest())
    await gated.has_begun()

    call.cancel()

    await asyncio.wait_for(gated.cancelled.wait(), 5)


async def test_an_unexpected_failure_tells_the_caller_nothing(
    gated_channel: grpc.aio.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await rpc.PredictorServiceStub(gated_channel).Predict(pb.PredictRequest(model="broken"))

    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert failed.value.details() == "internal error"
    assert "the secret is 42" in caplog.text


async def test_bytes_that_are_no_message_are_the_callers_mistake(
    gated_channel: grpc.aio.Channel,
) -> None:
    call: Any = gated_channel.unary_unary("/mlmesh.v1.PredictorService/Predict")

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(b"\xff\xff\xff")

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == ("the request is not a serialised mlmesh.v1.PredictRequest")


async def test_calls_beyond_the_limit_are_refused_at_once_and_told_when_to_come_back(
    serve: Serve, gated: GatedPredictor
) -> None:
    async with (
        serve(Limits(calls=2)) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = rpc.PredictorServiceStub(channel)
        held = [stub.Predict(pb.PredictRequest()) for _ in range(2)]
        await gated.has_begun(2)

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Predict(pb.PredictRequest())
        gated.gate.set()
        answers = await asyncio.gather(*held)

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailing = dict(refused.value.trailing_metadata())
    assert 1000 <= int(trailing["grpc-retry-pushback-ms"]) <= 2000
    assert len(answers) == 2


async def test_requests_of_more_bytes_than_the_limit_are_refused_until_there_is_room(
    serve: Serve, gated: GatedPredictor
) -> None:
    large = pb.PredictRequest(features=[1.0] * 1000)
    async with (
        serve(Limits(request_bytes=10_000)) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = rpc.PredictorServiceStub(channel)
        held = stub.Predict(large)
        await gated.has_begun()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Predict(large)
        small = stub.Predict(pb.PredictRequest())
        await gated.has_begun()
        gated.gate.set()
        await asyncio.gather(held, small)
        await stub.Predict(large)

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "bytes are under way already" in str(refused.value.details())


async def test_streams_beyond_the_limit_are_refused(serve: Serve, gated: GatedPredictor) -> None:
    async def never() -> AsyncIterator[pb.StreamPredictRequest]:
        await asyncio.Event().wait()
        yield pb.StreamPredictRequest()

    async with (
        serve(Limits(streams=1)) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = rpc.PredictorServiceStub(channel)
        first = stub.StreamPredict(never())
        await first.wait_for_connection()
        gated.gate.set()
        second = stub.StreamPredict(iter([pb.StreamPredictRequest(id="1")]))

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await second.read()
        first.cancel()

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_message_above_the_limit_is_refused(
    predictor: rpc.PredictorServiceAsyncStub,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await predictor.Predict(pb.PredictRequest(features=[0.0] * (8 * 2**20 + 1)))

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_callers_request_id_comes_back_and_a_bad_one_does_not(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    gated.gate.set()
    stub = rpc.PredictorServiceStub(gated_channel)

    kept = await stub.Predict(pb.PredictRequest(), metadata=(("x-request-id", "a-1"),))
    made = await stub.Predict(pb.PredictRequest(), metadata=(("x-request-id", "a b" * 99),))

    assert kept.request_id == "a-1"
    assert len(made.request_id) == 24


async def test_every_call_is_counted_by_its_outcome(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor, registry: CollectorRegistry
) -> None:
    gated.gate.set()
    stub = rpc.PredictorServiceStub(gated_channel)

    await stub.Predict(pb.PredictRequest())
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Predict(pb.PredictRequest(model="broken"))

    def counted(status: str) -> float | None:
        labels = {"modality": "tabular", "status": status}
        return registry.get_sample_value("prediction_requests_total", labels)

    assert (counted("OK"), counted("INTERNAL")) == (1, 1)
    assert (
        registry.get_sample_value("prediction_latency_seconds_count", {"modality": "tabular"}) == 2
    )


async def test_a_call_whose_deadline_has_passed_never_begins(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    contract = pb.DESCRIPTOR.services_by_name["PredictorService"]
    service = Service(contract, gated, {"StreamPredict": "Predict"})
    chain = Chain([service], Limits(), ServerMetrics(CollectorRegistry()))

    with pytest.raises(DeadlineExceeded):
        await chain.answer(
            "/mlmesh.v1.PredictorService/Predict", b"", Call("late", time.monotonic() - 1)
        )

    assert not gated.began
