"""Where spans go: to an OTLP collector, from a thread and a bounded queue of the SDK's.

The SDK reads the standard OTEL_* variables: headers, certificates, compression, timeouts, resource
attributes, and the bounds of its queue. It is imported only where traces are on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING

from mlmesh.runtime.settings import ProgramSettings
from mlmesh.runtime.tracing import Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

logger = logging.getLogger(__name__)

MOST_LINKS = 4096
"""Of a batch's span: one for every member."""


@asynccontextmanager
async def open_tracing(settings: ProgramSettings, program: str) -> AsyncIterator[Tracing | None]:
    """Traces inside the block, if there is a collector to send them to; flushed when it ends.

    program: the name of the service in traces, unless OTEL_SERVICE_NAME says another.
    """
    if not settings.otlp_endpoint:
        yield None
        return
    # Half a second of imports, which nobody pays who has no collector.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    # Its own words name every failed attempt; ours say once that it is away, and when it is back.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    named = Resource.create({"service.name": program}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # spans are only made of calls that are sampled
        resource=named,
        span_limits=SpanLimits(max_links=MOST_LINKS),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint)
    provider.add_span_processor(BatchSpanProcessor(_reporting(exporter)))
    logger.info("traces are sent", extra={"ratio": settings.trace_ratio})
    try:
        yield Tracing(provider.get_tracer("mlmesh"), settings.trace_ratio)
    finally:
        # A daemon, for a collector that hangs must not keep the program from leaving.
        flushing = Thread(target=provider.shutdown, daemon=True, name="trace flush")
        flushing.start()
        await asyncio.to_thread(flushing.join, settings.trace_flush_seconds)
        if flushing.is_alive():
            logger.warning("spans lost", extra={"reason": "the collector did not take them"})
            await asyncio.to_thread(exporter.shutdown)


def _reporting(exporter: SpanExporter) -> SpanExporter:
    """The same exporter, which says once that its collector is away, and once that it is back."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Reporting(SpanExporter):
        def __init__(self) -> None:
            self._away = False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = exporter.export(spans)
            away = result is not SpanExportResult.SUCCESS
            if away and not self._away:
                logger.warning("traces are not taken", extra={"spans": len(spans)})
            elif self._away and not away:
                logger.info("traces are taken again")
            self._away = away
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return exporter.force_flush(timeout_millis)

    return Reporting()
