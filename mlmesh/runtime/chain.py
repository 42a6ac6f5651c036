"""The one way through a server: every call, plain or carried, passes the same steps.

Admission, deadline, parsing, field rules, the servicer, metrics; and whatever goes wrong leaves as
a ServingError.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message

from mlmesh.runtime import rules
from mlmesh.runtime.admission import Budget, Gauge, Limits, Share
from mlmesh.runtime.call import CURRENT, Call, sampled_trace_id
from mlmesh.runtime.call_log import MODEL, CallLog, level_of
from mlmesh.runtime.contracts import Method, methods_of, wire_name
from mlmesh.runtime.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidInput,
    ServingError,
    Unsupported,
)
from mlmesh.runtime.item_stream import AnswerItem, ItemStream
from mlmesh.runtime.metrics import ServerMetrics, StreamMetrics
from mlmesh.runtime.tracing import Tracing
from mlmesh.runtime.wire_text import undecodable_text

CARRY_SCOPE = "mesh.carry"

UnaryBehaviour = Callable[[Any, Call], Awaitable[Message]]
StreamBehaviour = Callable[[AsyncIterator[Any], Call], AsyncIterator[Message]]
OpenItemStream = Callable[[type[Message], AnswerItem], StreamBehaviour]
"""Takes the type of a stream's answers and what answers one of its messages."""
CheckBytes = Callable[[bytes], None]
Refusal = Callable[[ServingError], ServingError]


def as_it_is(error: ServingError) -> ServingError:
    """Refuses in mlmesh's own terms."""
    return error


def any_bytes(request: bytes) -> None:
    """Parses whatever comes."""


@dataclass(frozen=True, slots=True)
class Service:
    """A contract's service and the object that answers its methods.

    `servicer` has one method for every rpc, of the rpc's name: `async def (request, call)` for a
    unary rpc, an async generator `(requests, call)` for a streaming one.
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


@dataclass(frozen=True, slots=True)
class _Unary:
    method: Method
    answer: UnaryBehaviour
    check: CheckBytes
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class _Streaming:
    method: Method
    answer: StreamBehaviour
    check: CheckBytes
    refusal: Refusal
    metrics: StreamMetrics


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
        self._log = log
        self._metrics = metrics
        self._tracing = tracing
        self._calls = Gauge(limits.calls, "calls")
        self._streams = Gauge(limits.streams, "streams")
        self._bytes = Budget(limits.request_bytes)
        metrics.read_load(
            lambda: self._calls.count, lambda: self._streams.count, lambda: self._bytes.used
        )
        self._unary: dict[str, _Unary] = {}
        self._streaming: dict[str, _Streaming] = {}
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
                answer = service.open_item_stream(method.response, answer_item)
                self._add_stream(method, answer, check, refusal)
            elif method.unary:
                unary = getattr(service.servicer, name)
                self._unary[method.path] = _Unary(method, unary, check, refusal)
            else:
                stream = getattr(service.servicer, name)
                self._add_stream(method, stream, check, refusal)

    def _add_stream(
        self, method: Method, answer: StreamBehaviour, check: CheckBytes, refusal: Refusal
    ) -> None:
        metrics = self._metrics.stream(method)
        self._streaming[method.path] = _Streaming(method, answer, check, refusal, metrics)

    async def answer(self, path: str, request: bytes, call: Call) -> bytes:
        """The answer of the unary method at `path`; raises ServingError."""
        response = await self.perform(path, request, call)
        return response.SerializeToString()

    async def perform(self, path: str, request: bytes | Message, call: Call) -> Message:
        """The same with messages."""
        if path not in self._unary:
            service, _, name = path[1:200].rpartition("/")
            raise Unsupported(f"{service} does not have {name}")
        served = self._unary[path]
        method = served.method
        if self._tracing is not None and method.scope != CARRY_SCOPE:
            call = self._tracing.served(path[1:], call)
        CURRENT.set(call)
        MODEL.set(("", ""))
        # What carries calls takes no place of theirs.
        carries = method.scope == CARRY_SCOPE
        places = self._streams if carries else self._calls
        size = len(request) if isinstance(request, bytes) and not carries else 0
        with self._observed(method, served.refusal, call), places, Share(self._bytes, size):
            call = call.within(method.timeout)
            message = request
            if isinstance(message, bytes):
                served.check(message)
                message = _parsed(method, message)
            rules.check(message)
            async with _Deadline(call):
                return await served.answer(message, call)

    async def stream(
        self, path: str, requests: AsyncIterator[bytes], call: Call
    ) -> AsyncIterator[bytes]:
        """The answers of the streaming method at `path`; raises ServingError."""
        served = self._streaming[path]
        method = served.method
        if self._tracing is not None and method.scope != CARRY_SCOPE:
            call = self._tracing.served(path[1:], call)
        CURRENT.set(call)
        with self._observed(method, served.refusal, call), self._streams:
            call = call.within(method.timeout)
            async with _Deadline(call):
                async for response in served.answer(self._read(served, requests), call):
                    served.metrics.sent.value += 1
                    yield response.SerializeToString()

    def stop_reading(self) -> None:
        """Let streams end: what they have read is answered, what comes later is never begun."""
        self._draining = True
        for task in self._readers:
            task.cancel()

    async def _read(
        self, served: _Streaming, requests: AsyncIterator[bytes]
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
            served.metrics.received.value += 1
            served.check(request)
            message = _parsed(served.method, request)
            rules.check(message)
            yield message

    @contextmanager
    def _observed(self, method: Method, refusal: Refusal, call: Call) -> Iterator[None]:
        """Count and time a call, and let nothing but ServingErrors and cancellation out."""
        started = time.perf_counter()
        trace_id = sampled_trace_id(call.traceparent)
        code = "OK"
        failure: BaseException | None = None
        try:
            yield
        except ServingError as error:
            failure = error
            told = refusal(error)
            code = told.code.name
            self._metrics.refused(method, error.reason)
            if told is error:
                raise
            raise told from error
        except (asyncio.CancelledError, GeneratorExit) as error:
            code, failure = "CANCELLED", error
            raise
        except Exception as error:
            code, failure = "INTERNAL", error
            raise InternalError from error
        finally:
            seconds = time.perf_counter() - started
            self._metrics.observe(method, code, seconds, trace_id)
            if self._log is not None:
                self._write(self._log, method, call, code, failure, seconds)
            if call.span is not None:
                call.span.put(rpc__method=method.path[1:], mlmesh__attempt=call.attempt)
                call.span.end(code, failure)

    def _write(
        self,
        log: CallLog,
        method: Method,
        call: Call,
        code: str,
        failure: BaseException | None,
        seconds: float,
    ) -> None:
        """One line; of a refusal its reason, for the message may repeat what was sent."""
        model, version = MODEL.get()
        refused = isinstance(failure, ServingError)
        log.write(
            level_of(code),
            "call",
            call,
            seconds,
            failure if code == "INTERNAL" and not refused else None,
            method=method.path,
            status=code,
            reason=failure.reason if isinstance(failure, ServingError) else "",
            model=model,
            version=version,
        )


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


def _parsed(method: Method, request: bytes) -> Message:
    try:
        return method.request.FromString(request)
    except DecodeError:
        found = undecodable_text(request, method.request.DESCRIPTOR)
        if found is not None:
            raise InvalidInput(found[0], f"byte {found[1]} is not valid UTF-8") from None
        name = method.request.DESCRIPTOR.full_name
        raise InvalidInput("", f"the request is not a serialised {name}") from None
