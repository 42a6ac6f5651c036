"""Answers any method of any contract: in the gateway itself, or by the backend that serves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any

from gateway.backends import Backend
from mlmesh.runtime.answer import Answer
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Chain, Service
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import Unavailable


class Mesh:
    """chain: answers what is added by `add_local`. backends: by the full name of the service."""

    def __init__(self, chain: Chain, backends: Mapping[str, Backend]) -> None:
        self._chain = chain
        self._local: set[str] = set()
        self._backends = backends

    def add_local(self, service: Service) -> None:
        """Answer a service in the gateway itself."""
        self._chain.add(service)
        self._local.add(service.name)

    def begin(self, method: Method, request: bytes, call: Call) -> asyncio.Future[Answer]:
        """Call a unary method; whoever cancels the future gives the call up.

        The future fails with a ServingError; what can be told at once is raised here.
        """
        call = call.within(method.timeout)
        if method.service in self._local:
            answering = self._chain.answer(method.path, request, call)
        else:
            answering = self._backend(method).answer(method, request, call)
        return asyncio.ensure_future(_answer_of(answering))

    async def answer(self, method: Method, request: bytes, call: Call) -> bytes:
        """The serialised answer of a unary method; raises ServingError."""
        return (await self.begin(method, request, call)).response

    def stream(
        self, method: Method, requests: Iterable[bytes] | AsyncIterator[bytes], call: Call
    ) -> AsyncGenerator[bytes, None]:
        """The serialised answers of a streaming method; raises ServingError.

        An asynchronous source is asked for no more than the backend takes, and must not fail: when
        there is no more to send, it ends.
        """
        return self._backend(method).stream(method, requests, call.within(method.timeout))

    def _backend(self, method: Method) -> Backend:
        if method.service not in self._backends:
            raise Unavailable(f"{method.service} is not part of this mesh (see MLMESH_BACKENDS)")
        return self._backends[method.service]


async def _answer_of(answering: Coroutine[Any, Any, bytes]) -> Answer:
    return Answer(await answering)
