from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.open_inference.service import open_inference_service
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from tests.inference.open_inference.client import Client, raw_request
from tests.tiny_models import host_options, write_classifier

INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


@pytest.fixture
async def client(tmp_path: Path, registry: CollectorRegistry) -> AsyncIterator[Client]:
    """A server of tiny v1.0, which answers, and v2.0, which is damaged."""
    write_classifier(tmp_path)
    broken = write_classifier(tmp_path, version="v2.0")
    (broken / "model.onnx").write_bytes(b"")
    options = host_options(tmp_path, trial=None)
    async with open_host(options, InferenceMetrics(registry)) as host:
        service = open_inference_service(host)
        metrics = ServerMetrics(registry)
        async with (
            running_server("127.0.0.1:0", [service], metrics, Health([])) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            yield Client(channel)


async def index(client: Client, *, ready: bool = False) -> list[tuple[str, str, str]]:
    answer = await client.ask("RepositoryIndex", pb.RepositoryIndexRequest(ready=ready))
    return [(one.name, one.version, one.state) for one in answer.models]


async def test_the_index_has_every_version_and_why_it_does_not_answer(client: Client) -> None:
    answer = await client.ask("RepositoryIndex", pb.RepositoryIndexRequest())

    good, bad = answer.models
    assert (good.name, good.version, good.state, good.reason) == ("tiny", "v1.0", "READY", "")
    assert (bad.version, bad.state) == ("v2.0", "UNAVAILABLE")
    assert "sha256" in bad.reason
    assert await index(client, ready=True) == [("tiny", "v1.0", "READY")]


async def test_a_model_is_unloaded_and_loaded_again(client: Client, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "tiny" / "v2.0")
    unload = pb.RepositoryModelUnloadRequest(model_name="tiny")
    unload.parameters["unload_dependents"].bool_param = True

    unloaded = await client.ask("RepositoryModelUnload", unload)
    while_away = await index(client)
    code, _ = await client.refusal(raw_request())
    loaded = await client.ask(
        "RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="tiny")
    )
    answer = await client.infer(raw_request())

    assert (unloaded.model_name, unloaded.is_unloaded) == ("tiny", True)
    assert ("tiny", "v1.0", "UNAVAILABLE") in while_away
    assert code is grpc.StatusCode.UNAVAILABLE
    assert (loaded.model_name, loaded.is_loaded) == ("tiny", True)
    assert answer.model_version == "v1.0"


async def test_the_model_may_stand_in_the_first_field(client: Client) -> None:
    """As KServe's clients send it; its second field is not there."""
    unload = pb.RepositoryModelUnloadRequest.FromString(b"\x0a\x04tiny")

    answer = await client.ask("RepositoryModelUnload", unload)

    assert answer.model_name == "tiny"
    assert await index(client, ready=True) == []


def load(model_name: str = "", repository_name: str = "") -> pb.RepositoryModelLoadRequest:
    return pb.RepositoryModelLoadRequest(model_name=model_name, repository_name=repository_name)


def load_with(name: str) -> pb.RepositoryModelLoadRequest:
    request = load(model_name="tiny")
    request.parameters[name].string_param = "{}"
    return request


def unload_with(name: str) -> pb.RepositoryModelUnloadRequest:
    request = pb.RepositoryModelUnloadRequest(model_name="tiny")
    request.parameters[name].string_param = "yes"
    return request


LOAD, UNLOAD, INDEX = "RepositoryModelLoad", "RepositoryModelUnload", "RepositoryIndex"
REFUSED = [
    (LOAD, load(), INVALID, "model_name: name the model"),
    (LOAD, load(model_name="tinny"), grpc.StatusCode.NOT_FOUND, "model: 'tinny' is not in"),
    (LOAD, load(model_name="tiny", repository_name="r"), UNIMPLEMENTED, "repository_name: there"),
    (LOAD, load_with("config"), UNIMPLEMENTED, 'parameters["config"]: models are loaded from'),
    (LOAD, load_with("file:1/model.onnx"), UNIMPLEMENTED, 'parameters["file:1/model.onnx"]: mod'),
    (LOAD, load_with("speed"), INVALID, 'parameters["speed"]: is not known'),
    (UNLOAD, pb.RepositoryModelUnloadRequest(), INVALID, "model_name: name the model"),
    (UNLOAD, unload_with("unload_dependents"), INVALID, 'parameters["unload_dependents"]: expect'),
    (UNLOAD, unload_with("speed"), INVALID, 'parameters["speed"]: is not known'),
    (INDEX, pb.RepositoryIndexRequest(repository_name="r"), UNIMPLEMENTED, "repository_name: th"),
]


@pytest.mark.parametrize(("method", "request_", "expected", "problem"), REFUSED)
async def test_what_cannot_be_done_with_the_repository_is_refused(
    client: Client, method: str, request_: object, expected: grpc.StatusCode, problem: str
) -> None:
    code, message = await client.refusal(request_, method)

    assert code is expected
    assert message.startswith(problem)


async def test_a_version_that_cannot_be_loaded_is_an_error(client: Client) -> None:
    code, message = await client.refusal(load(model_name="tiny"), LOAD)

    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "sha256" in message
