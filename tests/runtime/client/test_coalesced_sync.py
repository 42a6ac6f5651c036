"""What users of plain stubs see when the calls of their threads leave together."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status

from mlmesh.runtime.channel import Coalescing, connect
from mlmesh.v1 import mesh_pb2, predictor_pb2 as pb, predictor_pb2_grpc as rpc
from tests.gated import GatedPredictor
from tests.runtime.client.answers import CALLS, FEATURES, in_thread, sync_outcome
from tests.runtime.coalescing.carrying import calls_of, replies, serving

PREDICT = "/mlmesh.v1.PredictorService/Predict"
BOTH = pytest.mark.parametrize("coalesce", [False, True])


async def test_answers_and_failures_are_those_of_plain_calls(predictor_port: int) -> None:
    def ask(coalesce: bool) -> list[Any]:
        with connect(f"127.0.0.1:{predictor_port}", coalesce=coalesce) as channel:
            return [sync_outcome(channel, request) for request in CALLS]

    assert await in_thread(ask, True) == await in_thread(ask, False)


async def test_calls_of_many_threads_each_get_their_own_answer(predictor_port: int) -> None:
    requests = [CALLS[number % len(CALLS)] for number in range(400)]

    def ask() -> tuple[list[Any], list[Any]]:
        with (
            connect(f"127.0.0.1:{predictor_port}", coalesce=True) as channel,
            ThreadPoolExecutor(16) as threads,
        ):
            expected = [sync_outcome(channel, request) for request in CALLS]
            return expected, list(threads.map(lambda one: sync_outcome(channel, one), requests))

    expected, found = await in_thread(ask)

    assert found == expected * (len(requests) // len(CALLS))


async def test_calls_of_many_threads_leave_together() -> None:
    sizes: list[int] = []

    async def counting(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        yield replies()
        async for message in requests:
            calls = mesh_pb2.CarryRequest.FromString(message).calls
            sizes.append(len(calls))
            yield replies(*(mesh_pb2.Reply(id=call.id) for call in calls))

    def ask(address: str) -> None:
        with connect(address, coalesce=Coalescing(message_calls=50)) as channel:
            unary: Any = channel.unary_unary(PREDICT)
            for call in [unary.future(b"") for _ in range(200)]:
                call.result(20)

    async with serving(counting) as address:
        await in_thread(ask, address)

    assert sum(sizes) == 200
    assert 1 < max(sizes) <= 50


@BOTH
async def test_a_call_ends_at_its_deadline(
    gated_port: int, gated: GatedPredictor, coalesce: bool
) -> None:
    def ask() -> grpc.StatusCode:
        with connect(f"127.0.0.1:{gated_port}", coalesce=coalesce) as channel:
            with pytest.raises(grpc.RpcError) as late:
                rpc.PredictorServiceStub(channel).Predict(pb.PredictRequest(), timeout=0.2)
            return late.value.code()

    began = time.monotonic()

    assert await in_thread(ask) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 5
    assert gated.began[0].remaining < 0.2


@BOTH
async def test_a_cancelled_call_is_cancelled_in_the_service(
    gated_port: int, gated: GatedPredictor, coalesce: bool
) -> None:
    begun = threading.Event()

    def ask() -> None:
        with connect(f"127.0.0.1:{gated_port}", coalesce=coalesce) as channel:
            call = rpc.PredictorServiceStub(channel).Predict.future(pb.PredictRequest())
            with pytest.raises(grpc.FutureTimeoutError):
                call.result(0.01)
            assert begun.wait(20)
            assert call.running()

            call.cancel()
            with pytest.raises(grpc.FutureCancelledError):
                call.result()

            assert call.cancelled()
            assert call.code() is grpc.StatusCode.CANCELLED

    asking = asyncio.create_task(in_thread(ask))
    await gated.has_begun()
    begun.set()
    await asyncio.wait_for(gated.cancelled.wait(), 10)
    await asking


@BOTH
async def test_a_channel_that_closes_cancels_its_calls_and_takes_no_more(
    gated_port: int, gated: GatedPredictor, coalesce: bool
) -> None:
    begun = threading.Event()

    def ask() -> tuple[grpc.StatusCode, str | None]:
        with ThreadPoolExecutor(1) as thread:
            with connect(f"127.0.0.1:{gated_port}", coalesce=coalesce) as channel:
                stub = rpc.PredictorServiceStub(channel)
                waiting = thread.submit(stub.Predict, pb.PredictRequest())
                assert begun.wait(20)
            with pytest.raises(ValueError, match="closed channel"):
                stub.Predict(pb.PredictRequest())
            with pytest.raises(grpc.RpcError) as closed:
                waiting.result(10)
            return closed.value.code(), closed.value.details()

    asking = asyncio.create_task(in_thread(ask))
    await gated.has_begun()
    begun.set()

    assert await asking == (grpc.StatusCode.CANCELLED, "Channel closed!")


@BOTH
async def test_a_call_tells_how_it_went(predictor_port: int, coalesce: bool) -> None:
    def ask() -> None:
        with connect(f"127.0.0.1:{predictor_port}", coalesce=coalesce) as channel:
            stub = rpc.PredictorServiceStub(channel)
            answer, call = stub.Predict.with_call(
                FEATURES, timeout=5, metadata=(("x-request-id", "mine"),)
            )
            ended = threading.Event()
            refused = stub.Predict.future(CALLS[2])
            refused.add_done_callback(lambda _: ended.set())
            error: Any = refused.exception(10)
            status = rpc_status.from_call(error)

            assert answer.request_id == "mine"
            assert call.code() is grpc.StatusCode.OK
            assert not call.is_active()
            assert ended.wait(10)
            assert refused.code() is error.code() is grpc.StatusCode.NOT_FOUND
            assert status is not None
            assert status.details

    await in_thread(ask)


async def test_what_no_message_has_a_place_for_goes_on_its_own() -> None:
    async def carried(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        yield replies()
        async for one in calls_of(requests):
            yield replies(mesh_pb2.Reply(id=one.id, response=b"carried"))

    def ask(address: str) -> list[Any]:
        metadata = (("authorization", "me"),)
        with connect(address, coalesce=True) as channel:
            call: Any = channel.unary_unary(PREDICT)
            return [
                call(b""),
                call(b"", metadata=metadata),
                call.future(b"", metadata=metadata).result(),
                call.with_call(b"", metadata=iter(metadata))[0],
            ]

    async with serving(carried) as address:
        assert await in_thread(ask, address) == [b"carried", b"plain", b"plain", b"plain"]


async def test_interceptors_and_streams_work_as_ever(predictor_port: int) -> None:
    seen: list[str] = []

    class Seeing(grpc.UnaryUnaryClientInterceptor):
        def intercept_unary_unary(
            self, continuation: Any, client_call_details: Any, request: Any
        ) -> Any:
            seen.append(client_call_details.method)
            return continuation(client_call_details, request)

    def ask() -> tuple[str, list[str]]:
        with connect(f"127.0.0.1:{predictor_port}", coalesce=True) as channel:
            stub = rpc.PredictorServiceStub(grpc.intercept_channel(channel, Seeing()))
            streamed = stub.StreamPredict(iter([pb.StreamPredictRequest(id="1", request=FEATURES)]))
            return stub.Predict(FEATURES).model, [answer.id for answer in streamed]

    assert await in_thread(ask) == ("tiny", ["1"])
    assert seen == [PREDICT]


FORKED = """
import os, sys
from mlmesh.runtime.channel import connect
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc

