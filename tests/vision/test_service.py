from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest

from mlmesh.inference.host import Host
from mlmesh.v1 import vision_pb2 as pb, vision_pb2_grpc as rpc
from tests.vision.pictures import BLUE, GREEN, RED, encoded, opened, plain, with_box
from tests.vision.serving import serving_vision
from tests.vision.tiny_images import SURE
from vision.image_answers import AnswerLimits
from vision.run_lengths import mask_of

REDDISH = encoded(plain(40, 30, (200, 100, 0)))
SCENE = with_box(with_box(plain(128, 96), (16, 32, 48, 64), RED), (80, 8, 120, 40), BLUE)
"""A red box and a blue one, on edges of the detector's pixels."""
BOXES = {"person": (16, 32, 48, 64), "dog": (80, 8, 120, 40)}


def named(predictions: Any) -> list[str]:
    return [getattr(one, "class") for one in predictions]


def corners(box: pb.Box) -> tuple[float, ...]:
    return (box.x_min, box.y_min, box.x_max, box.y_max)


async def test_an_image_is_classified_with_what_was_made_of_it(
    vision: rpc.VisionServiceAsyncStub,
) -> None:
    call = vision.Classify(pb.ClassifyRequest(image=REDDISH), metadata=[("x-request-id", "r7")])
    reply = await call

    expected = np.exp(np.array([200, 100, 0]) / 32)
    assert named(reply.predictions) == ["red", "green", "blue"]
    assert [one.confidence for one in reply.predictions] == pytest.approx(expected / expected.sum())
    assert (reply.model, reply.model_version) == ("classifier", "v2.0")
    assert reply.model_digest.startswith("sha256:")
    assert reply.request_id == "r7"
    assert reply.inference_time_ms > 0
    assert reply.decode_time_ms > 0


@pytest.mark.parametrize(("top", "count"), [(1, 1), (2, 2), (3, 3), (1000, 3)])
async def test_as_many_classes_are_named_as_were_asked_for(
    vision: rpc.VisionServiceAsyncStub, top: int, count: int
) -> None:
    reply = await vision.Classify(pb.ClassifyRequest(image=REDDISH, top_k=top))

    assert len(reply.predictions) == count


async def test_things_are_found_once_each_where_they_are(
    vision: rpc.VisionServiceAsyncStub,
) -> None:
    reply = await vision.Detect(pb.DetectRequest(image=encoded(SCENE)))

    assert {one.label: corners(one.box) for one in reply.detections} == BOXES
    assert [one.confidence for one in reply.detections] == pytest.approx([SURE, SURE])
    assert (reply.width, reply.height, reply.overlay) == (128, 96, b"")
    assert reply.model == "detector"


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"min_confidence": 0.95}, 0),
        ({"min_confidence": 0.0, "iou": 1.0}, 6),
        ({"min_confidence": 0.8, "iou": 1.0}, 4),
        ({"iou": 1.0}, 6),
        ({"max_detections": 1}, 1),
        ({"min_confidence": 0.0, "iou": 0.0}, 2),
    ],
)
async def test_thresholds_say_what_is_named(
    vision: rpc.VisionServiceAsyncStub, options: dict[str, Any], count: int
) -> None:
    reply = await vision.Detect(pb.DetectRequest(image=encoded(SCENE), **options))

    found = [one for one in reply.detections if one.confidence > 0]
    assert len(found) == count


async def test_every_pixel_gets_its_class(vision: rpc.VisionServiceAsyncStub) -> None:
    reply = await vision.Segment(
        pb.SegmentRequest(image=encoded(SCENE), encoding=pb.MASK_ENCODING_BOTH)
    )

    expected = np.zeros((96, 128), np.uint8)
    expected[32:64, 16:48] = 1
    expected[8:40, 80:120] = 3
    assert np.array_equal(opened(reply.mask), expected)
    assert list(reply.labels) == ["background", "person", "cat", "dog"]
    areas = {one.label: one for one in reply.areas}
    assert [one.label for one in reply.areas] == list(reply.labels)
    assert [one.pixels for one in reply.areas] == [96 * 128 - 1024 - 1280, 1024, 0, 1280]
    assert sum(one.share for one in reply.areas) == pytest.approx(1)
    assert areas["dog"].confidence == pytest.approx(1, abs=0.02)
    assert areas["cat"].confidence == 0
    assert areas["background"].confidence == pytest.approx(128 / 255, abs=0.02)
    assert not areas["background"].run_lengths
    for index, label in ((1, "person"), (2, "cat"), (3, "dog")):
        counts = np.array(areas[label].run_lengths, np.uint32)
        assert np.array_equal(mask_of(counts, 96, 128), expected == index)


@pytest.mark.parametrize(
    ("encoding", "png", "runs"),
    [
        (pb.MASK_ENCODING_UNSPECIFIED, True, False),
        (pb.MASK_ENCODING_PNG, True, False),
        (pb.MASK_ENCODING_RUN_LENGTHS, False, True),
        (pb.MASK_ENCODING_BOTH, True, True),
    ],
)
async def test_a_mask_is_sent_as_it_was_asked_for(
    vision: rpc.VisionServiceAsyncStub, encoding: Any, png: bool, runs: bool
) -> None:
    reply = await vision.Segment(pb.SegmentRequest(image=encoded(SCENE), encoding=encoding))

    assert bool(reply.mask) == png
    assert bool(reply.areas[1].run_lengths) == runs
    assert reply.areas[1].pixels == 1024


