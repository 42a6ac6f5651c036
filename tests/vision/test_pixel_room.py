from __future__ import annotations

import asyncio

from vision.pixel_room import PixelRoom


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_fits_gets_in_at_once() -> None:
    room = PixelRoom(10)

    await asyncio.wait_for(room.enter(6), 1)
    await asyncio.wait_for(room.enter(4), 1)


async def test_who_does_not_fit_waits_and_nobody_overtakes() -> None:
    room, order = PixelRoom(10), []

    async def enter(name: str, pixels: int) -> None:
        await room.enter(pixels)
        order.append(name)

    await room.enter(6)
    waiting = [asyncio.create_task(enter("large", 8)), asyncio.create_task(enter("small", 1))]
    await settled()
    before = list(order)
    room.leave(6)
    await asyncio.wait_for(asyncio.gather(*waiting), 1)

    assert before == []
    assert order == ["large", "small"]


async def test_a_picture_larger_than_the_room_waits_until_it_is_alone() -> None:
    room = PixelRoom(10)
    await room.enter(1)
    huge = asyncio.create_task(room.enter(99))
    await settled()
    waited = not huge.done()
    room.leave(1)
    await asyncio.wait_for(huge, 1)
    next_one = asyncio.create_task(room.enter(1))
    await settled()

    assert waited
    assert not next_one.done()
    room.leave(99)
    await asyncio.wait_for(next_one, 1)


async def test_who_gives_up_waiting_leaves_the_way_free() -> None:
    room = PixelRoom(10)
    await room.enter(9)
    impatient = asyncio.create_task(room.enter(5))
    patient = asyncio.create_task(room.enter(1))
    await settled()
    impatient.cancel()

    await asyncio.wait_for(patient, 1)
    await asyncio.gather(impatient, return_exceptions=True)
    room.leave(9)
    room.leave(1)
    await asyncio.wait_for(room.enter(10), 1)


async def test_who_gives_up_just_when_let_in_takes_no_room() -> None:
    room = PixelRoom(10)
    await room.enter(10)
    late = asyncio.create_task(room.enter(10))
    await settled()
    room.leave(10)
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)

    await asyncio.wait_for(room.enter(10), 1)
