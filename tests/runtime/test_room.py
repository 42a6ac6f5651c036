from __future__ import annotations

import asyncio

from mlmesh.runtime.room import Room


async def waits(room: Room, nbytes: int) -> bool:
    """Whether a message of this size has to wait; it has a place afterwards only if it need not."""
    entering = asyncio.ensure_future(room.enter(nbytes))
    for _ in range(3):
        await asyncio.sleep(0)
    return entering.cancel()


async def test_messages_wait_when_there_are_too_many() -> None:
    room = Room(2, 100)
    await room.enter(0)
    await room.enter(0)

    assert await waits(room, 0)
    room.leave(0)
    assert not await waits(room, 0)


async def test_messages_wait_when_they_are_too_large_together() -> None:
    room = Room(10, 100)
    await room.enter(60)

    assert await waits(room, 41)
    assert not await waits(room, 40)
    room.leave(60)
    assert not await waits(room, 60)


async def test_a_message_larger_than_the_room_goes_alone() -> None:
    room = Room(10, 100)
    await room.enter(1)
    assert await waits(room, 1000)

    room.leave(1)
    await asyncio.wait_for(room.enter(1000), 1)
    assert await waits(room, 1)


async def test_who_waits_goes_on_when_there_is_a_place() -> None:
    room = Room(1)
    await room.enter(5)
    entering = asyncio.ensure_future(room.enter(5))
    await asyncio.sleep(0)

    room.leave(5)

    await asyncio.wait_for(entering, 1)
