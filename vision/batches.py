"""Many images of one caller: so many at once that batches fill, each failing alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from mlmesh.runtime.errors import ServingError, TooLarge
from mlmesh.runtime.outcomes import Outcome
from vision.images import EncodedImage


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


Answer = TypeVar("Answer", bound=_Sized)


async def each_image(
    images: Sequence[EncodedImage],
    answer: Callable[[EncodedImage], Awaitable[Answer]],
    ahead: int,
    most_bytes: int,
) -> list[Outcome[Answer]]:
    """The outcome for every image, in order.

    ahead: images that are under way at once. most_bytes: of all answers together; from the first
    one that goes beyond, images fail with TooLarge.
    """
    outcomes: list[Outcome[Answer]] = []
    under_way: deque[asyncio.Task[Outcome[Answer]]] = deque()
    room = most_bytes

    async def settle() -> None:
        nonlocal room
        outcome = await under_way.popleft()
        room -= 0 if isinstance(outcome, ServingError) else outcome.nbytes
        outcomes.append(outcome if room >= 0 else _too_large(images[len(outcomes)], most_bytes))

    try:
        for image in images:
            if len(under_way) >= ahead:
                await settle()
            if room < 0:
                break
            under_way.append(asyncio.create_task(_outcome(image, answer)))
        while under_way:
            await settle()
    finally:
        for task in under_way:
            task.cancel()
    return [*outcomes, *(_too_large(image, most_bytes) for image in images[len(outcomes) :])]


async def _outcome(
    image: EncodedImage, answer: Callable[[EncodedImage], Awaitable[Answer]]
) -> Outcome[Answer]:
    try:
        return await answer(image)
    except ServingError as error:
        return error


def _too_large(image: EncodedImage, most_bytes: int) -> TooLarge:
    return TooLarge(
        f"{image.field}: the answers of this request are more than {most_bytes} bytes together; "
        "send fewer images at once, or have MLMESH_MAX_ANSWER_BYTES raised"
    )