def ask(channel):
    stub = rpc.PredictorServiceStub(channel)
    return stub.Predict(pb.PredictRequest(features=[1.25, 3.5])).model

def ended_well(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

first = os.fork()
if not first:
    with connect(sys.argv[1], coalesce=True) as channel:
        answer = ask(channel)
    os._exit(answer != "tiny")
connection = connect(sys.argv[1], coalesce=True)
channel = connection.__enter__()
assert ask(channel) == "tiny"
second = os.fork()
if not second:
    try:
        ask(channel)
    except RuntimeError as error:
        os._exit("connect after the fork" not in str(error))
    os._exit(2)
assert ended_well(first) and ended_well(second)
assert ask(channel) == "tiny"
print("well")
"""


async def test_forked_processes_connect_anew_and_programs_may_forget_to_close(
    predictor_port: int,
) -> None:
    root = Path(__file__).parents[3]
    program = [sys.executable, "-c", FORKED, f"127.0.0.1:{predictor_port}"]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'generated'}",
        # gRPC's own handlers of forks crash a child now and then.
        "GRPC_ENABLE_FORK_SUPPORT": "0",
    }

    done = await in_thread(
        lambda: subprocess.run(program, env=environment, capture_output=True, text=True, timeout=50)
    )

    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        connect("a:1,,b:2", coalesce=True).__enter__()
