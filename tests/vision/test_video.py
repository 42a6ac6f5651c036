from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from mlmesh.v1 import vision_pb2 as pb, vision_pb2_grpc as rpc
from tests.vision.pictures import BLUE, GREEN, RED, encoded, plain, with_box
from vision.frames import MOST_FRAMES

SECONDS = 30
FRAMES = 300
COLOURS = {"red": RED, "green": GREEN, "blue": BLUE}


def video() -> Iterator[tuple[str, pb.ClassifyRequest]]:
    """Frames whose colours come in turn, each a little different."""
    for n in range(FRAMES):
        name = list(COLOURS)[n % 3]
        picture = with_box(plain(160, 120, COLOURS[name]), (0, 0, n % 40, n % 30), (9, 9, 9))
        yield name, pb.ClassifyRequest(image=encoded(picture, "JPEG"), top_k=1)


async def test_a_video_of_300_frames_is_answered_in_order(
    vision: rpc.VisionServiceAsyncStub,
) -> None:
    frames = list(video())

    async def sent() -> AsyncIterator[pb.StreamClassifyRequest]:
        for n, (_, request) in enumerate(frames):
            yield pb.StreamClassifyRequest(id=str(n), request=request)

    answers = [one async for one in vision.StreamClassify(sent(), timeout=SECONDS)]

    assert [one.id for one in answers] == [str(n) for n in range(FRAMES)]
    assert {one.status.code for one in answers} == {0}
    named = [getattr(one.response.predictions[0], "class") for one in answers]
    assert named == [name for name, _ in frames]


async def test_a_live_video_of_300_frames_stays_in_order_and_ends_with_the_newest(
    vision: rpc.VisionServiceAsyncStub,
) -> None:
    frames = [
        pb.StreamDetectRequest(
            id=str(n), request=pb.DetectRequest(image=request.image), drop_stale=True
        )
        for n, (_, request) in enumerate(video())
    ]

    async def sent() -> AsyncIterator[pb.StreamDetectRequest]:
        for frame in frames:
            yield frame

    answers = [one async for one in vision.StreamDetect(sent(), timeout=SECONDS)]

    assert [one.id for one in answers] == [str(n) for n in range(FRAMES)]
    assert {one.status.code for one in answers} <= {0, 10}
    assert answers[-1].status.code == 0
    assert answers[-1].response.detections


async def test_a_broken_frame_of_a_video_fails_alone(vision: rpc.VisionServiceAsyncStub) -> None:
    good = encoded(plain(20, 20, RED))

    async def sent() -> AsyncIterator[pb.StreamClassifyRequest]:
        for n, image in enumerate([good, b"", good[:-20], good]):
            yield pb.StreamClassifyRequest(id=str(n), request=pb.ClassifyRequest(image=image))

    answers = [one async for one in vision.StreamClassify(sent(), timeout=SECONDS)]

    assert [one.status.code for one in answers] == [0, 3, 3, 0]
    assert answers[2].status.message.startswith("image: this PNG ends too early or is damaged")


async def test_a_client_that_does_not_read_is_not_read_from(
    vision: rpc.VisionServiceAsyncStub,
) -> None:
    """The server takes some frames and what the connection holds, not all that could be sent."""
    request = pb.ClassifyRequest(image=encoded(plain(700, 700, RED), "BMP"))
    frame = pb.StreamClassifyRequest(id="x" * 2**16, request=request)
    stream = vision.StreamClassify(timeout=SECONDS)
    written = 0
    try:
        while written < FRAMES:
            await asyncio.wait_for(stream.write(frame), 2)
            written += 1
    except TimeoutError:
        pass
    stream.cancel()

    assert MOST_FRAMES // 4 < written < 100


def own_tasks() -> set[asyncio.Task[Any]]:
    """All tasks but the one that waits for the server's next call."""
    return {task for task in asyncio.all_tasks() if "AioServer._request_call" not in repr(task)}


@pytest.mark.parametrize("live", [False, True])
async def test_a_client_that_goes_leaves_nothing_behind(
    vision: rpc.VisionServiceAsyncStub, live: bool
) -> None:
    before = own_tasks()
    request = pb.DetectRequest(image=encoded(plain(400, 400, RED)))
    stream = vision.StreamDetect(timeout=SECONDS)
    for n in range(40):
        await stream.write(pb.StreamDetectRequest(id=str(n), request=request, drop_stale=live))
    await stream.read()
    stream.cancel()

    ends = time.monotonic() + SECONDS
    while own_tasks() - before and time.monotonic() < ends:
        await asyncio.sleep(0.01)
    assert own_tasks() - before == set()
    # And others are answered.
    reply = await vision.Detect(request)
    assert [one.label for one in reply.detections] == ["person"]
