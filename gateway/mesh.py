"""Answers any method of any contract: in the gateway itself, or by the backend that serves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from functools import partial

from gateway.backends import Backend
from mlmesh.runtime.answer import Answer
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Chain, Service
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import ServingError, Unavailable
from mlmesh.runtime.tracing import CallSpan, Tracing


class Mesh:
    """chain: answers what is added by `add_local`. backends: by the full name of the service."""

    def __init__(
        self, chain: Chain, backends: Mapping[str, Backend], tracing: Tracing | None = None
    ) -> None:
        self._chain = chain
        self._tracing = tracing
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
            return asyncio.ensure_future(self._answered(method, request, call))
        backend = self._backend(method)
        call = self._traced(method, call)
        pending = backend.begin(method, request, call)
        if call.span is not None:
            pending.add_done_callback(partial(_end, call.span))
        return pending

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
        backend = self._backend(method)
        call = self._traced(method, call.within(method.timeout))
        answers = backend.stream(method, requests, call)
        return answers if call.span is None else _ending(call.span, answers)

    def _traced(self, method: Method, call: Call) -> Call:
        """The call as it is sent on."""
        return call if self._tracing is None else self._tracing.sent(method.path[1:], call)

    async def _answered(self, method: Method, request: bytes, call: Call) -> Answer:
        return Answer(await self._chain.answer(method.path, request, call))

    def _backend(self, method: Method) -> Backend:
        if method.service not in self._backends:
            raise Unavailable(f"{method.service} is not part of this mesh (see MLMESH_BACKENDS)")
        return self._backends[method.service]


def _end(span: CallSpan, future: asyncio.Future[Answer]) -> None:
    if future.cancelled():
        span.end("CANCELLED")
        return
    error = future.exception()
    span.end(_code_of(error) if error else "OK", error)


async def _ending(
    span: CallSpan, answers: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """The same answers; the span ends with them."""
    failure: BaseException | None = None
    try:
        async for answer in answers:
            yield answer
    except BaseException as error:
        failure = error
        raise
    finally:
        span.end(_code_of(failure) if failure else "OK", failure)
        await answers.aclose()


def _code_of(error: BaseException) -> str:
    if isinstance(error, ServingError):
        return error.code.name
    return "CANCELLED" if isinstance(error, asyncio.CancelledError | GeneratorExit) else "INTERNAL"
