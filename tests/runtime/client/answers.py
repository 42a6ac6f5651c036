"""Ways to make a call that all end in the same words: its answer, or how it failed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import status_pb2

from mlmesh.runtime.errors import reason_of
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc

FEATURES = pb.PredictRequest(features=[1.25, 3.5])
CALLS = [
    FEATURES,
    pb.PredictRequest(features=[1]),
    pb.PredictRequest(model="nobody", features=[1.25, 3.5]),
    pb.PredictRequest(features=[1.25, float("nan")]),
    pb.PredictRequest(model_version="v9", features=[1.25, 3.5]),
]


@dataclass(frozen=True, slots=True)
class Failure:
    code: grpc.StatusCode
    details: str | None
    reason: str
    keys: frozenset[str]
    """Of what trails the answer."""


Outcome = pb.PredictResponse | Failure


def failure_of(error: Any) -> Failure:
    trailing = tuple(error.trailing_metadata() or ())
    told = [value for key, value in trailing if key == "grpc-status-details-bin"]
    reason = reason_of(status_pb2.Status.FromString(told[0])) if told else ""
    return Failure(error.code(), error.details(), reason, frozenset(key for key, _ in trailing))


async def aio_outcome(channel: grpc.aio.Channel, request: pb.PredictRequest) -> Outcome:
    try:
        return plain_fields(await rpc.PredictorServiceStub(channel).Predict(request))
    except grpc.aio.AioRpcError as error:
        return failure_of(error)


def sync_outcome(channel: grpc.Channel, request: pb.PredictRequest) -> Outcome:
    try:
        return plain_fields(rpc.PredictorServiceStub(channel).Predict(request))
    except grpc.RpcError as error:
        return failure_of(error)


def plain_fields(answer: pb.PredictResponse) -> pb.PredictResponse:
    """Without what differs from call to call."""
    answer.ClearField("inference_time_ms")
    answer.ClearField("request_id")
    return answer


async def in_thread(function: Any, *arguments: Any) -> Any:
    """Servers of these tests answer from the test's own loop, so that no test may block it."""
    return await asyncio.wait_for(asyncio.to_thread(function, *arguments), 60)
