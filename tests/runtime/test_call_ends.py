"""Every call that was begun is told its end, whatever fails on the way, and leaves nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2
from prometheus_client import CollectorRegistry

from mlmesh.runtime.admission import Limits
from mlmesh.runtime.call import CURRENT, Call, deadline_after
from mlmesh.runtime.carry import MeshService
from mlmesh.runtime.chain import Chain, Service
from mlmesh.runtime.deadlines import Deadlines
from mlmesh.runtime.done import Done, GiveUp
from mlmesh.runtime.errors import DeadlineExceeded, InternalError, InvalidInput, ServingError
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.v1 import mesh_pb2, predictor_pb2 as pb

SERVICE = "/mlmesh.v1.PredictorService"
CONTRACT = pb.DESCRIPTOR.services_by_name["PredictorService"]


class Soon:
    """Answers in the next turn; `Explain` with what is no message."""

    def Predict(
        self, request: pb.PredictRequest, call: Call, done: Done[pb.PredictResponse]
    ) -> GiveUp:
        if request.model == "refused":
            raise InvalidInput("model", "not this one")
        if request.model == "stuck":
            return self._give_up_in_vain
        return asyncio.get_running_loop().call_soon(done, pb.PredictResponse(), None).cancel

    async def BatchPredict(self, request: Message, call: Call) -> pb.BatchPredictResponse:
        if isinstance(request, pb.BatchPredictRequest) and request.model == "refused":
            raise InvalidInput("model", "not this one")
        return pb.BatchPredictResponse()

    async def Explain(self, request: Message, call: Call) -> pb.ExplainResponse:
        return cast(pb.ExplainResponse, "no message")

    def _give_up_in_vain(self) -> None:
        raise RuntimeError("the secret is 42")


def chain_of(refusal: Callable[[ServingError], ServingError] | None = None) -> Chain:
    more: Any = {} if refusal is None else {"refusal": refusal}
    service = Service(CONTRACT, Soon(), {"StreamPredict": "Predict"}, **more)
    return Chain([service], Limits(), ServerMetrics(CollectorRegistry(), "tabular"))


@contextmanager
def no_garbage() -> Iterator[None]:
    """The block makes nothing that only a search for cycles would free."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield
        gc.collect()
        found = [type(one).__name__ for one in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not found


def request_of(name: str, model: str = "") -> bytes:
    if name == "BatchPredict":
        return pb.BatchPredictRequest(model=model, rows=[pb.Row()]).SerializeToString()
    return pb.PredictRequest(model=model).SerializeToString()


def carried(name: str, model: str = "") -> mesh_pb2.Call:
    return mesh_pb2.Call(method=f"{SERVICE}/{name}", request=request_of(name, model))


def numbered(calls: list[mesh_pb2.Call]) -> mesh_pb2.CarryRequest:
    for number, call in enumerate(calls):
        call.id = number
    return mesh_pb2.CarryRequest(calls=calls)


async def in_a_message(chain: Chain, calls: list[mesh_pb2.Call]) -> list[mesh_pb2.Reply]:
    waiting = MeshService(chain).CarryBatch(numbered(calls), Call("x"))
    return sorted((await asyncio.wait_for(waiting, 5)).replies, key=lambda reply: reply.id)


async def in_a_stream(chain: Chain, calls: list[mesh_pb2.Call]) -> list[mesh_pb2.Reply]:
    async def requests() -> AsyncIterator[mesh_pb2.CarryRequest]:
        yield numbered(calls)

    replies: list[mesh_pb2.Reply] = []
    async with asyncio.timeout(5):
        async for response in MeshService(chain).Carry(requests(), Call("x")):
            replies += response.replies
    return sorted(replies, key=lambda reply: reply.id)


CARRIED = pytest.mark.parametrize("carry", [in_a_message, in_a_stream])
Carry = Callable[[Chain, list[mesh_pb2.Call]], Awaitable[list[mesh_pb2.Reply]]]


@CARRIED
@pytest.mark.parametrize(
    ("name", "model"),
    [("Predict", ""), ("Predict", "refused"), ("BatchPredict", ""), ("BatchPredict", "refused")],
)
async def test_carried_calls_leave_no_garbage(carry: Carry, name: str, model: str) -> None:
    chain = chain_of()
    await carry(chain, [carried(name, model)])
    with no_garbage():
        replies = await carry(chain, [carried(name, model) for _ in range(3)])
        failed = [bool(reply.status.code) for reply in replies]
        del replies

    assert failed == [model == "refused"] * 3


@pytest.mark.parametrize(
    ("name", "model", "seconds"),
    [
        ("Predict", "", 60),
        ("Predict", "", -1),
        ("Predict", "refused", 60),
        ("BatchPredict", "", 60),
        ("BatchPredict", "", -1),
        ("BatchPredict", "refused", 60),
    ],
)
async def test_plain_calls_leave_no_garbage(name: str, model: str, seconds: float) -> None:
    chain = chain_of()

    async def fails() -> bool:
        call = Call("x", deadline_after(seconds))
        try:
            await chain.answer(f"{SERVICE}/{name}", request_of(name, model), call)
        except ServingError:
            return True
        return False

    await fails()
    with no_garbage():
        failed = await fails()

    assert failed == (model == "refused" or seconds < 0)


@CARRIED
async def test_an_answer_that_cannot_be_written_harms_only_its_own_call(carry: Carry) -> None:
    replies = await carry(chain_of(), [carried("Explain"), carried("Predict")])

    assert [reply.status.code for reply in replies] == [code_pb2.INTERNAL, code_pb2.OK]


@CARRIED
async def test_a_refusal_that_cannot_be_put_in_other_terms_harms_only_its_own_call(
    carry: Carry,
) -> None:
    def broken(error: ServingError) -> ServingError:
        raise RuntimeError("the secret is 42")

    calls = [carried("Predict", "refused"), carried("BatchPredict", "refused"), carried("Predict")]
    replies = await carry(chain_of(broken), calls)

    assert [reply.status.code for reply in replies] == [
        code_pb2.INTERNAL,
        code_pb2.INTERNAL,
        code_pb2.OK,
    ]
    assert "42" not in str(replies)


async def test_a_call_that_cannot_be_given_up_is_told_and_keeps_no_deadline_from_others() -> None:
    chain = chain_of()
    ends: list[BaseException | None] = []
    request = request_of("Predict", "stuck")
    for seconds in (0.02, 0.02, 0.05):
        call = Call("x", deadline_after(seconds))
        chain.begin(f"{SERVICE}/Predict", request, call, lambda _, error: ends.append(error))

    async with asyncio.timeout(5):
        while len(ends) < 3:
            await asyncio.sleep(0.01)

    assert all(isinstance(end, InternalError | DeadlineExceeded) for end in ends)


async def test_deadlines_of_others_are_not_watched_in_the_name_of_a_call() -> None:
    seen: list[Call | None] = []
    deadlines: Deadlines[int] = Deadlines(lambda _: seen.append(CURRENT.get()))
    token = CURRENT.set(Call("first"))
    deadlines.add(1, deadline_after(0.01))
    CURRENT.reset(token)
    deadlines.add(2, deadline_after(0.03))
    async with asyncio.timeout(5):
        while len(seen) < 2:
            await asyncio.sleep(0.005)

    assert seen == [None, None]


async def test_what_is_added_while_deadlines_pass_does_not_delay_others() -> None:
    loop = asyncio.get_running_loop()
    ended: list[int] = []

    def end(member: int) -> None:
        ended.append(member)
        if member == 1:
            deadlines.add(3, deadline_after(60))

    deadlines: Deadlines[int] = Deadlines(end)
    deadlines.add(1, deadline_after(0.01))
    deadlines.add(2, deadline_after(0.05))
    began = loop.time()
    while ended != [1, 2] and loop.time() < began + 5:
        await asyncio.sleep(0.005)
    deadlines.close()

    assert ended == [1, 2]
