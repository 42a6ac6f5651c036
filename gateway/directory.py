"""Which models there are in the mesh and which service has each."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import DecodeError

from gateway.backends import Backend
from mlmesh.runtime.call import Call, deadline_after, request_id_of, traceparent_of
from mlmesh.runtime.contracts import Method, methods_of
from mlmesh.runtime.errors import ServingError
from mlmesh.v1 import models_pb2 as pb

logger = logging.getLogger(__name__)

LIST_MODELS: Method = next(
    method
    for method in methods_of(pb.DESCRIPTOR.services_by_name["ModelsService"])
    if method.name == "ListModels"
)
LOOK_SECONDS = 1.0
"""Time that a backend gets to answer; a frozen one must not keep the lists of the others."""
FRESH_SECONDS = 0.1
"""A look as young as this is as good as a new one."""


@dataclass(slots=True)
class Entry:
    """What the directory knows of one backend."""

    backend: Backend
    models: list[pb.Model] = field(default_factory=list)
    answered: bool = False
    """Whether it ever did."""
    problem: str = "has not answered yet"
    """Why it did not answer the last time; empty when it did."""

    @property
    def name(self) -> str:
        return ", ".join(self.backend.services)


class Directory:
    """Looks at the backends again and again; the newest answers are what it knows."""

    def __init__(self, backends: Iterable[Backend]) -> None:
        self.entries = [Entry(backend) for backend in backends]
        self.complete = asyncio.Event()
        """Every backend has answered once."""
        self.problems: list[str] = []
        self._owners: dict[str, Entry] = {}
        self._clashes: dict[str, str] = {}
        self._looking = asyncio.Lock()
        self._looked = -math.inf

    def models(self) -> list[pb.Model]:
        """Every model of the mesh by name, as of the last look."""
        mine = [
            model
            for entry in self.entries
            for model in entry.models
            if self._owners.get(model.name) is entry
        ]
        return sorted(mine, key=lambda model: model.name)

    def owner(self, model: str) -> Entry | None:
        """Who has the model of this name, as of the last look."""
        return self._owners.get(model)

    async def look(self, *, anew: bool = False) -> None:
        """Ask every backend for its models; callers that come together share a look.

        anew: a look just before is not good enough, for something was changed since.
        """
        async with self._looking:
            if anew or time.monotonic() - self._looked >= FRESH_SECONDS:
                await self._look()
                self._looked = time.monotonic()

    async def _look(self) -> None:
        await asyncio.gather(*(self._ask(entry) for entry in self.entries))
        self._settle_names()
        self.problems = [f"{e.name}: {e.problem}" for e in self.entries if e.problem]
        self.problems += self._clashes.values()
        if all(entry.answered for entry in self.entries):
            self.complete.set()

    async def look_again(self, seconds: float) -> None:
        """Look for ever; at short intervals until every backend has answered once."""
        while True:
            try:
                await self.look()
            except Exception:
                # Without this task the gateway would never be ready, nor notice what changes.
                logger.exception("looking at the backends failed")
            await asyncio.sleep(seconds if self.complete.is_set() else min(seconds, 0.2))

    async def _ask(self, entry: Entry) -> None:
        call = Call(request_id_of(""), deadline_after(LOOK_SECONDS), traceparent_of(""))
        try:
            answer = await entry.backend.answer(LIST_MODELS, b"", call)
        except ServingError as error:
            if error.code is not grpc.StatusCode.UNIMPLEMENTED:
                if not entry.problem:
                    logger.warning("backend lost", extra={"services": entry.name})
                entry.problem = error.message
                return
            # A service without models is as much there as any other.
            answer = b""
        if entry.problem:
            logger.info("backend found", extra={"services": entry.name})
        try:
            entry.models = list(pb.ListModelsResponse.FromString(answer).models)
        except DecodeError:
            entry.problem = "its list of models cannot be read"
            return
        entry.answered = True
        entry.problem = ""

    def _settle_names(self) -> None:
        """A name belongs to whoever had it first; it is refused to any other."""
        offered = {id(entry): {model.name for model in entry.models} for entry in self.entries}
        self._owners = {
            name: owner for name, owner in self._owners.items() if name in offered[id(owner)]
        }
        clashes: dict[str, str] = {}
        for entry in self.entries:
            for name in sorted(offered[id(entry)]):
                owner = self._owners.setdefault(name, entry)
                if owner is not entry:
                    clashes[name] = (
                        f"model {name} of {entry.name} is refused, "
                        f"{owner.name} has a model of that name"
                    )
        for name in clashes.keys() - self._clashes.keys():
            logger.error("model name clash", extra={"model": name, "reason": clashes[name]})
        self._clashes = clashes


@asynccontextmanager
async def open_directory(backends: Iterable[Backend], seconds: float) -> AsyncIterator[Directory]:
    """A directory that looks every `seconds` inside the block."""
    unique = {id(backend): backend for backend in backends}
    directory = Directory(unique.values())
    looking = asyncio.create_task(directory.look_again(seconds))
    try:
        yield directory
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
