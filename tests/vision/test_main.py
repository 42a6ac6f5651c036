"""`python -m vision`, as it is run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from mlmesh.registry.keys import make_key
from mlmesh.registry.manifest import MANIFEST_FILE
from mlmesh.registry.signature import SIGNATURE_FILE, sign
from mlmesh.v1 import (
    models_pb2,
    models_pb2_grpc,
    vision_pb2 as pb,
    vision_pb2_grpc as rpc,
)
from tests.end_to_end.conftest import ROOT
from tests.ports import free_ports
from tests.vision.pictures import BLUE, encoded, plain

SECONDS = 60
IMAGE = encoded(plain(20, 20, BLUE))


@pytest.fixture
def environment(image_models: Path, tmp_path: Path) -> dict[str, str]:
    """Settings of a service with the tiny models, signed by a key of its own."""
    models, keys = tmp_path / "shipped" / "models", tmp_path / "keys"
    shutil.copytree(image_models, models)
    key = make_key(keys, "tests")
    for manifest in models.glob(f"*/*/{MANIFEST_FILE}"):
        (manifest.parent / SIGNATURE_FILE).write_bytes(sign(manifest.read_bytes(), key))
    port, health, metrics = free_ports(3)
    return {
        **os.environ,
        "MLMESH_MODELS": str(models),
        "MLMESH_REPOSITORY": str(tmp_path / "repository"),
        "MLMESH_KEYS": str(keys),
        "MLMESH_GRPC_ADDRESS": f"127.0.0.1:{port}",
        "MLMESH_HEALTH_ADDRESS": f"127.0.0.1:{health}",
        "MLMESH_METRICS_ADDRESS": f"127.0.0.1:{metrics}",
        "MLMESH_LAME_DUCK_SECONDS": "0",
    }


@contextmanager
def started(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "vision"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_program_serves_images_and_its_models_and_leaves_in_order(
    environment: dict[str, str],
) -> None:
    with (
        started(environment) as process,
        grpc.insecure_channel(environment["MLMESH_GRPC_ADDRESS"]) as channel,
    ):
        reply = rpc.VisionServiceStub(channel).Classify(
            pb.ClassifyRequest(image=IMAGE), wait_for_ready=True, timeout=SECONDS
        )
        models = models_pb2_grpc.ModelsServiceStub(channel).ListModels(
            models_pb2.ListModelsRequest()
        )
        process.send_signal(signal.SIGTERM)

        assert process.wait(SECONDS) == 0
    assert getattr(reply.predictions[0], "class") == "blue"
    assert {model.name for model in models.models} == {"classifier", "detector", "segmenter"}
    assert {model.service for model in models.models} == {"mlmesh.v1.VisionService"}


def test_a_missing_model_is_said_by_its_setting(environment: dict[str, str]) -> None:
    shutil.rmtree(Path(environment["MLMESH_MODELS"]) / "detector")

    with started(environment) as process:
        _, errors = process.communicate(timeout=SECONDS)

    last = json.loads(errors.splitlines()[-1])
    assert process.returncode == 2
    assert last["reason"].startswith(
        "MLMESH_DETECTOR_MODEL: no version of 'detector' could be loaded from "
    )


def test_a_service_can_do_without_a_model(environment: dict[str, str]) -> None:
    shutil.rmtree(Path(environment["MLMESH_MODELS"]) / "detector")
    with (
        started({**environment, "MLMESH_DETECTOR_MODEL": ""}),
        grpc.insecure_channel(environment["MLMESH_GRPC_ADDRESS"]) as channel,
    ):
        stub = rpc.VisionServiceStub(channel)
        stub.Segment(pb.SegmentRequest(image=IMAGE), wait_for_ready=True, timeout=SECONDS)
        with pytest.raises(grpc.RpcError) as refused:
            stub.Detect(pb.DetectRequest(image=IMAGE))

    assert refused.value.details() == "model: this service has none of its own for this, name one"
