from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from mlmesh.runtime.admission import Limits
from mlmesh.v1 import mesh_pb2 as pb, mesh_pb2_grpc as rpc, predictor_pb2, predictor_pb2_grpc
from tests.conftest import Serve
from tests.gated import GatedPredictor

PREDICT = "/mlmesh.v1.PredictorService/Predict"


def call(call_id: int, features: list[float], **fields: object) -> pb.Call:
    request = predictor_pb2.PredictRequest(features=features, model=str(fields.pop("model", "")))
    return pb.Call(
        id=call_id,
        method=PREDICT,
        request=request.SerializeToString(),
        **fields,  # type: ignore[arg-type]
    )


async def carried(
    mesh: rpc.MeshServiceAsyncStub, requests: list[pb.CarryRequest]
) -> dict[int, pb.Reply]:
    return {
        reply.id: reply
        async for response in mesh.Carry(iter(requests))
        for reply in response.replies
    }


def scored(reply: pb.Reply) -> predictor_pb2.PredictResponse:
    """The answer without what differs from run to run."""
    answer = predictor_pb2.PredictResponse.FromString(reply.response)
    answer.ClearField("inference_time_ms")
    return answer


@pytest.mark.parametrize("unary", [False, True])
async def test_a_carried_call_answers_as_a_plain_one_bit_by_bit(
    mesh: rpc.MeshServiceAsyncStub,
    predictor: predictor_pb2_grpc.PredictorServiceAsyncStub,
    unary: bool,
) -> None:
    request = predictor_pb2.PredictRequest(features=[1.25, 3.5])
    plain = await predictor.Predict(request, metadata=(("x-request-id", "same"),))
    plain.ClearField("inference_time_ms")
    message = pb.CarryRequest(calls=[call(7, [1.25, 3.5], request_id="same")])

    if unary:
        [reply] = (await mesh.CarryBatch(message)).replies
    else:
        [reply] = (await carried(mesh, [message])).values()

    assert reply.id == 7
    assert not reply.HasField("status")
    assert scored(reply).SerializeToString() == plain.SerializeToString()


async def test_each_call_of_a_message_gets_its_own_status(mesh: rpc.MeshServiceAsyncStub) -> None:
    calls = [
        call(1, [1, 2]),
        call(2, [1]),
        call(3, [float("nan"), 1]),
        call(4, [1, 2], model="nobody"),
        pb.Call(id=5, method="/mlmesh.v1.PredictorService/Nothing"),
        pb.Call(id=6, method=PREDICT, request=b"\xff\xff"),
        pb.Call(id=7, method="/mlmesh.v1.MeshService/CarryBatch"),
        call(8, [3, 4]),
    ]

    replies = await carried(mesh, [pb.CarryRequest(calls=calls)])

    assert {call_id: reply.status.code for call_id, reply in replies.items()} == {
        1: 0,
        2: 3,
        3: 3,
        4: 5,
        5: 12,
        6: 3,
        7: 3,
        8: 0,
    }
    assert replies[3].status.message == "features[0]: must be finite"
    assert scored(replies[8]).label == "a"


