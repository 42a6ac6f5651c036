from __future__ import annotations

import base64

import pytest

from mlmesh.cli.call_bytes import decoded, described, kind_of, with_bytes
from mlmesh.v1 import vision_pb2 as pb
from tests.vision.pictures import encoded, plain

PNG = encoded(plain(40, 30))


def test_bytes_are_found_by_the_contract_wherever_they_are() -> None:
    text = base64.b64encode(PNG).decode()
    said = {"results": [{"status": {"code": 0}, "overlay": text, "detections": [{"label": text}]}]}

    found = with_bytes(said, pb.BatchDetectResponse.DESCRIPTOR)

    assert found["results"] == [
        {"status": {"code": 0}, "overlay": PNG, "detections": [{"label": text}]}
    ]
    assert with_bytes({"images": [text]}, pb.BatchDetectRequest.DESCRIPTOR) == {"images": [PNG]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PNG, f"PNG, 40 x 30, {len(PNG)} bytes"),
        (PNG[:10], "PNG, 10 bytes"),
        (encoded(plain(4, 3), "JPEG")[:1234], None),
        (b"x" * 12_345, "12,345 bytes"),
        (b"x", "1 byte"),
    ],
)
def test_bytes_are_described_for_a_person(content: bytes, said: str | None) -> None:
    assert described(content) == (said or f"JPEG, {len(content)} bytes")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WebP"])
def test_kinds_of_images_are_known_by_their_first_bytes(kind: str) -> None:
    assert kind_of(encoded(plain(4, 3), kind)) == kind


@pytest.mark.parametrize("text", ["-_8=", "+/8=", "+/8", "-_8"])
def test_base64_is_read_in_every_way_that_it_is_written(text: str) -> None:
    assert decoded(text) == b"\xfb\xff"


@pytest.mark.parametrize("text", ["photo.jpg", "a", "\u00e4bcd", "ab cd"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected @file or base64"):
        decoded(text)
