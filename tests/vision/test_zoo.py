"""Every animal of the zoo gets the right answer or status, at once, and takes no memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.rpc import status_pb2
from grpc_status.rpc_status import GRPC_DETAILS_METADATA_KEY

from mlmesh.inference.host import Host
from mlmesh.runtime.errors import reason_of
from mlmesh.v1 import vision_pb2 as pb, vision_pb2_grpc as rpc
from tests.vision.appetite import STATUS
from tests.vision.serving import serving_vision
from tests.vision.zoo import BOX, FILES, LIMITS, Animal, animals, bomb, camera_pictures

ROOT = Path(__file__).parents[2]
SECONDS = 10 * 0.020
"""Ten times what is promised: tests share their processors."""
BYTES_A_PIXEL = 24
"""Most that a decoder, Pillow and the picture on white behind it hold for a pixel at once."""


@pytest.fixture
async def zoo(image_host: Host) -> AsyncIterator[rpc.VisionServiceAsyncStub]:
    """A service with the limits that it has by default."""
    options = [("grpc.max_send_message_length", -1)]
    async with (
        serving_vision(image_host, LIMITS) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel,
    ):
        stub = rpc.VisionServiceStub(channel)
        await stub.Detect(pb.DetectRequest(image=FILES["PNG"]))
        yield stub


ANIMALS = list(animals())


@pytest.mark.parametrize("animal", ANIMALS, ids=[animal.name for animal in ANIMALS])
async def test_every_animal_gets_its_answer_at_once(
    zoo: rpc.VisionServiceAsyncStub, animal: Animal
) -> None:
    request = pb.DetectRequest(image=animal.content)
    started = time.perf_counter()
    refused = None
    try:
        await zoo.Detect(request)
    except grpc.aio.AioRpcError as error:
        refused = error
    seconds = time.perf_counter() - started

    if animal.refusal:
        assert refused is not None
        assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (refused.details() or "").startswith(f"image: {animal.refusal}")
        assert reason(refused) == animal.reason
    else:
        assert refused is None
    assert seconds < SECONDS


def reason(error: grpc.aio.AioRpcError) -> str:
    metadata = dict(error.trailing_metadata() or ())
    details = metadata[GRPC_DETAILS_METADATA_KEY]
    assert isinstance(details, bytes)
    return reason_of(status_pb2.Status.FromString(details))


async def test_an_empty_image_is_refused(zoo: rpc.VisionServiceAsyncStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await zoo.Detect(pb.DetectRequest(image=b""))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "image: must be at least 1 bytes"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_every_orientation_gets_the_same_answer(
    zoo: rpc.VisionServiceAsyncStub, kind: str
) -> None:
    answers = []
    for content in camera_pictures(kind).values():
        started = time.perf_counter()
        reply = await zoo.Detect(pb.DetectRequest(image=content))
        assert time.perf_counter() - started < SECONDS
        box = reply.detections[0].box
        answers.append((reply.width, reply.height, box.x_min, box.y_min, box.x_max, box.y_max))

    assert answers == [(128, 96, *BOX)] * 8


def test_the_bomb_is_as_small_as_it_is_said_to_be() -> None:
    assert 11_000 < len(bomb()) < 13_000


needs_linux = pytest.mark.skipif(not STATUS.exists(), reason="only Linux tells a peak")


def growth(folder: Path, pixels: int) -> int:
    """Bytes that a process of its own takes more at its peak for the files of a folder."""
    code = (
        "import sys; from tests.vision import appetite; "
        "print(appetite.growth(sys.argv[1], int(sys.argv[2])))"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "generated")])
    done = subprocess.run(
        [sys.executable, "-c", code, folder, str(pixels)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(json.loads(done.stdout))


@needs_linux
def test_the_zoo_takes_no_more_memory_than_the_largest_picture_that_is_allowed(
    tmp_path: Path,
) -> None:
    pixels = 1_000_000
    for number, animal in enumerate(ANIMALS):
        (tmp_path / f"{number}").write_bytes(animal.content)

    assert growth(tmp_path, pixels) < pixels * BYTES_A_PIXEL + 8 * 2**20


@needs_linux
def test_a_bomb_that_is_let_in_takes_what_its_pixels_take(tmp_path: Path) -> None:
    (tmp_path / "bomb").write_bytes(bomb())

    assert growth(tmp_path, 10**8) > 10**8
    assert growth(tmp_path, 10**8 - 1) < 8 * 2**20
