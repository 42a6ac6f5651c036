"""The protocol's stream: each message is answered as a unary call is, in the order they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import Message

from mlmesh.inference.open_inference.parameters import FINAL_RESPONSE
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import ServingError
from mlmesh.runtime.item_stream import AnswerItem
from mlmesh.runtime.room import Room

MAX_UNDER_WAY = 32
"""Requests of one stream that are worked on at once; more are not read before an answer is out."""


class OrderedStream:
    """Answers one stream after another; `response` is the type of its answers.

    A request that is refused is answered with its error_message, and the stream goes on.
    """

    def __init__(self, response: type[Message], answer: AnswerItem) -> None:
        self._response = response
        self._answer = answer

    async def __call__(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Message]:
        under_way: asyncio.Queue[tuple[asyncio.Task[Message], int] | None] = asyncio.Queue()
        # Left when an answer has been taken, so a caller that does not read is not read from.
        room = Room(MAX_UNDER_WAY)
        tasks: set[asyncio.Task[Message]] = set()

        async def read() -> None:
            try:
                async for request in requests:
                    size = request.ByteSize()
                    await room.enter(size)
                    task = asyncio.create_task(self._answered(request, call))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    under_way.put_nowait((task, size))
            finally:
                under_way.put_nowait(None)

        reading = asyncio.create_task(read())
        try:
            while (item := await under_way.get()) is not None:
                task, size = item
                yield await task
                room.leave(size)
            # What could not be read ends the stream, once all before it is answered.
            await reading
        finally:
            reading.cancel()
            for left in tasks:
                left.cancel()

    async def _answered(self, request: Any, call: Call) -> Message:
        try:
            answer: Any = self._response(infer_response=await self._answer(request, call))
        except ServingError as error:
            answer = self._response(error_message=error.message)
            # Tells the caller which of the requests it was.
            answer.infer_response.id = request.id
        answer.infer_response.parameters[FINAL_RESPONSE].bool_param = True
        return answer  # type: ignore[no-any-return]
