from __future__ import annotations

import asyncio
import time
from importlib.metadata import version

import grpc
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host
from mlmesh.inference.open_inference.service import open_inference_service
from mlmesh.openinference.v2 import inference_pb2 as pb, model_config_pb2 as config
from mlmesh.runtime.admission import Limits
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from mlmesh.v1 import mesh_pb2, mesh_pb2_grpc
from tests.inference.open_inference.client import Client, raw_request


async def test_the_server_says_what_it_is(client: Client) -> None:
    live = await client.ask("ServerLive", pb.ServerLiveRequest())
    ready = await client.ask("ServerReady", pb.ServerReadyRequest())
    metadata = await client.ask("ServerMetadata", pb.ServerMetadataRequest())

    assert live.live
    assert ready.ready
    assert (metadata.name, metadata.version) == ("mlmesh", version("mlmesh"))
    assert "classification" in metadata.extensions
    assert not {"system_shared_memory", "trace", "sequence"} & set(metadata.extensions)


async def test_a_model_that_does_not_answer_is_not_ready(client: Client) -> None:
    for name, asked, expected in (
        ("tiny", "", True),
        ("tiny", "v1.0", True),
        ("tiny", "v9", False),
        ("tinny", "", False),
    ):
        answer = await client.ask("ModelReady", pb.ModelReadyRequest(name=name, version=asked))

        assert answer.ready == expected


async def test_metadata_has_the_tensors_with_their_rows(client: Client) -> None:
    answer = await client.ask("ModelMetadata", pb.ModelMetadataRequest(name="tiny"))

    [given], [taken] = answer.inputs, answer.outputs
    assert (answer.name, answer.versions, answer.platform) == (
        "tiny",
        ["v1.0", "v2.0"],
        "onnxruntime_onnx",
    )
    assert (given.name, given.datatype, given.shape) == ("features", "FP32", [-1, 2])
    assert (taken.name, taken.datatype, taken.shape) == ("probabilities", "FP32", [-1, 3])


async def test_the_configuration_has_the_tensors_without_their_rows(client: Client) -> None:
    rows = (await client.ask("ModelConfig", pb.ModelConfigRequest(name="tiny"))).config
    fixed = (await client.ask("ModelConfig", pb.ModelConfigRequest(name="fixed"))).config

    assert (rows.name, rows.backend, rows.max_batch_size) == ("tiny", "onnxruntime", 32)
    assert (rows.input[0].data_type, rows.input[0].dims) == (config.TYPE_FP32, [2])
    assert rows.output[0].dims == [3]
    assert rows.HasField("dynamic_batching")
    [group] = rows.instance_group
    assert (group.kind, group.count) == (config.ModelInstanceGroup.KIND_CPU, 1)
    assert (fixed.max_batch_size, fixed.input[0].dims) == (0, [2, 2])
    assert not fixed.HasField("dynamic_batching")


async def test_statistics_count_rows_runs_and_failures(client: Client) -> None:
    await client.infer(raw_request(array=np.ones((3, 2), np.float32)))
    await client.infer(raw_request())
    expired = raw_request("slow", parameters={"timeout": pb.InferParameter(int64_param=1)})
    await client.refusal(expired)

    answer = await client.ask("ModelStatistics", pb.ModelStatisticsRequest(name="tiny"))
    everything = await client.ask("ModelStatistics", pb.ModelStatisticsRequest())
    slow = await client.ask("ModelStatistics", pb.ModelStatisticsRequest(name="slow"))

    old, new = answer.model_stats
    assert (old.version, old.inference_count, old.last_inference) == ("v1.0", 0, 0)
    assert (new.version, new.inference_count, new.execution_count) == ("v2.0", 4, 2)
    assert abs(new.last_inference / 1000 - time.time()) < 60
    assert (new.inference_stats.success.count, new.inference_stats.fail.count) == (2, 0)
    assert new.inference_stats.compute_infer.ns > 0
    assert [(batch.batch_size, batch.compute_infer.count) for batch in new.batch_stats] == [
        (1, 1),
        (3, 1),
    ]
    assert {"tiny", "slow", "pair"} <= {one.name for one in everything.model_stats}
    assert slow.model_stats[0].inference_stats.fail.count == 1


async def test_one_version_has_statistics_of_its_own(client: Client) -> None:
    request = pb.ModelStatisticsRequest(name="tiny", version="v1.0")

    answer = await client.ask("ModelStatistics", request)

    assert [one.version for one in answer.model_stats] == ["v1.0"]
    code, _ = await client.refusal(pb.ModelStatisticsRequest(name="tinny"), "ModelStatistics")
    assert code is grpc.StatusCode.NOT_FOUND


async def test_what_is_not_served_is_unimplemented(client: Client) -> None:
    for name in ("SystemSharedMemoryStatus", "CudaSharedMemoryRegister", "TraceSetting"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.raw(name, b"")

        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_server_that_leaves_is_not_ready(
    tensor_host: Host, registry: CollectorRegistry
) -> None:
    service = open_inference_service(tensor_host, ready=lambda: False)
    async with (
        running_server("127.0.0.1:0", [service], ServerMetrics(registry), Health([])) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        answer = await Client(channel).ask("ServerReady", pb.ServerReadyRequest())

    assert not answer.ready


async def test_a_full_server_is_unavailable_and_says_when_to_come_back(
    tensor_host: Host, registry: CollectorRegistry
) -> None:
    """Refused by the chain at admission, before the servicer knows of the call."""
    service = open_inference_service(tensor_host)
    metrics = ServerMetrics(registry)
    async with (
        running_server(
            "127.0.0.1:0", [service], metrics, Health([]), limits=Limits(calls=1)
        ) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        client = Client(channel)
        first = asyncio.create_task(client.infer(raw_request("slow")))
        while not tensor_host.find("slow", "").statistics.queue.count:
            await asyncio.sleep(0.001)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.infer(raw_request())
        await first

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    trailing = dict(refused.value.trailing_metadata())
    assert 1000 <= int(trailing["grpc-retry-pushback-ms"]) <= 2000
    assert b"QUEUE_FULL" in trailing["grpc-status-details-bin"]
    labels = {
        "grpc_service": "inference.GRPCInferenceService",
        "grpc_method": "ModelInfer",
        "grpc_code": "UNAVAILABLE",
    }
    assert registry.get_sample_value("grpc_server_handled_total", labels) == 1


async def test_a_carried_call_gets_the_same_bytes(port: int, client: Client) -> None:
    request = raw_request()
    plain = await client.infer(request)
    carried = mesh_pb2.Call(
        id=1,
        method="/inference.GRPCInferenceService/ModelInfer",
        request=request.SerializeToString(),
    )

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = mesh_pb2_grpc.MeshServiceStub(channel)
        answer = await stub.CarryBatch(mesh_pb2.CarryRequest(calls=[carried]))

    assert pb.ModelInferResponse.FromString(answer.replies[0].response) == plain
