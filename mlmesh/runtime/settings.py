"""Settings that every program has, read once from MLMESH_* in its __main__."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from mlmesh.runtime.logs import Format

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):(\d{1,5})")


def _checked_address(text: str) -> str:
    matched = _ADDRESS.fullmatch(text)
    if matched is None or int(matched[2]) > 65535:
        raise ValueError("expected host:port, or [host]:port for IPv6")
    return text


Address = Annotated[str, AfterValidator(_checked_address)]
"""host:port, or [host]:port for IPv6."""


LogLevel = Literal["debug", "info", "warning", "error"]


class ProgramSettings(BaseSettings):
    """What every program is told."""

    model_config = SettingsConfigDict(
        env_prefix="MLMESH_",
        frozen=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
    )

    log_level: LogLevel = "info"
    """Least important log records that are written."""
    log_levels: dict[str, LogLevel] = {}
    """Levels of single loggers, as JSON: {"mlmesh.inference": "debug"}."""
    log_format: Format = "auto"
    """"json", "text" for people, or "auto" for text on a terminal and JSON elsewhere."""
    log_calls_per_second: int = Field(default=20, ge=0)
    """Lines a second for calls that went well, and as many for those that did not; 0: none."""
    otlp_endpoint: str = Field(
        default="",
        validation_alias=AliasChoices("MLMESH_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    )
    """Collector that traces are sent to by OTLP over gRPC, `http://host:4317`; empty: no traces.
    The usual name of the variable, `OTEL_EXPORTER_OTLP_ENDPOINT`, does as well."""
    trace_ratio: float = Field(
        default=0.1,
        ge=0,
        le=1,
        validation_alias=AliasChoices("MLMESH_TRACE_RATIO", "OTEL_TRACES_SAMPLER_ARG"),
    )
    """Share of calls that are traced, of those whose caller sends no trace context; who sends one
    decides. `OTEL_TRACES_SAMPLER_ARG` does as well."""
    trace_flush_seconds: float = Field(default=3.0, ge=0, le=60)
    """Seconds that a program which leaves waits for its last spans to be taken."""
    carry_folder: str = ""
    """Folder of Unix sockets by which the gateway and services on one machine carry calls past
    gRPC, the same for all of them; empty: they carry them by gRPC. `mlmesh up` makes one."""
    lame_duck_seconds: float = Field(default=5.0, ge=0, allow_inf_nan=False)
    """Seconds that a program keeps serving after SIGTERM, already unready."""
    drain_seconds: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    """Seconds that open calls then get to finish."""


class ServiceSettings(ProgramSettings):
    """What every model service is told."""

    grpc_address: Address = "127.0.0.1:50051"
    """Where the service answers gRPC."""
    health_address: Address = "127.0.0.1:50061"
    """Where the service answers gRPC health probes, always in plaintext."""
    metrics_address: Address = "127.0.0.1:9101"
    """Where the service shows /metrics."""
    max_message_bytes: int = Field(default=64 * 2**20, ge=1024)
    """Largest message that the service takes."""
    max_concurrent_calls: int = Field(default=4096, ge=1)
    """Unary calls, plain and carried, that may be under way; the next ones are refused at once."""
    max_concurrent_bytes: int = Field(default=2**30, ge=1024)
    """Bytes of their requests, together; the next ones are refused at once."""
    max_concurrent_streams: int = Field(default=256, ge=1)
    """Streaming calls that may be under way; the next ones are refused at once."""
    stuck_seconds: float = Field(default=30.0, gt=0)
    """Seconds without a turn of the event loop after which liveness fails."""
