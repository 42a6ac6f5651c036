"""The services behind the gateway that speak the protocol: which to ask, and asking several."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from gateway.backends import Backend
from gateway.directory import Directory, Entry
from gateway.open_inference.rpc import Rpc
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import ModelNotFound, ServingError, Unavailable

Answer = TypeVar("Answer", bound=Message)

ASK_ALL_SECONDS = 1.0
"""Time that each service gets when all are asked; a frozen one must not hold back the others."""
_NOT_THERE = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED}


class Fleet:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def owner(self, model: str) -> Backend:
        """Who has a model. Raises ModelNotFound, or Unavailable while that cannot be known."""
        entry = self._directory.owner(model)
        if entry is None:
            await self._directory.look()
            entry = self._directory.owner(model)
        if entry is not None:
            return entry.backend
        if not self._directory.complete.is_set():
            raise Unavailable("model: not every service has answered yet, try again")
        raise _unknown(model)

    async def send(self, backend: Backend, rpc: Rpc[Answer], request: bytes, call: Call) -> bytes:
        """The serialised answer of one service; raises ServingError."""
        return await backend.answer(rpc.method, request, call.within(rpc.method.timeout))

    async def ask(self, backend: Backend, rpc: Rpc[Answer], request: Message, call: Call) -> Answer:
        """The answer of one service; raises ServingError."""
        answer = await self.send(backend, rpc, request.SerializeToString(), call)
        return rpc.answer.FromString(answer)

    async def ask_owner(self, model: str, rpc: Rpc[Answer], request: Message, call: Call) -> Answer:
        """The answer of the service that has a model; raises ServingError."""
        return await self.ask(await self.owner(model), rpc, request, call)

    async def ask_all(
        self, rpc: Rpc[Answer], request: Message, call: Call
    ) -> list[tuple[Entry, Answer | ServingError]]:
        """What every service that speaks the protocol answers, or why it does not."""
        call = call.within(ASK_ALL_SECONDS)
        entries = self._directory.entries
        outcomes = await asyncio.gather(
            *(self._outcome(entry, rpc, request, call) for entry in entries)
        )
        return [
            (entry, outcome)
            for entry, outcome in zip(entries, outcomes, strict=True)
            if not (
                isinstance(outcome, ServingError) and outcome.code is grpc.StatusCode.UNIMPLEMENTED
            )
        ]

    async def gather(
        self, rpc: Rpc[Answer], request: Message, call: Call
    ) -> list[tuple[Entry, Answer]]:
        """The answers of those that answer; raises ServingError when none of them does."""
        outcomes = await self.ask_all(rpc, request, call)
        answers = [(entry, one) for entry, one in outcomes if not isinstance(one, ServingError)]
        failures = [one for _, one in outcomes if isinstance(one, ServingError)]
        if failures and not answers:
            raise failures[0]
        return answers

    async def ask_until_found(
        self, model: str, rpc: Rpc[Answer], request: Message, call: Call
    ) -> Answer:
        """The answer of the owner of a model, or of the first service that finds it.

        Raises the failure of a service that may have it, else ModelNotFound.
        """
        owner = self._directory.owner(model)
        failures = []
        for entry in [owner] if owner else self._directory.entries:
            outcome = await self._outcome(entry, rpc, request, call)
            if not isinstance(outcome, ServingError):
                return outcome
            if owner or outcome.code not in _NOT_THERE:
                failures.append(outcome)
        raise failures[0] if failures else _unknown(model)

    async def change(self, model: str, rpc: Rpc[Answer], request: Message, call: Call) -> Answer:
        """The same, of what changes the models; who asks next finds the mesh as it is then."""
        answer = await self.ask_until_found(model, rpc, request, call)
        await self._directory.look(anew=True)
        return answer

    def lists(self, entry: Entry, model: str) -> bool:
        """Whether what a service says of a model counts: a name belongs to one service only."""
        return self._directory.owner(model) in (None, entry)

    async def _outcome(
        self, entry: Entry, rpc: Rpc[Answer], request: Message, call: Call
    ) -> Answer | ServingError:
        try:
            return await self.ask(entry.backend, rpc, request, call)
        except ServingError as error:
            return error


def _unknown(model: str) -> ModelNotFound:
    return ModelNotFound(f"model: no service of the mesh has one named {model[:64]!r}")
