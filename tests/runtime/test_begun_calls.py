"""Unary methods that are begun and told, not awaited."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry

from mlmesh.runtime.admission import Limits
from mlmesh.runtime.call import CURRENT, Call, deadline_after
from mlmesh.runtime.carried_calls import TELL_SECONDS
from mlmesh.runtime.carry import MeshService
from mlmesh.runtime.chain import Chain, Service
from mlmesh.runtime.done import Done, GiveUp, then
from mlmesh.runtime.errors import DeadlineExceeded, InternalError, Overloaded, ServingError
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.unary_call import UnaryCall
from mlmesh.v1 import mesh_pb2, predictor_pb2 as pb
from tests.gated import GatedPredictor

PREDICT = "/mlmesh.v1.PredictorService/Predict"


class Begun:
    """Keeps what `Predict` was given for the test to tell; some models end at once."""

    def __init__(self) -> None:
        self.waiting: list[Done[pb.PredictResponse]] = []
        self.given_up = 0
        self.callers: list[Call | None] = []

    def Predict(
        self, request: pb.PredictRequest, call: Call, done: Done[pb.PredictResponse]
    ) -> GiveUp:
        self.callers.append(CURRENT.get())
        if request.model == "broken":
            raise RuntimeError("the secret is 42")
        if request.model == "quick":
            done(pb.PredictResponse(label="quick"), None)
        self.waiting.append(done)

        def give_up() -> None:
            self.given_up += 1
            done(None, asyncio.CancelledError())

        return give_up

    async def BatchPredict(self, request: Message, call: Call) -> pb.BatchPredictResponse:
        return pb.BatchPredictResponse()

    async def Explain(self, request: Message, call: Call) -> pb.ExplainResponse:
        return pb.ExplainResponse()


@pytest.fixture
def servicer() -> Begun:
    return Begun()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def chain(servicer: Begun, registry: CollectorRegistry) -> Chain:
    contract = pb.DESCRIPTOR.services_by_name["PredictorService"]
    service = Service(contract, servicer, {"StreamPredict": "Predict"})
    return Chain([service], Limits(calls=3), ServerMetrics(registry, "tabular"))


class Told:
    def __init__(self) -> None:
        self.ends: list[tuple[Message | None, BaseException | None]] = []

    def __call__(self, message: Message | None, error: BaseException | None) -> None:
        self.ends.append((message, error))


def begin(chain: Chain, told: Told, model: str = "", seconds: float = 60) -> UnaryCall:
    request = pb.PredictRequest(model=model).SerializeToString()
    return chain.begin(PREDICT, request, Call("x", deadline_after(seconds)), told)


async def test_an_answer_is_told_in_the_turn_in_which_it_comes(
    chain: Chain, servicer: Begun
) -> None:
    told = Told()
    begin(chain, told)
    assert not told.ends

    servicer.waiting[0](pb.PredictResponse(label="a"), None)

    assert told.ends == [(pb.PredictResponse(label="a"), None)]


async def test_an_answer_may_come_before_the_call_is_wholly_begun(chain: Chain) -> None:
    told = Told()

    for _ in range(5):
        begin(chain, told, "quick")

    assert told.ends == [(pb.PredictResponse(label="quick"), None)] * 5


async def test_it_can_be_awaited_like_any_other(chain: Chain, servicer: Begun) -> None:
    waiting = asyncio.create_task(chain.answer(PREDICT, b"", Call("x")))
    await asyncio.sleep(0)
    servicer.waiting[0](pb.PredictResponse(label="a"), None)

    assert pb.PredictResponse.FromString(await waiting).label == "a"


async def test_the_servicer_knows_its_caller_and_nobody_else_does(
    chain: Chain, servicer: Begun
) -> None:
    begin(chain, Told())

    [caller] = servicer.callers
    assert caller is not None
    assert caller.request_id == "x"
    assert CURRENT.get() is None


async def test_the_deadline_gives_it_up(chain: Chain, servicer: Begun) -> None:
    told = Told()
    began = time.monotonic()
    begin(chain, told, seconds=0.05)
    while not told.ends and time.monotonic() - began < 10:
        await asyncio.sleep(0.01)

    [(message, error)] = told.ends
    assert (message, type(error)) == (None, DeadlineExceeded)
    assert servicer.given_up == 1
    # What it says afterwards nobody hears.
    servicer.waiting[0](pb.PredictResponse(), None)
    assert len(told.ends) == 1


async def test_a_caller_that_leaves_gives_it_up_and_its_place_is_free(
    chain: Chain, servicer: Begun, registry: CollectorRegistry
) -> None:
    told = Told()
    calls = [begin(chain, told) for _ in range(4)]
    [(_, refused)] = told.ends
    assert isinstance(refused, Overloaded)

    for call in calls:
        call.give_up()
        call.give_up()

    assert [type(error) for _, error in told.ends[1:]] == [asyncio.CancelledError] * 3
    assert servicer.given_up == 3
    assert registry.get_sample_value("grpc_server_open_calls") == 0
    labels = {"grpc_service": "mlmesh.v1.PredictorService", "grpc_method": "Predict"}
    handled = registry.get_sample_value(
        "grpc_server_handled_total", {**labels, "grpc_code": "CANCELLED"}
    )
    assert handled == 3


async def test_what_it_raises_is_told_and_tells_nothing(
    chain: Chain, registry: CollectorRegistry
) -> None:
    told = Told()

    begin(chain, told, "broken")

    [(_, error)] = told.ends
    assert isinstance(error, InternalError)
    assert "42" not in str(error)
    assert registry.get_sample_value("grpc_server_open_calls") == 0


async def test_calls_that_are_over_are_no_garbage(chain: Chain, servicer: Begun) -> None:
    told = Told()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            begin(chain, told)
            servicer.waiting.pop()(pb.PredictResponse(), None)
        left = [one for one in gc.get_objects() if isinstance(one, UnaryCall)]
    finally:
        gc.enable()

    assert len(told.ends) == 3
    assert not left


def test_what_is_made_of_an_answer_may_fail() -> None:
    told = Told()

    def make(number: int) -> Message:
        if number < 0:
            raise ValueError("negative")
        return pb.PredictResponse(label=str(number))

    for number in (1, -1):
        then(make, told)(number, None)
    failure = ServingError("from below")
    then(make, told)(None, failure)

    assert told.ends[0] == (pb.PredictResponse(label="1"), None)
    assert [type(error) for _, error in told.ends[1:]] == [ValueError, ServingError]


async def test_a_message_of_slow_calls_is_said_to_be_read_before_they_end(chain: Chain) -> None:
    call = mesh_pb2.Call(id=1, method=PREDICT, timeout_us=60_000_000)

    async def requests() -> AsyncIterator[mesh_pb2.CarryRequest]:
        yield mesh_pb2.CarryRequest(calls=[call])
        await asyncio.Event().wait()

    stream: Any = MeshService(chain).Carry(requests(), Call("x"))
    await anext(stream)
    began = time.monotonic()

    read = await asyncio.wait_for(anext(stream), 10)

    assert (read.taken, len(read.replies)) == (1, 0)
    assert TELL_SECONDS * 0.9 <= time.monotonic() - began < 10 * TELL_SECONDS + 1
    await stream.aclose()


async def test_replies_say_what_was_read_without_a_message_of_its_own(chain: Chain) -> None:
    quick = pb.PredictRequest(model="quick").SerializeToString()
    messages = asyncio.Queue[mesh_pb2.CarryRequest]()

    async def requests() -> AsyncIterator[mesh_pb2.CarryRequest]:
        while True:
            yield await messages.get()

    stream: Any = MeshService(chain).Carry(requests(), Call("x"))
    await anext(stream)
    for number in range(1, 6):
        call = mesh_pb2.Call(id=number, method=PREDICT, request=quick, timeout_us=60_000_000)
        messages.put_nowait(mesh_pb2.CarryRequest(calls=[call]))

        answer = await asyncio.wait_for(anext(stream), 10)

        assert (answer.taken, [reply.id for reply in answer.replies]) == (number, [number])
    await stream.aclose()


async def test_the_id_of_a_cancelled_call_may_be_used_again(registry: CollectorRegistry) -> None:
    gated = GatedPredictor()
    contract = pb.DESCRIPTOR.services_by_name["PredictorService"]
    service = Service(contract, gated, {"StreamPredict": "Predict"})
    chain = Chain([service], Limits(), ServerMetrics(registry, "tabular"))
    messages = asyncio.Queue[mesh_pb2.CarryRequest]()

    async def requests() -> AsyncIterator[mesh_pb2.CarryRequest]:
        while True:
            yield await messages.get()

    def call(model: str) -> mesh_pb2.Call:
        request = pb.PredictRequest(model=model).SerializeToString()
        return mesh_pb2.Call(id=1, method=PREDICT, request=request, timeout_us=60_000_000)

    stream: Any = MeshService(chain).Carry(requests(), Call("x"))
    await anext(stream)
    messages.put_nowait(mesh_pb2.CarryRequest(calls=[call("first")]))
    messages.put_nowait(mesh_pb2.CarryRequest(cancelled=[1]))
    messages.put_nowait(mesh_pb2.CarryRequest(calls=[call("second")]))
    asyncio.get_running_loop().call_later(0.1, gated.gate.set)

    replies: list[mesh_pb2.Reply] = []
    while not replies:
        replies += (await asyncio.wait_for(anext(stream), 10)).replies

    assert [pb.PredictResponse.FromString(reply.response).label for reply in replies] == ["second"]
    await stream.aclose()
