"""The calls of one replica that share no message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc

from mlmesh.runtime.coalescing.options import FailureOf
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.coalescing.plain import send_plain
from mlmesh.runtime.errors import ServingError


class Beside:
    """failure: what callers are told. lost: told of a call that the replica could not be asked."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        failure: FailureOf,
        lost: Callable[[PendingCall], None],
    ) -> None:
        self._channel = channel
        self._failure = failure
        self._lost = lost
        self._tasks: dict[PendingCall, asyncio.Task[None]] = {}

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def calls(self) -> list[PendingCall]:
        return [*self._tasks]

    def send(self, pending: PendingCall) -> None:
        pending.attempts += 1
        self._tasks[pending] = asyncio.get_running_loop().create_task(self._sent(pending))

    def give_up(self, pending: PendingCall) -> None:
        """Nobody waits for it any more, or it has been answered."""
        if task := self._tasks.pop(pending, None):
            task.cancel()

    def close(self) -> None:
        for pending in self.calls():
            self.give_up(pending)

    async def _sent(self, pending: PendingCall) -> None:
        try:
            answer = await send_plain(self._channel, pending, self._failure)
        except ServingError as error:
            self._tasks.pop(pending, None)
            pending.failed(error)
        except grpc.aio.AioRpcError:
            self._tasks.pop(pending, None)
            self._lost(pending)
        else:
            self._tasks.pop(pending, None)
            pending.answer(answer)
