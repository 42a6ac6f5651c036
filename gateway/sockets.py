"""The gateway's WebSockets: streaming methods at the paths that their contracts say."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from gateway.arrivals import Arrivals
from gateway.door import Door
from gateway.mesh import Mesh
from gateway.origin import check_origin
from gateway.request import (
    Disconnected,
    Receive,
    Request,
    Scope,
    Send,
    deadline_of,
    request_of_scope,
)
from gateway.response import failure, headers_of
from gateway.routes import ALL_FIELDS, Match, Routes, WrongVerb
from gateway.socket import Socket, SocketLimits
from gateway.socket_form import form_offered
from gateway.status import http_status_of
from gateway.traffic import CLIENT_CLOSED, UNMATCHED, HttpMetrics
from mlmesh.runtime.admission import Gauge, Share
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import InvalidInput, ServingError

SWITCHED = 101


class Sockets:
    """An ASGI application for scopes of the type websocket."""

    def __init__(
        self,
        routes: Routes,
        mesh: Mesh,
        metrics: HttpMetrics,
        door: Door,
        arrivals: Arrivals,
        limits: SocketLimits,
    ) -> None:
        self._arrivals = arrivals
        self._routes = routes
        self._mesh = mesh
        self._metrics = metrics
        self._bodies = door.bodies
        self._open = Gauge(limits.sockets, "sockets")
        self._limits = limits

    @property
    def open(self) -> int:
        return self._open.count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = request_of_scope({**scope, "method": "GET"})
        call = self._arrivals.call_of(request, "WebSocket")
        failed: ServingError | None = None
        route, status = UNMATCHED, CLIENT_CLOSED
        await receive()
        try:
            match = self._match(request)
            route = match.template
            with self._open, Share(self._bodies) as share:
                status = await self._serve(scope, request, match, call, share, receive, send)
        except Disconnected:
            pass
        except ServingError as error:
            failed = error
            status = await self._refuse(error, call, send)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.close(call, "GET", route, status, seconds, failed)

    async def _serve(
        self,
        scope: Scope,
        request: Request,
        match: Match,
        call: Call,
        share: Share,
        receive: Receive,
        send: Send,
    ) -> int:
        check_origin(request, self._limits.origins)
        form = form_offered(scope["subprotocols"])
        method = match.binding.method
        call = replace(call, deadline=deadline_of(request)).within(method.timeout)
        await send(
            {
                "type": "websocket.accept",
                "subprotocol": form.subprotocol if form else None,
                "headers": [(b"x-request-id", call.request_id.encode())],
            }
        )
        counts = self._metrics.stream(match.template)
        socket = Socket(match, request.query, form, receive, send, share, self._limits, counts)
        failed = await socket.serve(self._mesh, call)
        if failed is None:
            return SWITCHED
        self._metrics.refused(failed)
        return http_status_of(failed.status())

    def _match(self, request: Request) -> Match:
        """The binding of the path, whatever its verb. Raises ServingError."""
        try:
            match = self._routes.find("GET", request.path)
        except WrongVerb as error:
            verb = next(verb for verb in error.allow if verb != "OPTIONS")
            match = self._routes.find(verb, request.path)
        binding = match.binding
        if not binding.method.descriptor.client_streaming:
            problem = "this path takes no WebSocket, only methods that take a stream do"
            raise InvalidInput("Upgrade", problem)
        if binding.body is None:
            return replace(match, binding=replace(binding, body=ALL_FIELDS))
        return match

    async def _refuse(self, error: ServingError, call: Call, send: Send) -> int:
        self._metrics.refused(error)
        response = failure(error)
        start = {"type": "websocket.http.response.start", "status": response.status}
        with suppress(OSError):
            await send(start | {"headers": headers_of(response, call.request_id)})
            await send({"type": "websocket.http.response.body", "body": response.body})
        return response.status
