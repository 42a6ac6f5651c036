"""The gateway as an ASGI application: HTTP in, the answer of a contract's method out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from gateway.answer_stream import AnswerStream
from gateway.arrivals import Arrivals
from gateway.beside import beside, beside_if
from gateway.compression import encoding_of, packed_response, packing_for, unpacked_body
from gateway.dialect import JSON_DIALECT, dialect_of
from gateway.door import Door
from gateway.form import FormLimits
from gateway.intake import Intake, intake_of
from gateway.mesh import Mesh
from gateway.open_inference.path import Target, is_open_inference, target_of
from gateway.open_inference.refusal import refusal
from gateway.open_inference.surface import OpenInference
from gateway.page import AnyPage, page_answer
from gateway.presence import while_connected
from gateway.request import (
    Disconnected,
    Receive,
    Request,
    Scope,
    Send,
    deadline_of,
    read_chunks,
    request_of_scope,
)
from gateway.response import (
    Response,
    closing,
    failure,
    leaving,
    send_response,
)
from gateway.routes import Binding, Match, RouteNotFound, Routes, WrongVerb
from gateway.server_timing import server_timing
from gateway.sockets import Sockets
from gateway.stream_form import form_of, has_ended
from gateway.traffic import CLIENT_CLOSED, UNMATCHED, HttpMetrics
from gateway.transcode import answer_of, serialised_lines
from mlmesh.runtime.admission import Share
from mlmesh.runtime.answer import Answer
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import InternalError, ServingError


@dataclass(frozen=True, slots=True)
class AppLimits:
    """What one client, and all together, may ask for."""

    body_bytes: int = 24 * 2**20
    body_seconds: float = 30.0
    lines: int = 10_000
    """Of a request to a streaming method."""
    packed_from: int = 1024
    """Bytes of an answer."""
    server_timing: bool = True
    heartbeat_seconds: float = 15.0
    """Between two signs of life of a stream of events."""
    form: FormLimits = field(default_factory=FormLimits)


@dataclass(slots=True)
class _Visit:
    """One request on its way; what is known of it for the books."""

    request: Request
    call: Call
    started: float
    route: str = UNMATCHED
    body_read: bool = False
    refuse: Callable[[ServingError], Response] = failure
    """How a failure is answered: each dialect has errors of its own."""
    status: int = CLIENT_CLOSED
    error: Exception | None = None
    """Why it was refused."""


class Gateway:
    """pages: fixed paths that are answered by GET without a contract."""

    def __init__(
        self,
        routes: Routes,
        mesh: Mesh,
        open_inference: OpenInference,
        pages: Mapping[str, AnyPage],
        metrics: HttpMetrics,
        door: Door,
        sockets: Sockets,
        arrivals: Arrivals,
        limits: AppLimits,
    ) -> None:
        self._arrivals = arrivals
        self._routes = routes
        self._mesh = mesh
        self._open_inference = open_inference
        self._pages = pages
        self._metrics = metrics
        self._limits = limits
        self._door = door
        self._sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._sockets(scope, receive, send)
            return
        started = time.perf_counter()
        request = request_of_scope(scope)
        call = self._arrivals.call_of(request, request.verb)
        visit = _Visit(request, call, started)
        try:
            await self._answer(visit, receive, send)
        except Disconnected:
            visit.status = CLIENT_CLOSED
        finally:
            seconds = time.perf_counter() - started
            told = (request.verb, visit.route, visit.status)
            self._metrics.close(call, *told, seconds, visit.error)

    async def _answer(self, visit: _Visit, receive: Receive, send: Send) -> None:
        try:
            response = await self._response(visit, receive, send)
        except ServingError as error:
            response = self._refused(visit, error)
        except Disconnected:
            raise
        except asyncio.CancelledError:
            if visit.status != CLIENT_CLOSED:
                raise
            response = closing(self._refused(visit, leaving()))
        except Exception as error:
            response = self._refused(visit, InternalError())
            visit.error = error
        if response is not None:
            if len(response.body) >= self._limits.packed_from and _may_be_packed(visit, response):
                accept = visit.request.header(b"accept-encoding")
                response = await packed_response(response, accept)
            visit.status = response.status
            if not visit.body_read and visit.request.header(b"expect"):
                # The client held its body back; what it sends next would be taken for it.
                response = closing(response)
            await send_response(send, response, visit.call.request_id)

    def _refused(self, visit: _Visit, error: ServingError) -> Response:
        self._metrics.refused(error)
        visit.error = error
        return visit.refuse(error)

    async def _response(self, visit: _Visit, receive: Receive, send: Send) -> Response | None:
        """The answer, or None when it has been sent as a stream. Raises ServingError."""
        request = visit.request
        if request.path in self._pages:
            visit.route = request.path
            return await page_answer(request, self._pages[request.path])
        if is_open_inference(request.path):
            visit.refuse = refusal
        if request.verb == "OPTIONS":
            return self._options(request)
        found = self._find(request.verb, request.path)
        visit.route = found.template
        with self._door.requests, Share(self._door.bodies) as share:
            if isinstance(found, Target):
                return await self._inferred(visit, found, receive, share)
            visit.refuse = failure
            return await self._called(visit, found, receive, share, send)

    def _find(self, verb: str, path: str) -> Match | Target:
        """Raises RouteNotFound, WrongVerb, or InvalidInput when a value in the path is wrong."""
        if not is_open_inference(path):
            return self._routes.find(verb, path)
        try:
            return target_of(verb, path)
        except (RouteNotFound, WrongVerb):
            # The second version of a contract begins with /v2, too.
            with suppress(RouteNotFound):
                return self._routes.find(verb, path)
            raise

    async def _inferred(
        self, visit: _Visit, target: Target, receive: Receive, share: Share
    ) -> Response:
        request = visit.request
        call = replace(visit.call, deadline=deadline_of(request))
        body = b"".join(await self._body(visit, receive, share))
        async with while_connected(receive):
            return await self._open_inference.answer(target, request, body, call)

    async def _called(
        self, visit: _Visit, match: Match, receive: Receive, share: Share, send: Send
    ) -> Response | None:
        request, binding = visit.request, match.binding
        method = binding.method
        dialect = dialect_of(request, binding)
        if dialect is not JSON_DIALECT:
            visit.refuse = partial(failure, dialect=dialect)
        call = replace(visit.call, deadline=deadline_of(request)).within(method.timeout)
        intake = intake_of(request, binding, self._limits.form)
        body = await self._body(visit, receive, share)
        async with while_connected(receive):
            if method.unary:
                heavy = sum(map(len, body)) >= intake.large
                sent = await beside_if(heavy, intake.serialise, match, request, body)
                answer = await self._mesh.begin(method, sent, call)
                response = answer.response
                written = await beside(response, dialect.write, binding, response)
                return Response(200, written, dialect.headers, self._timing(visit, answer))
            return await self._streamed(visit, match, intake, body, call, send)

    def _timing(self, visit: _Visit, answer: Answer) -> bytes:
        if not self._limits.server_timing:
            return b""
        return server_timing(answer, time.perf_counter() - visit.started)

    async def _body(self, visit: _Visit, receive: Receive, share: Share) -> list[bytes]:
        """All of it, unpacked, in pieces. Raises ServingError."""
        request, limits = visit.request, self._limits
        encoding = encoding_of(request)
        body = await read_chunks(request, receive, share, limits.body_bytes, limits.body_seconds)
        visit.body_read = True
        if not encoding or not any(body):
            return body
        return await unpacked_body(body, encoding, share, limits.body_bytes)

    async def _streamed(
        self,
        visit: _Visit,
        match: Match,
        intake: Intake,
        body: list[bytes],
        call: Call,
        send: Send,
    ) -> Response | None:
        request, binding = visit.request, match.binding
        method = binding.method
        if method.descriptor.client_streaming:
            lines = b"".join(body)
            most = self._limits.lines
            sent = await beside(lines, serialised_lines, match, request.query, lines, most)
        else:
            heavy = sum(map(len, body)) >= intake.large
            sent = [await beside_if(heavy, intake.serialise, match, request, body)]
        counts = self._metrics.stream(visit.route)
        counts.received.add(len(sent))
        async with aclosing(self._mesh.stream(method, sent, call)) as answers:
            if not method.descriptor.server_streaming:
                response = await self._only(visit, binding, answers)
                counts.sent.add()
                return response
            if has_ended(request):
                return Response(204, b"", ())
            packing = packing_for(request.header(b"accept-encoding"))
            form, beat = form_of(request), self._limits.heartbeat_seconds
            stream = AnswerStream(send, form, packing, call.request_id, beat, counts.sent)
            try:
                await stream.send_all(answers, partial(answer_of, binding))
            finally:
                if stream.started:
                    visit.status = 200
        return None

    async def _only(
        self, visit: _Visit, binding: Binding, answers: AsyncIterator[bytes]
    ) -> Response:
        """The one answer to a stream."""
        answer = await anext(answers)
        dialect = dialect_of(visit.request, binding)
        return Response(200, await beside(answer, dialect.write, binding, answer), dialect.headers)

    def _options(self, request: Request) -> Response:
        try:
            self._find("OPTIONS", request.path)
        except WrongVerb as error:
            return Response(204, b"", ((b"allow", ", ".join(error.allow).encode()),))
        return Response(204, b"")


def _may_be_packed(visit: _Visit, response: Response) -> bool:
    # Triton's asyncio client always asks for packed answers, and unpacks none but results.
    path = visit.request.path
    return not is_open_inference(path) or (response.status == 200 and path.endswith("/infer"))
