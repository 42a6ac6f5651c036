"""The one way through a server: every call, plain or carried, passes the same steps.

Admission, deadline, parsing, field rules, the servicer, metrics; and whatever goes wrong leaves as
a ServingError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from mlmesh.runtime import rules
from mlmesh.runtime.admission import Budget, Gauge, Limits, Share
from mlmesh.runtime.books import Books, Refusal
from mlmesh.runtime.call import CURRENT, Call
from mlmesh.runtime.call_log import CallLog
from mlmesh.runtime.contracts import Method, methods_of, wire_name
from mlmesh.runtime.deadlines import Deadlines
from mlmesh.runtime.done import Awaited, Done
from mlmesh.runtime.errors import DeadlineExceeded, ServingError, Unsupported
from mlmesh.runtime.item_stream import AnswerItem, ItemStream
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.open_stream import OpenStream, StreamBehaviour, Streaming
from mlmesh.runtime.tracing import Tracing
from mlmesh.runtime.unary_call import CheckBytes, Unary, UnaryCall, expire

CARRY_SCOPE = "mesh.carry"

OpenItemStream = Callable[[type[Message], AnswerItem], StreamBehaviour]
"""Takes the type of a stream's answers and what answers one of its messages."""


def as_it_is(error: ServingError) -> ServingError:
    """Refuses in mlmesh's own terms."""
    return error


def any_bytes(request: bytes) -> None:
    """Parses whatever comes."""


@dataclass(frozen=True, slots=True)
class Service:
    """A contract's service and the object that answers its methods.

    `servicer` has one method for every rpc, of the rpc's name: `async def (request, call)` for a
    unary rpc, an async generator `(requests, call)` for a streaming one. A unary one that is no
    coroutine, `def (request, call, done)`, costs its calls no task; see `Begin`.
    """

    contract: ServiceDescriptor
    servicer: object
    item_streams: Mapping[str, str] = field(default_factory=dict)
    """Streaming rpcs that answer each message as a unary rpc does: {"StreamPredict": "Predict"}."""
    open_item_stream: OpenItemStream = ItemStream
    """How those streams are read and answered."""
    bounds: Mapping[str, CheckBytes] = field(default_factory=dict)
    """By rpc, what looks at a request before it is parsed and raises ServingError: for messages
    that can be far larger in memory than on the wire."""
    refusal: Refusal = as_it_is
    """What callers of this service are told of a failure, whoever refused: the chain, too."""

    @property
    def name(self) -> str:
        """The name under which it is called."""
        return wire_name(self.contract)


