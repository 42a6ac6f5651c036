"""What users of asyncio's stubs see when their calls leave together."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from mlmesh.runtime.channel import Coalescing, connect
from mlmesh.v1 import mesh_pb2, predictor_pb2 as pb, predictor_pb2_grpc as rpc
from tests.gated import GatedPredictor
from tests.runtime.client.answers import CALLS, FEATURES, aio_outcome
from tests.runtime.coalescing.carrying import calls_of, replies, serving
from tests.runtime.coalescing.counted import counted

PREDICT = "/mlmesh.v1.PredictorService/Predict"
BOTH = pytest.mark.parametrize("coalesce", [False, True])


async def test_answers_and_failures_are_those_of_plain_calls(predictor_port: int) -> None:
    address = f"127.0.0.1:{predictor_port}"

    async with connect(address) as plain, connect(address, coalesce=True) as coalesced:
        expected = [await aio_outcome(plain, request) for request in CALLS]
        together = await asyncio.gather(*(aio_outcome(coalesced, request) for request in CALLS))

    assert together == expected
    assert {type(outcome).__name__ for outcome in expected} == {"PredictResponse", "Failure"}


async def test_one_call_that_fails_harms_none_of_many(predictor_port: int) -> None:
    requests = [CALLS[2] if number == 250 else FEATURES for number in range(500)]

    async with connect(f"127.0.0.1:{predictor_port}", coalesce=True) as channel:
        outcomes = await asyncio.gather(*(aio_outcome(channel, request) for request in requests))

    failed = [at for at, one in enumerate(outcomes) if not isinstance(one, pb.PredictResponse)]
    assert failed == [250]


@BOTH
async def test_a_call_ends_at_its_deadline(
    gated_port: int, gated: GatedPredictor, coalesce: bool
) -> None:
    async with connect(f"127.0.0.1:{gated_port}", coalesce=coalesce) as channel:
        stub = rpc.PredictorServiceStub(channel)
        began = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await stub.Predict(pb.PredictRequest(), timeout=0.2)
        with pytest.raises(grpc.aio.AioRpcError) as at_once:
            await stub.Predict(pb.PredictRequest(), timeout=0)

    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert at_once.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 5
    assert gated.began[0].remaining < 0.2


@BOTH
async def test_a_cancelled_call_is_cancelled_in_the_service(
    gated_port: int, gated: GatedPredictor, coalesce: bool
) -> None:
    async with connect(f"127.0.0.1:{gated_port}", coalesce=coalesce) as channel:
        call = rpc.PredictorServiceStub(channel).Predict(pb.PredictRequest())
        await gated.has_begun()

        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(gated.cancelled.wait(), 10)

        assert call.cancelled()
        assert call.done()
        assert not call.cancel()
        assert await call.code() is grpc.StatusCode.CANCELLED
        assert await call.details() == "Locally cancelled by application!"


@BOTH
async def test_a_call_that_nobody_holds_any_more_is_given_up(
    gated_port: int, gated: GatedPredictor, coalesce: bool
) -> None:
    async with connect(f"127.0.0.1:{gated_port}", coalesce=coalesce) as channel:
        call = rpc.PredictorServiceStub(channel).Predict(pb.PredictRequest())
        await gated.has_begun()

        del call
        gc.collect()

        await asyncio.wait_for(gated.cancelled.wait(), 10)


@BOTH
async def test_a_channel_that_closes_cancels_its_calls_and_takes_no_more(
    gated_port: int, gated: GatedPredictor, coalesce: bool
) -> None:
    async with connect(f"127.0.0.1:{gated_port}", coalesce=coalesce) as channel:
        stub = rpc.PredictorServiceStub(channel)
        waiting = asyncio.ensure_future(stub.Predict(pb.PredictRequest()))
        await gated.has_begun()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 10)
    with pytest.raises(grpc.aio.UsageError):
        await stub.Predict(pb.PredictRequest())


@BOTH
async def test_a_call_tells_how_it_went(predictor_port: int, coalesce: bool) -> None:
    async with connect(f"127.0.0.1:{predictor_port}", coalesce=coalesce) as channel:
        stub = rpc.PredictorServiceStub(channel)
        ended: list[object] = []
        call = stub.Predict(FEATURES, timeout=5, metadata=(("x-request-id", "mine"),))
        call.add_done_callback(ended.append)
        left = call.time_remaining()
        answer = await call
        refused = stub.Predict(CALLS[2], metadata=(("x-request-id", "other"),))
        code = await refused.code()

        assert answer.request_id == "mine"
        assert left is not None
        assert 0 < left <= 5
        assert await call.code() is grpc.StatusCode.OK
        assert ended == [call]
        assert code is grpc.StatusCode.NOT_FOUND
        assert "nobody" in await refused.details()
        assert ("x-request-id", "other") in tuple(await refused.trailing_metadata())


async def carried(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    yield replies()
    async for one in calls_of(requests):
        yield replies(mesh_pb2.Reply(id=one.id, response=b"carried"))


async def test_calls_leave_together_within_the_bounds_that_were_set() -> None:
    sizes: list[int] = []

    async def counting(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        yield replies()
        async for message in requests:
            calls = mesh_pb2.CarryRequest.FromString(message).calls
            sizes.append(len(calls))
            yield replies(*(mesh_pb2.Reply(id=call.id) for call in calls))

    options = Coalescing(message_calls=50)
    async with serving(counting) as address, connect(address, coalesce=options) as channel:
        call: Any = channel.unary_unary(PREDICT)
        await asyncio.gather(*(call(b"") for _ in range(200)))

    assert sum(sizes) == 200
    assert max(sizes) == 50


async def test_what_no_message_has_a_place_for_goes_on_its_own() -> None:
    async with serving(carried) as address, connect(address, coalesce=True) as channel:
        call: Any = channel.unary_unary(PREDICT)

        assert await call(b"") == b"carried"
        assert await call(b"", metadata=(("traceparent", "00-ab"),)) == b"carried"
        assert await call(b"", metadata=(("authorization", "me"),)) == b"plain"
        assert await call(b"", wait_for_ready=True) == b"plain"
        assert await call(b"", compression=grpc.Compression.Gzip) == b"plain"


async def test_methods_of_no_known_contract_and_streams_go_as_ever(predictor_port: int) -> None:
    async with connect(f"127.0.0.1:{predictor_port}", coalesce=True) as channel:
        check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        stream = rpc.PredictorServiceStub(channel).StreamPredict()
        await stream.write(pb.StreamPredictRequest(id="1", request=FEATURES))
        await stream.done_writing()

        assert await check(b"", timeout=5)
        assert [answer.id async for answer in stream] == ["1"]


async def test_a_server_that_knows_no_carry_is_called_plainly_and_its_failures_are_its_own() -> (
    None
):
    async def predict(request: bytes, context: Any) -> bytes:
        if request:
            await context.abort(grpc.StatusCode.DATA_LOSS, "lost it", (("key", "value"),))
        return b"plain"

    async with serving(None, predict) as address, connect(address, coalesce=True) as channel:
        call: Any = channel.unary_unary(PREDICT)
        answers = await asyncio.gather(*(call(b"") for _ in range(20)))
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(b"a")

    assert set(answers) == {b"plain"}
    assert failed.value.code() is grpc.StatusCode.DATA_LOSS
    assert failed.value.details() == "lost it"
    assert ("key", "value") in tuple(failed.value.trailing_metadata())


async def test_a_server_that_was_killed_is_found_again(tmp_path: Path) -> None:
    async with counted(tmp_path / "first") as first:
        port = int(first.address.rpartition(":")[2])
        async with connect(first.address, coalesce=True) as channel:
            stub = rpc.PredictorServiceStub(channel)
            await stub.Predict(pb.PredictRequest(model="before"))
            first.send(signal.SIGKILL)
            await first.process.wait()

            with pytest.raises(grpc.aio.AioRpcError) as away:
                await stub.Predict(pb.PredictRequest(model="away"))
            async with counted(tmp_path / "second", port=port):
                answer = await asyncio.wait_for(answered(stub), 20)

    assert away.value.code() is grpc.StatusCode.UNAVAILABLE
    assert answer.label == "back"


async def answered(stub: rpc.PredictorServiceAsyncStub) -> pb.PredictResponse:
    while True:
        try:
            return await stub.Predict(pb.PredictRequest(model="back"))
        except grpc.aio.AioRpcError:
            await asyncio.sleep(0.05)


async def test_calls_under_way_go_to_the_replica_that_is_left(tmp_path: Path) -> None:
    async with (
        counted(tmp_path / "first", 0.3) as first,
        counted(tmp_path / "second", 0.3) as other,
    ):
        target = f"{first.address},{other.address}"
        async with connect(target, coalesce=True) as channel:
            stub = rpc.PredictorServiceStub(channel)
            async with asyncio.timeout(20):
                while not (first.executions() and other.executions()):
                    requests = [pb.PredictRequest(model="ready")] * 8
                    await asyncio.gather(*map(stub.Predict, requests))
            before = first.executions().total()
            names = [f"call-{number}" for number in range(100)]
            calls = [stub.Predict(pb.PredictRequest(model=name)) for name in names]
            await first.begun(before + 20)

            first.send(signal.SIGKILL)
            answers = await asyncio.gather(*calls)

    assert [answer.label for answer in answers] == names


async def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        async with connect("a:1,,b:2", coalesce=True):
            pass