async def test_the_mask_has_one_byte_for_every_pixel(vision: rpc.VisionServiceAsyncStub) -> None:
    reply = await vision.Segment(pb.SegmentRequest(image=encoded(SCENE)))

    # Of a PNG's header: the depth in bits, and 3 for a palette.
    assert reply.mask[24:26] == b"\x08\x03"


@pytest.mark.parametrize("overlay", [pb.OVERLAY_FORMAT_PNG, pb.OVERLAY_FORMAT_JPEG])
@pytest.mark.parametrize("task", ["Detect", "Segment"])
async def test_what_was_found_is_drawn_on_request(
    vision: rpc.VisionServiceAsyncStub, task: str, overlay: Any
) -> None:
    request = getattr(pb, f"{task}Request")
    method = getattr(vision, task)

    drawn = await method(request(image=encoded(SCENE), overlay=overlay))
    plainly = await method(request(image=encoded(SCENE)))

    picture = opened(drawn.overlay)
    assert picture.shape == (96, 128, 3)
    assert not np.array_equal(picture, SCENE)
    assert drawn.overlay[:4] == (
        b"\x89PNG" if overlay == pb.OVERLAY_FORMAT_PNG else b"\xff\xd8\xff\xe0"
    )
    # What is answered does not depend on it.
    for reply in (drawn, plainly):
        for field in ("overlay", "request_id", "inference_time_ms", "decode_time_ms"):
            reply.ClearField(field)
    assert drawn == plainly


BATCH = [REDDISH, b"", encoded(plain(3, 900, BLUE), "JPEG"), b"GIF89a.....", REDDISH[:-30]]


@pytest.mark.parametrize("task", ["Classify", "Detect", "Segment"])
async def test_a_broken_image_of_a_batch_fails_alone(
    vision: rpc.VisionServiceAsyncStub, task: str
) -> None:
    request = getattr(pb, f"Batch{task}Request")(images=BATCH)

    reply = await getattr(vision, f"Batch{task}")(request)

    assert [one.status.code for one in reply.results] == [0, 3, 0, 3, 3]
    assert [one.status.message for one in reply.results if one.status.code] == [
        "images[1]: is empty, send the bytes of an image",
        "images[3]: this is a GIF; send JPEG, PNG, WebP or BMP",
        "images[4]: this PNG ends too early or is damaged; send the whole file",
    ]
    assert reply.inference_time_ms > 0
    assert reply.decode_time_ms > 0


OPTIONS: dict[str, dict[str, Any]] = {
    "Classify": {"top_k": 2},
    "Detect": {"iou": 0.9, "min_confidence": 0.1, "overlay": pb.OVERLAY_FORMAT_PNG},
    "Segment": {"encoding": pb.MASK_ENCODING_BOTH, "overlay": pb.OVERLAY_FORMAT_JPEG},
}


@pytest.mark.parametrize("task", OPTIONS)
async def test_an_image_of_a_batch_gets_the_answer_that_it_gets_alone(
    vision: rpc.VisionServiceAsyncStub, task: str
) -> None:
    images = [
        encoded(with_box(SCENE, (0, 0, 8 * n, 4 * n), GREEN), "JPEG" if n % 2 else "PNG")
        for n in range(12)
    ]
    options = OPTIONS[task]

    batch = await getattr(vision, f"Batch{task}")(
        getattr(pb, f"Batch{task}Request")(images=images, **options)
    )
    alone = [
        await getattr(vision, task)(getattr(pb, f"{task}Request")(image=image, **options))
        for image in images
    ]

    kind = getattr(pb, f"{task}Response")
    for one, other in zip(batch.results, alone, strict=True):
        assert one.status.code == 0
        for field in kind.DESCRIPTOR.fields_by_name:
            if field in type(one).DESCRIPTOR.fields_by_name:
                assert getattr(one, field) == getattr(other, field), field
    assert batch.model == alone[0].model


async def test_answers_that_are_too_large_together_are_refused_one_by_one(
    image_host: Host,
) -> None:
    rng = np.random.default_rng(0)
    noise = encoded(rng.integers(0, 255, (100, 100, 3), dtype=np.uint8))
    request = pb.BatchDetectRequest(images=[noise] * 5, overlay=pb.OVERLAY_FORMAT_PNG)
    async with (
        serving_vision(image_host, answers=AnswerLimits(400, 70_000)) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        reply = await rpc.VisionServiceStub(channel).BatchDetect(request)

    assert [one.status.code for one in reply.results] == [0, 0, 8, 8, 8]
    assert reply.results[2].status.message == (
        "images[2]: the answers of this request are more than 70000 bytes together; "
        "send fewer images at once, or have MLMESH_MAX_ANSWER_BYTES raised"
    )
