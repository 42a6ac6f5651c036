"""A streaming call that a server has open: its place among them, its messages, its entry in the
books."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Self

from google.protobuf.message import Message

from mlmesh.runtime import rules
from mlmesh.runtime.admission import Gauge
from mlmesh.runtime.books import Books, Refusal
from mlmesh.runtime.call import Call
from mlmesh.runtime.call_log import MODEL
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.metrics import StreamMetrics
from mlmesh.runtime.parsing import parsed
from mlmesh.runtime.unary_call import CheckBytes

StreamBehaviour = Callable[[AsyncIterator[Any], Call], AsyncIterator[Message]]


@dataclass(frozen=True, slots=True)
class Streaming:
    """A streaming method and what answers it."""

    method: Method
    answer: StreamBehaviour
    check: CheckBytes
    refusal: Refusal
    metrics: StreamMetrics


class OpenStream:
    """Open inside the block; lets nothing but ServingErrors and cancellation out of it."""

    def __init__(self, served: Streaming, call: Call, places: Gauge, books: Books) -> None:
        self._started = time.perf_counter()
        self._served = served
        self._places = places
        self._books = books
        self._asked = call
        self.call = call.within(served.method.timeout)

    def __enter__(self) -> Self:
        try:
            self._places.__enter__()
        except Exception as error:
            self._close(error)
            raise
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._places.__exit__()
        self._close(error)

    def request(self, content: bytes) -> Message:
        """A message of the caller. Raises ServingError."""
        served = self._served
        served.metrics.received.value += 1
        served.check(content)
        message = parsed(served.method, content)
        rules.check(message)
        return message

    def response(self, message: Message) -> bytes:
        self._served.metrics.sent.value += 1
        return message.SerializeToString()

    def _close(self, failure: BaseException | None) -> None:
        served = self._served
        told = self._books.close(
            served.method, self._asked, self._started, failure, served.refusal, MODEL.get()
        )
        if told is not None and told is not failure:
            raise told from failure
