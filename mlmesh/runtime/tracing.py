"""Spans of the calls that are traced, for OpenTelemetry; of all others nothing is made at all.

A call is traced when its caller's trace context says so, or, where a trace begins here, by chance.
Nothing that callers send gets into a span but its size and its request id.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlmesh.runtime.call import Call, sampled_trace_id

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, SpanKind, Tracer
    from opentelemetry.util.types import AttributeValue

MEMBERS: ContextVar[Sequence[Member]] = ContextVar("mlmesh_members", default=())
"""The traced members of the batch that the current task runs."""
FAULTS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes that are a server's fault; the others are the caller's."""


class CallSpan:
    """One piece of a traced call."""

    __slots__ = ("_span", "tracing")

    def __init__(self, span: Span, tracing: Tracing) -> None:
        self._span = span
        self.tracing = tracing

    @property
    def context(self) -> SpanContext:
        return self._span.get_span_context()

    @property
    def trace_id(self) -> str:
        return f"{self.context.trace_id:032x}"

    def put(self, **attributes: AttributeValue) -> None:
        """Attributes by name, with __ for a dot."""
        for name, value in attributes.items():
            self._span.set_attribute(name.replace("__", "."), value)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, event: str, **attributes: AttributeValue) -> None:
        """Something that happened on the way, such as another try."""
        self._span.add_event(event, attributes)

    def link(self, other: SpanContext) -> None:
        self._span.add_link(other)

    def fail(self, kind: str) -> None:
        """Mark as failed. kind: a code or the name of a class, never a message."""
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self, code: str = "OK", error: BaseException | None = None) -> None:
        """The call was answered with this code, for this error."""
        self._span.set_attribute("rpc.response.status_code", code)
        if error is not None:
            # Without its message, which may repeat what the caller sent.
            self._span.add_event("exception", {"exception.type": type(error).__name__})
        if code in FAULTS:
            self.fail(code)
        self._span.end()

    def end_http(self, verb: str, route: str, status: int) -> None:
        """The request was answered with this status."""
        self._span.update_name(f"{verb} {route}")
        self.put(http__request__method=verb, http__route=route)
        self.put(http__response__status_code=status)
        if status >= 500:
            self.fail(str(status))
        self._span.end()

    def end_at(self, nanoseconds: int) -> None:
        self._span.end(nanoseconds)


@dataclass(frozen=True, slots=True)
class Member:
    """A traced call in a batch."""

    span: CallSpan
    waited: float
    """Seconds in the queue."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One run of a model. Times in nanoseconds, of the clock that time.time_ns() reads."""

    model: str
    version: str
    provider: str
    items: int
    began: int
    ended: int
    rows: int = 0
    computing_began: int = 0
    computed: int = 0


class Tracing:
    """ratio: the share of calls that are traced of those whose trace begins here, 0 to 1."""

    def __init__(self, tracer: Tracer, ratio: float) -> None:
        self._tracer = tracer
        self._ratio = ratio

    def served(self, name: str, call: Call) -> Call:
        """Begin the span of a call that arrived here, if it is traced; the call as it goes on."""
        from opentelemetry.trace import SpanKind

        if not call.root:
            return self._below(name, call, SpanKind.SERVER)
        call = replace(call, root=False)
        if random.random() >= self._ratio:
            return call
        return self._begun(name, call, SpanKind.SERVER, None)

    def sent(self, name: str, call: Call) -> Call:
        """The same for a call that is sent on."""
        from opentelemetry.trace import SpanKind

        return self._below(name, call, SpanKind.CLIENT)

    def ran(self, members: Sequence[Member], batch: Batch) -> None:
        """A batch was run: its span is a part of the first member's trace and linked with all."""
        first = members[0].span
        span = self._batch_span(members, batch)
        span.put(mlmesh__batch__rows=batch.rows)
        run = self._child(span, f"run {batch.model}", batch.computing_began)
        run.put(mlmesh__provider=batch.provider)
        run.end_at(batch.computed)
        span.end_at(batch.ended)
        for member in members:
            member.span.put(
                mlmesh__model=batch.model,
                mlmesh__model_version=batch.version,
                mlmesh__queue_seconds=member.waited,
            )
            if member.span is not first:
                member.span.link(span.context)

    def failed(self, members: Sequence[Member], batch: Batch, error: Exception) -> None:
        """A batch could not be run."""
        span = self._batch_span(members, batch)
        span.fail(type(error).__name__)
        span.end_at(batch.ended)

    def _batch_span(self, members: Sequence[Member], batch: Batch) -> CallSpan:
        links = [member.span.context for member in members]
        span = self._child(members[0].span, f"batch {batch.model}", batch.began, links)
        span.put(mlmesh__model=batch.model, mlmesh__model_version=batch.version)
        span.put(mlmesh__batch__items=batch.items)
        return span

    def _below(self, name: str, call: Call, kind: SpanKind) -> Call:
        if not sampled_trace_id(call.traceparent):
            return call
        return self._begun(name, call, kind, _remote(call))

    def _begun(self, name: str, call: Call, kind: SpanKind, parent: Context | None) -> Call:
        from opentelemetry.context import Context

        # An empty context, not the current one, which may be of another call.
        started = self._tracer.start_span(name, parent or Context(), kind)
        span = CallSpan(started, self)
        span.put(mlmesh__request_id=call.request_id)
        context = span.context
        traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
        return replace(call, traceparent=traceparent, span=span)

    def _child(
        self, parent: CallSpan, name: str, began: int, links: Sequence[SpanContext] = ()
    ) -> CallSpan:
        from opentelemetry.trace import Link, set_span_in_context

        started = self._tracer.start_span(
            name,
            set_span_in_context(parent._span),
            links=[Link(context) for context in links],
            start_time=began,
        )
        return CallSpan(started, self)


def batch_ran(batch: Batch) -> str:
    """Make the spans of a batch that the current task ran, and give a trace that it is in.

    One at least of its MEMBERS must be traced.
    """
    members = MEMBERS.get()
    members[0].span.tracing.ran(members, batch)
    return members[0].span.trace_id


def batch_failed(batch: Batch, error: Exception) -> None:
    """The same of a batch that could not be run."""
    members = MEMBERS.get()
    members[0].span.tracing.failed(members, batch, error)


def members_of(waiting: Sequence[tuple[CallSpan | None, float]]) -> Sequence[Member]:
    """The traced ones among calls that arrived then, in seconds of time.monotonic()."""
    now = time.monotonic()
    return [Member(span, now - arrived) for span, arrived in waiting if span is not None]


def _remote(call: Call) -> Context:
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        TraceState,
        set_span_in_context,
    )

    _, trace_id, span_id, flags = call.traceparent.split("-")
    context = SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(flags, 16)),
        trace_state=TraceState.from_header([call.tracestate]),
    )
    return set_span_in_context(NonRecordingSpan(context))
