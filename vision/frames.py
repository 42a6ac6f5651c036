"""Streams of the frames of a video: answered in order, stale ones left out where that is asked for.

Requests are `{id, request, drop_stale}`, answers `{id, status, response}`; a wrong frame ends
nothing but itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message

from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import ServingError
from mlmesh.runtime.instruments import Value
from mlmesh.runtime.item_stream import AnswerItem
from mlmesh.runtime.room import Room

MOST_FRAMES = 32
"""Of one stream that are kept, with their answers, until these were taken."""
MOST_ANSWERS = 256
"""Of one stream that were not taken yet, those for frames that were dropped among them."""
AT_ONCE = 8
"""Frames of one stream that are worked on at once: enough to decode some while others are run."""
LIVE_AT_ONCE = 2
"""The same where only the newest frame counts: more would only make answers older."""


class Dropped(ServingError):
    """A newer frame came before this one's turn."""

    code = grpc.StatusCode.ABORTED
    reason = "FRAME_DROPPED"

    def __init__(self) -> None:
        super().__init__("a newer frame came before this one's turn; it was not looked at")


@dataclass(slots=True, eq=False)
class _Frame:
    item: Any
    """The request; None once it was dropped."""
    name: str
    size: int
    live: bool
    """Whether it may be dropped."""
    answer: asyncio.Future[Message]


class FrameStream:
    """Answers one stream after another.

    response: the type of its answers. dropped: counts the frames that are left out.
    """

    def __init__(self, response: type[Message], answer: AnswerItem, dropped: Value) -> None:
        self._response = response
        self._answer = answer
        self._dropped = dropped

    async def __call__(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Message]:
        frames = _Frames(self._response, self._answer, call, self._dropped)
        reading = asyncio.create_task(frames.read(requests))
        try:
            async for answer in frames.answers():
                yield answer
            await reading
        finally:
            reading.cancel()


class _Frames:
    """The frames of one stream that were read and whose answers were not taken yet."""

    def __init__(
        self, response: type[Message], answer: AnswerItem, call: Call, dropped: Value
    ) -> None:
        self._response = response
        self._answer = answer
        self._call = call
        self._dropped = dropped
        self._in_order: asyncio.Queue[_Frame | None] = asyncio.Queue()
        self._waiting: deque[_Frame] = deque()
        self._under_way = 0
        # Left when an answer has been taken, so a caller that does not read is not read from.
        self._answers = Room(MOST_ANSWERS, 0)
        self._room = Room(MOST_FRAMES)

    async def answers(self) -> AsyncIterator[Message]:
        """The answers in the order of the frames."""
        while (frame := await self._in_order.get()) is not None:
            # A caller who goes takes only the waiting away, not what the answer is put into.
            yield await asyncio.shield(frame.answer)
            self._answers.leave(0)
            if frame.item is not None:
                self._room.leave(frame.size)

    async def read(self, requests: AsyncIterator[Any]) -> None:
        """Read frames as there is room for them, and have them answered."""
        refusal = None
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    async for item in requests:
                        await self._take(item, group)
                except ServingError as error:
                    # What was read before is still answered.
                    refusal = error
            if refusal is not None:
                raise refusal
        finally:
            self._in_order.put_nowait(None)

    async def _take(self, item: Any, group: asyncio.TaskGroup) -> None:
        size = item.ByteSize()
        self._drop_stale()
        await self._answers.enter(0)
        await self._room.enter(size)
        loop = asyncio.get_running_loop()
        frame = _Frame(item, item.id, size, item.drop_stale, loop.create_future())
        self._in_order.put_nowait(frame)
        self._waiting.append(frame)
        self._begin(group)

    def _drop_stale(self) -> None:
        """Answer the frames that wait and may be dropped: a newer one is here."""
        stale = [frame for frame in self._waiting if frame.live]
        for frame in stale:
            self._waiting.remove(frame)
            self._room.leave(frame.size)
            frame.item = None
            self._dropped.add()
            frame.answer.set_result(self._response(id=frame.name, status=Dropped().status()))

    def _begin(self, group: asyncio.TaskGroup) -> None:
        while self._waiting:
            most = LIVE_AT_ONCE if self._waiting[0].live else AT_ONCE
            if self._under_way >= most:
                return
            self._under_way += 1
            group.create_task(self._work(self._waiting.popleft(), group))

    async def _work(self, frame: _Frame, group: asyncio.TaskGroup) -> None:
        try:
            frame.answer.set_result(await self._answered(frame))
        finally:
            # Nobody must wait for an answer that will not come.
            frame.answer.cancel()
        self._under_way -= 1
        self._begin(group)

    async def _answered(self, frame: _Frame) -> Message:
        try:
            response = await self._answer(frame.item.request, self._call)
        except ServingError as error:
            return self._response(id=frame.name, status=error.status())
        return self._response(id=frame.name, status={}, response=response)
