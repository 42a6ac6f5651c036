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

MAX_UNDER_WAY = 256
"""Items of one stream that are worked on at once; more are not read before an answer is out."""

AnswerItem = Callable[[Message, Call], Awaitable[Message]]


class ItemStream:
    """Answers one stream after another; `response` is the type of its answers."""

    def __init__(self, response: type[Message], answer: AnswerItem) -> None:
        self._response = response
        self._answer = answer

    async def __call__(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Message]:
        answers: asyncio.Queue[Message | None] = asyncio.Queue()
        # Released when an answer has been taken, so a caller that does not read is not read from.
        room = asyncio.Semaphore(MAX_UNDER_WAY)
        reading = asyncio.create_task(self._read(requests, call, answers, room))
        try:
            while (answer := await answers.get()) is not None:
                yield answer
                room.release()
            await reading
        finally:
            reading.cancel()

    async def _read(
        self,
        requests: AsyncIterator[Any],
        call: Call,
        answers: asyncio.Queue[Message | None],
        room: asyncio.Semaphore,
    ) -> None:
        async def work(item: Any) -> None:
            answers.put_nowait(await self._answered(item, call))

        refusal = None
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    async for item in requests:
                        await room.acquire()
                        group.create_task(work(item))
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
