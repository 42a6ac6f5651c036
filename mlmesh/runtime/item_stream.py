"""Streams whose messages are independent: each is answered as a unary call, as soon as it is ready.

Requests are `{id, request}`, answers `{id, status, response}`; a wrong request ends nothing but
itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from google.protobuf.message import Message

from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import ServingError
from mlmesh.runtime.room import Room

MAX_UNDER_WAY = 256
"""Items of one stream that are worked on at once; more are not read before an answer is out."""

AnswerItem = Callable[[Message, Call], Awaitable[Message]]
_Answers = asyncio.Queue[tuple[Message, int] | None]
"""With the size of the request; None at the end."""


class ItemStream:
    """Answers one stream after another; `response` is the type of its answers."""

    def __init__(self, response: type[Message], answer: AnswerItem) -> None:
        self._response = response
        self._answer = answer

    async def __call__(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Message]:
        answers: _Answers = asyncio.Queue()
        # Left when an answer has been taken, so a caller that does not read is not read from.
        room = Room(MAX_UNDER_WAY)
        reading = asyncio.create_task(self._read(requests, call, answers, room))
        try:
            while (answered := await answers.get()) is not None:
                answer, size = answered
                yield answer
                room.leave(size)
            await reading
        finally:
            reading.cancel()

    async def _read(
        self,
        requests: AsyncIterator[Any],
        call: Call,
        answers: _Answers,
        room: Room,
    ) -> None:
        async def work(item: Any, size: int) -> None:
            answers.put_nowait((await self._answered(item, call), size))

        refusal = None
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    async for item in requests:
                        size = item.ByteSize()
                        await room.enter(size)
                        group.create_task(work(item, size))
                except ServingError as error:
                    # What was read before is still answered.
                    refusal = error
            if refusal is not None:
                raise refusal
        finally:
            answers.put_nowait(None)

    async def _answered(self, item: Any, call: Call) -> Message:
        try:
            response = await self._answer(item.request, call)
        except ServingError as error:
            return self._response(id=item.id, status=error.status())
        return self._response(id=item.id, status={}, response=response)