class Chain:
    """Answers calls by their gRPC path, on serialised messages."""

    def __init__(
        self,
        services: Iterable[Service],
        limits: Limits,
        metrics: ServerMetrics,
        tracing: Tracing | None = None,
        log: CallLog | None = None,
    ) -> None:
        self._books = Books(metrics, log)
        self._metrics = metrics
        self._tracing = tracing
        self._calls = Gauge(limits.calls, "calls")
        self._streams = Gauge(limits.streams, "streams")
        self._bytes = Budget(limits.request_bytes)
        metrics.read_load(
            lambda: self._calls.count, lambda: self._streams.count, lambda: self._bytes.used
        )
        self._deadlines: Deadlines[UnaryCall] = Deadlines(expire)
        self._unary: dict[str, Unary] = {}
        self._streaming: dict[str, Streaming] = {}
        self._draining = False
        # Tasks that wait for the next message of a stream.
        self._readers: set[asyncio.Task[Any]] = set()
        for service in services:
            self.add(service)

    def add(self, service: Service) -> None:
        """Answer the methods of one more service; its servicer must have all of them."""
        methods = {method.name: method for method in methods_of(service.contract)}
        for name, method in methods.items():
            rules.prepare(method.request)
            check, refusal = service.bounds.get(name, any_bytes), service.refusal
            if item := service.item_streams.get(name):
                answer_item = partial(self.perform, methods[item].path)
                items = service.open_item_stream(method.response, answer_item)
                self._add_stream(method, items, check, refusal)
            elif method.unary:
                unary = getattr(service.servicer, name)
                answer, begin = (unary, None) if iscoroutinefunction(unary) else (None, unary)
                self._unary[method.path] = Unary(method, answer, begin, check, refusal)
            else:
                stream = getattr(service.servicer, name)
                self._add_stream(method, stream, check, refusal)

    def _add_stream(
        self, method: Method, answer: StreamBehaviour, check: CheckBytes, refusal: Refusal
    ) -> None:
        metrics = self._metrics.stream(method)
        self._streaming[method.path] = Streaming(method, answer, check, refusal, metrics)

    async def answer(self, path: str, request: bytes, call: Call) -> bytes:
        """The answer of the unary method at `path`; raises ServingError."""
        response = await self.perform(path, request, call)
        return response.SerializeToString()

    async def perform(self, path: str, request: bytes | Message, call: Call) -> Message:
        """The same with messages."""
        answer: Awaited[Message] = Awaited()
        begun = self.begin(path, request, call, answer.tell)
        try:
            return await answer.get()
        except asyncio.CancelledError:
            begun.give_up()
            raise

    def begin(
        self, path: str, request: bytes | Message, call: Call, done: Done[Message]
    ) -> UnaryCall:
        """Begin a call of the unary method at `path`; `done` is told its answer or a ServingError.

        Raises Unsupported when there is no such method.
        """
        served = self._unary.get(path)
        if served is None:
            service, _, name = path[1:200].rpartition("/")
            raise Unsupported(f"{service} does not have {name}")
        # What carries calls takes no place of theirs.
        carries = served.method.scope == CARRY_SCOPE
        if self._tracing is not None and not carries:
            call = self._tracing.served(path[1:], call)
        places = self._streams if carries else self._calls
        size = len(request) if isinstance(request, bytes) and not carries else 0
        share = Share(self._bytes, size)
        begun = UnaryCall(served, call, places, share, self._deadlines, self._books, done)
        begun.begin(request)
        return begun

    async def stream(
        self, path: str, requests: AsyncIterator[bytes], call: Call
    ) -> AsyncIterator[bytes]:
        """The answers of the streaming method at `path`; raises ServingError."""
        served = self._streaming[path]
        if self._tracing is not None and served.method.scope != CARRY_SCOPE:
            call = self._tracing.served(path[1:], call)
        CURRENT.set(call)
        with self.open_stream(path, call) as stream:
            async with _Deadline(stream.call):
                async for response in served.answer(self._read(stream, requests), stream.call):
                    yield stream.response(response)

    def open_stream(self, path: str, call: Call) -> OpenStream:
        """A call of the streaming method at `path`, for whoever answers it without `stream`."""
        return OpenStream(self._streaming[path], call, self._streams, self._books)

    def stop_reading(self) -> None:
        """Let streams end: what they have read is answered, what comes later is never begun."""
        self._draining = True
        for task in self._readers:
            task.cancel()

    async def _read(
        self, stream: OpenStream, requests: AsyncIterator[bytes]
    ) -> AsyncIterator[Message]:
        """The messages of a stream, checked, until it ends or the server stops reading."""
        task = asyncio.current_task()
        assert task is not None
        messages = None
        while not self._draining:
            messages = messages or aiter(requests)
            self._readers.add(task)
            try:
                request = await anext(messages)
            except StopAsyncIteration:
                return
            except asyncio.CancelledError:
                if not self._draining:
                    raise
                task.uncancel()
                return
            finally:
                self._readers.discard(task)
            yield stream.request(request)


class _Deadline:
    """Give up at the call's deadline, and do not even begin after it.

    A class, not a generator, because it stands around every call.
    """

    __slots__ = ("_timeout",)

    def __init__(self, call: Call) -> None:
        remaining = call.remaining
        if remaining <= 0:
            raise DeadlineExceeded("the deadline had passed before the call began")
        self._timeout = asyncio.timeout(remaining)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        try:
            await self._timeout.__aexit__(*error)
        except TimeoutError:
            raise DeadlineExceeded("the deadline passed before the answer was ready") from None
