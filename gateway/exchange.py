"""One plain request and its answer, on the short way."""

from __future__ import annotations

import time
from asyncio import Future, TimerHandle
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.beside import LARGE_BYTES
from gateway.compression import packed
from gateway.request import slow_body
from gateway.response import Response, closing, failure, headers_of, leaving
from gateway.server_timing import server_timing
from gateway.shortcut import Head, Shortcut
from gateway.traffic import CLIENT_CLOSED
from gateway.transcode import answer_of, serialised_request
from mlmesh.runtime.admission import Share
from mlmesh.runtime.answer import Answer
from mlmesh.runtime.call import CURRENT
from mlmesh.runtime.errors import InternalError, ServingError


class _Unheard:
    """Where the cycle of a request has an event, an exchange has nobody who waits."""

    def set(self) -> None:
        pass


class Exchange:
    """From the end of a request's head to the end of its answer.

    It stands where uvicorn keeps the cycle of a request, and has the same attributes, so that
    uvicorn's accounts of connections, its pipelines and its shutdown go on as they are.
    """

    __slots__ = (
        "_accept_encoding", "_answer", "_body", "_call", "_connection", "_error", "_future",
        "_held", "_share", "_shortcut", "_started", "_status", "_timer", "_way", "disconnected",
        "keep_alive", "response_complete", "whole",
    )  # fmt: skip
    message_event: ClassVar[_Unheard] = _Unheard()

    def __init__(self, connection: HttpToolsProtocol, shortcut: Shortcut, head: Head) -> None:
        self.keep_alive = head.keep_alive
        self._accept_encoding = head.accept_encoding
        self._answer: Answer | None = None
        self.disconnected = False
        self.response_complete = False
        self.whole = False
        """Whether all of the request is here."""
        self._started = time.perf_counter()
        self._connection = connection
        self._shortcut = shortcut
        self._way = head.way
        self._call = shortcut.call_of(head)
        self._body: list[bytes] = []
        self._share = Share(shortcut.door.bodies)
        self._future: Future[Answer] | Future[bytes] | Future[Response] | None = None
        self._timer: TimerHandle | None = None
        self._held = b""
        self._status = CLIENT_CLOSED
        self._error: BaseException | None = None
        shortcut.door.requests.count += 1

    def take(self, piece: bytes) -> None:
        """More of the body has arrived."""
        try:
            self._share.grow(len(piece))
        except ServingError as error:
            self._fail(error)
        else:
            self._body.append(piece)

    def await_body(self) -> None:
        """Some of the body has yet to come."""
        if self._timer is None:
            seconds = self._shortcut.body_seconds
            self._timer = self._connection.loop.call_later(seconds, self._give_up)

    def send_on(self) -> None:
        """The request is whole."""
        self.whole = True
        self._stop_timer()
        way = self._way
        token = CURRENT.set(self._call)
        try:
            sent = serialised_request(way.match, way.query, b"".join(self._body))
            future = self._shortcut.mesh.begin(way.method, sent, self._call)
            self._future = future
            future.add_done_callback(self._answered)
        except Exception as error:
            self._fail(error)
        finally:
            CURRENT.reset(token)

    def abandon(self) -> None:
        """The client has gone."""
        self.disconnected = True
        if self._future is not None:
            self._future.cancel()
        self._close_books()

    def cancel(self, msg: str | None = None) -> None:
        """The server will not wait any longer."""
        # Not now: the server goes through its tasks, and an answer would take this one out.
        self._connection.loop.call_soon(self._leave)

    def release(self) -> None:
        """The client takes what it is sent again."""
        if self._held:
            held, self._held = self._held, b""
            self._end(held)

    def _answered(self, future: Future[Answer]) -> None:
        if future.cancelled():
            self._fail(leaving(), last=True)
            return
        error = future.exception()
        if self.response_complete:
            return
        if error is not None:
            self._fail(error)
            return
        self._answer = future.result()
        response = self._answer.response
        binding = self._way.match.binding
        if len(response) >= LARGE_BYTES:
            rendering = self._connection.loop.run_in_executor(None, answer_of, binding, response)
            self._future = rendering
            rendering.add_done_callback(self._rendered)
            return
        try:
            body = answer_of(binding, response)
        except Exception as failed:
            self._fail(failed)
        else:
            self._pack(body)

    def _rendered(self, future: Future[bytes]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if self.response_complete:
            return
        if error is None:
            self._pack(future.result())
        else:
            self._fail(error)

    def _pack(self, body: bytes) -> None:
        if len(body) < self._shortcut.packed_from:
            self._succeed(body)
            return
        response = Response(200, body, timing=self._timing())
        accept = self._accept_encoding
        if len(body) < LARGE_BYTES or not accept:
            self._send_response(packed(response, accept))
            return
        packing = self._connection.loop.run_in_executor(None, packed, response, accept)
        self._future = packing
        packing.add_done_callback(self._packed)

    def _packed(self, future: Future[Response]) -> None:
        if not future.cancelled() and not self.response_complete:
            self._send_response(future.result())

    def _succeed(self, body: bytes) -> None:
        self._status = 200
        head = self._shortcut.success_head(self._connection.server_state.default_headers)
        end = b"\r\n\r\n" if self.keep_alive else b"\r\nconnection: close\r\n\r\n"
        request_id = self._call.request_id.encode()
        if timing := self._timing():
            end = b"\r\nserver-timing: " + timing + end
        self._send(b"%b%d\r\nx-request-id: %b%b%b" % (head, len(body), request_id, end, body))

    def _timing(self) -> bytes:
        if self._answer is None or not self._shortcut.server_timing:
            return b""
        return server_timing(self._answer, time.perf_counter() - self._started)

    def _fail(self, error: BaseException, *, last: bool = False) -> None:
        if self.response_complete:
            return
        self._error = error
        if not isinstance(error, ServingError):
            error = InternalError()
        self._shortcut.metrics.refused(error)
        response = failure(error)
        if len(response.body) >= self._shortcut.packed_from:
            response = packed(response, self._accept_encoding)
        self._send_response(closing(response) if last else response)

    def _send_response(self, response: Response) -> None:
        self._stop_timer()
        self._status = response.status
        headers = [
            *self._connection.server_state.default_headers,
            *headers_of(response, self._call.request_id),
        ]
        if (b"connection", b"close") in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append((b"connection", b"close"))
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        self._send(b"%b%b\r\n%b" % (STATUS_LINE[response.status], head, response.body))

    def _send(self, answer: bytes) -> None:
        if self._connection.flow.write_paused:
            self._held = answer
        else:
            self._end(answer)

    def _end(self, answer: bytes) -> None:
        connection = self._connection
        connection.transport.write(answer)
        self._close_books()
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()

    def _close_books(self) -> None:
        if self.response_complete:
            return
        self.response_complete = True
        self._stop_timer()
        self._share.__exit__()
        self._body = []
        shortcut, way = self._shortcut, self._way
        shortcut.door.requests.count -= 1
        seconds = time.perf_counter() - self._started
        told = (way.verb, way.match.template, self._status)
        shortcut.metrics.close(self._call, *told, seconds, self._error)

    def _leave(self) -> None:
        self._fail(leaving(), last=True)
        if self._future is not None:
            self._future.cancel()

    def _give_up(self) -> None:
        self._fail(slow_body(self._shortcut.body_seconds))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
