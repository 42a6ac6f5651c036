from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from mlmesh.runtime.errors import InvalidInput, ServingError
from vision.batches import each_image
from vision.images import EncodedImage

IMAGES = [EncodedImage(f"images[{n}]", bytes([n])) for n in range(10)]


@dataclass(frozen=True)
class Found:
    name: str
    nbytes: int = 1


def names(outcomes: list[Found | ServingError]) -> list[str]:
    return [
        one.message.partition(":")[0] + "!" if isinstance(one, ServingError) else one.name
        for one in outcomes
    ]


async def test_outcomes_stand_in_the_order_of_the_images_and_fail_alone() -> None:
    async def answer(image: EncodedImage) -> Found:
        await asyncio.sleep(0.01 if image.content[0] % 2 else 0)
        if image.content[0] == 4:
            raise InvalidInput(image.field, "is wrong")
        return Found(image.field)

    outcomes = await each_image(IMAGES, answer, ahead=3, most_bytes=100)

    expected = [image.field for image in IMAGES]
    expected[4] = "images[4]!"
    assert names(outcomes) == expected


async def test_no_more_images_are_under_way_than_allowed() -> None:
    now = most = 0

    async def answer(image: EncodedImage) -> Found:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return Found(image.field)

    await each_image(IMAGES, answer, ahead=3, most_bytes=100)

    assert most == 3


async def test_answers_beyond_the_limit_are_refused_and_not_even_begun() -> None:
    begun = []

    async def answer(image: EncodedImage) -> Found:
        begun.append(image.field)
        return Found(image.field, 40)

    outcomes = await each_image(IMAGES, answer, ahead=2, most_bytes=100)

    assert names(outcomes) == [
        "images[0]", "images[1]", *(f"images[{n}]!" for n in range(2, 10))
    ]  # fmt: skip
    assert len(begun) <= 5


async def test_what_is_under_way_ends_with_the_caller() -> None:
    cancelled = []

    async def answer(image: EncodedImage) -> Found:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(image.field)
            raise
        raise AssertionError

    asking = asyncio.create_task(each_image(IMAGES, answer, ahead=3, most_bytes=100))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0)

    assert sorted(cancelled) == ["images[0]", "images[1]", "images[2]"]
