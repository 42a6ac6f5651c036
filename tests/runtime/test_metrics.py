from __future__ import annotations

import asyncio
import random
import time

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.runtime.loop_lag import SECONDS_BETWEEN, watching_lag
from mlmesh.v1 import mesh_pb2, mesh_pb2_grpc, predictor_pb2 as pb, predictor_pb2_grpc as rpc


def series_of(registry: CollectorRegistry) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {
        (sample.name, frozenset(sample.labels.items()))
        for family in registry.collect()
        for sample in family.samples
    }


async def test_random_names_of_callers_add_no_series(
    channel: grpc.aio.Channel, registry: CollectorRegistry
) -> None:
    stub, chance = rpc.PredictorServiceStub(channel), random.Random(1)
    mesh = mesh_pb2_grpc.MeshServiceStub(channel)

    def call(at: int) -> mesh_pb2.Call:
        model, method = f"{chance.getrandbits(80):x}", f"{chance.getrandbits(80):x}"
        request = pb.PredictRequest(model=model, features=[1]).SerializeToString()
        path = f"/{method}/{method}" if at % 2 else "/mlmesh.v1.PredictorService/Predict"
        return mesh_pb2.Call(id=at, method=path, request=request)

    async def ask_by_carried_calls() -> None:
        request = mesh_pb2.CarryRequest(calls=[call(at) for at in range(500)])
        answer = await mesh.CarryBatch(request)
        assert all(reply.status.code for reply in answer.replies)

    async def ask() -> None:
        name, version = (f"{chance.getrandbits(80):x}" for _ in range(2))
        unknown = channel.unary_unary(f"/{name}/{version}", bytes, bytes)
        for call in (
            stub.Predict(pb.PredictRequest(model=name, model_version=version, features=[1])),
            stub.Predict(pb.PredictRequest(model="tiny", model_version=version, features=[1])),
            unknown(b""),
        ):
            with pytest.raises(grpc.aio.AioRpcError):
                await call

    await ask()
    await ask_by_carried_calls()
    before = series_of(registry)
    for _ in range(10_000 // 500):
        await ask_by_carried_calls()
    await asyncio.gather(*(ask() for _ in range(100)))

    assert series_of(registry) == before


async def test_a_loop_that_is_blocked_is_seen_to_lag(registry: CollectorRegistry) -> None:
    async with watching_lag(registry):
        await asyncio.sleep(0.01)
        # Longer than between two looks, so that one is due meanwhile.
        block_for(SECONDS_BETWEEN + 0.3)
        await asyncio.sleep(0.05)

    assert registry.get_sample_value("event_loop_lag_seconds_bucket", {"le": "0.1"}) == 0
    assert registry.get_sample_value("event_loop_lag_seconds_count") == 1


def block_for(seconds: float) -> None:
    time.sleep(seconds)