async def test_the_same_violation_is_told_to_plain_and_carried_callers(
    mesh: rpc.MeshServiceAsyncStub, predictor: predictor_pb2_grpc.PredictorServiceAsyncStub
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as plain:
        await predictor.Predict(predictor_pb2.PredictRequest(features=[1, float("inf")]))

    replies = await carried(mesh, [pb.CarryRequest(calls=[call(1, [1, float("inf")])])])

    assert replies[1].status.message == plain.value.details()
    details = dict(plain.value.trailing_metadata())["grpc-status-details-bin"]
    assert replies[1].status.SerializeToString() == details


class Conversation:
    """A Carry stream whose messages a test sends one by one."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._messages: asyncio.Queue[pb.CarryRequest | None] = asyncio.Queue()
        self.stream = rpc.MeshServiceStub(channel).Carry(self._sent())
        self._answers = aiter(self.stream)

    async def _sent(self) -> AsyncIterator[pb.CarryRequest]:
        while (message := await self._messages.get()) is not None:
            yield message

    def send(self, *calls: pb.Call, cancelled: tuple[int, ...] = ()) -> None:
        self._messages.put_nowait(pb.CarryRequest(calls=calls, cancelled=cancelled))

    def end(self) -> None:
        self._messages.put_nowait(None)

    async def message(self) -> pb.CarryResponse:
        """The next one with replies."""
        message: pb.CarryResponse = await anext(self._answers)
        return message if message.replies else await self.message()

    async def replies(self) -> list[pb.Reply]:
        return [reply async for response in self._answers for reply in response.replies]


async def test_a_cancelled_call_ends_and_its_neighbours_are_answered(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    conversation = Conversation(gated_channel)
    conversation.send(call(1, [], model="one"), call(2, [], model="two"))
    await gated.has_begun(2)

    conversation.send(cancelled=(1,))
    await asyncio.wait_for(gated.cancelled.wait(), 5)
    gated.gate.set()
    conversation.end()

    assert [reply.id for reply in await conversation.replies()] == [2]


async def test_a_call_past_its_own_deadline_fails_alone(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    conversation = Conversation(gated_channel)
    conversation.send(call(1, [], timeout_us=200_000), call(2, []))

    first = await conversation.message()
    gated.gate.set()
    conversation.end()
    rest = await conversation.replies()

    assert [(reply.id, reply.status.code) for reply in first.replies] == [(1, 4)]
    assert [(reply.id, reply.status.code) for reply in rest] == [(2, 0)]


async def test_an_id_that_is_under_way_is_refused(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    conversation = Conversation(gated_channel)
    conversation.send(call(1, []), call(1, []))

    refused = await conversation.message()
    gated.gate.set()
    conversation.end()
    rest = await conversation.replies()

    assert [(reply.id, reply.status.code) for reply in refused.replies] == [(1, 6)]
    assert [(reply.id, reply.status.code) for reply in rest] == [(1, 0)]


async def test_a_caller_that_leaves_ends_all_of_its_calls(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    conversation = Conversation(gated_channel)
    conversation.send(call(1, []))
    await gated.has_begun()

    conversation.stream.cancel()

    await asyncio.wait_for(gated.cancelled.wait(), 5)


async def test_a_carried_call_carries_its_context(
    gated_channel: grpc.aio.Channel, gated: GatedPredictor
) -> None:
    gated.gate.set()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    message = pb.CarryRequest(
        calls=[
            call(1, [], request_id="r", traceparent=trace, priority=3, principal="alice"),
        ]
    )

    await rpc.MeshServiceStub(gated_channel).CarryBatch(message)

    [seen] = gated.began
    assert (seen.request_id, seen.traceparent) == ("r", trace)
    assert (seen.priority, seen.principal) == (3, "alice")
    assert seen.remaining <= 5


async def test_a_message_with_too_many_calls_is_refused(mesh: rpc.MeshServiceAsyncStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await mesh.CarryBatch(pb.CarryRequest(calls=[pb.Call()] * 4097))

    assert refused.value.details() == "calls: must contain no more than 4096 item(s)"


async def test_a_call_that_is_cancelled_with_its_message_ends_as_well(
    gated_channel: grpc.aio.Channel,
) -> None:
    conversation = Conversation(gated_channel)
    conversation.send(call(1, []), cancelled=(1,))
    conversation.end()

    assert await asyncio.wait_for(conversation.replies(), 5) == []


async def test_a_caller_that_does_not_take_its_replies_is_not_read_from(
    gated_channel: grpc.aio.Channel,
) -> None:
    sent = 0

    async def messages() -> AsyncIterator[pb.CarryRequest]:
        nonlocal sent
        nowhere = "/nowhere/" + "x" * 500
        for sent in range(1000):  # noqa: B007 counted outside
            yield pb.CarryRequest(calls=[pb.Call(id=n, method=nowhere) for n in range(1000)])

    stream = rpc.MeshServiceStub(gated_channel).Carry(messages())
    await stream.read()
    await asyncio.sleep(1.5)
    stream.cancel()

    # What HTTP/2's windows hold and one stream may have under way; not the whole million.
    assert sent < 200


async def test_many_large_replies_leave_in_messages_that_any_client_takes(
    mesh: rpc.MeshServiceAsyncStub,
) -> None:
    path = "/mlmesh.v1.ModelsService/ListModels"
    calls = [pb.Call(id=number, method=path) for number in range(4000)]

    messages = [one async for one in mesh.Carry(iter([pb.CarryRequest(calls=calls)]))]

    assert sum(len(message.replies) for message in messages) == 4000
    assert max(message.ByteSize() for message in messages) < 2 * 2**20


async def test_carrying_takes_no_place_of_the_calls_that_are_carried(
    serve: Serve, gated: GatedPredictor
) -> None:
    gated.gate.set()
    async with (
        serve(Limits(calls=2)) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        message = pb.CarryRequest(calls=[call(1, []), call(2, [])])
        answer = await rpc.MeshServiceStub(channel).CarryBatch(message)

    assert [reply.status.code for reply in answer.replies] == [0, 0]


async def test_a_server_that_drains_answers_what_it_read_and_ends_its_streams(
    serve: Serve, gated: GatedPredictor
) -> None:
    async with AsyncExitStack() as stack:
        server = AsyncExitStack()
        port = await server.enter_async_context(serve(Limits()))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        idle, busy = Conversation(channel), Conversation(channel)
        busy.send(call(1, []))
        await gated.has_begun()
        await idle.stream.wait_for_connection()

        began = time.monotonic()
        leaving = asyncio.create_task(server.aclose())
        idle_replies = await idle.replies()
        gated.gate.set()
        busy_replies = await busy.replies()
        await leaving
        seconds = time.monotonic() - began

    assert idle_replies == []
    assert [(reply.id, reply.status.code) for reply in busy_replies] == [(1, 0)]
    assert await busy.stream.code() is grpc.StatusCode.OK
    assert seconds < 5


async def test_an_idle_stream_of_items_ends_when_the_server_drains(
    serve: Serve, gated: GatedPredictor
) -> None:
    gated.gate.set()

    async def one_and_no_more() -> AsyncIterator[predictor_pb2.StreamPredictRequest]:
        yield predictor_pb2.StreamPredictRequest(id="one")
        await asyncio.Event().wait()

    async with AsyncExitStack() as stack:
        server = AsyncExitStack()
        port = await server.enter_async_context(serve(Limits()))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        stream = predictor_pb2_grpc.PredictorServiceStub(channel).StreamPredict(one_and_no_more())
        first: Any = await stream.read()

        leaving = asyncio.create_task(server.aclose())
        end = await stream.read()
        await leaving

    assert first.id == "one"
    assert end is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK
