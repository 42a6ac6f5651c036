"""Settings of the gateway."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from mlmesh.runtime.settings import Address, ProgramSettings


def _checked_header(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9_.-]{1,64}", name) or name.startswith("grpc-"):
        raise ValueError("expected the name of a header in small letters, as x-mlmesh-track")
    return name


HeaderName = Annotated[str, AfterValidator(_checked_header)]


class GatewaySettings(ProgramSettings):
    """What the gateway is told."""

    http_address: Address = "127.0.0.1:8080"
    """Where the gateway answers HTTP."""
    ops_address: Address = "127.0.0.1:9100"
    """Where the gateway shows probes and metrics from a thread of its own."""
    workers: int = Field(default=1, ge=1, le=64)
    """Gateways on that port, a process each; every limit below is one gateway's."""
    backends: dict[str, str] = Field(
        default={
            "mlmesh.v1.PredictorService": "127.0.0.1:50051",
            "mlmesh.v1.NlpService": "127.0.0.1:50052",
            "mlmesh.v1.VisionService": "127.0.0.1:50053",
        }
    )
    """Which target serves which service, as JSON: {"mlmesh.v1.PredictorService": "host:port"}."""
    coalesce: bool = True
    """Whether calls that wait for the same replica leave together in one message."""
    coalesce_apart: tuple[str, ...] = ()
    """Methods whose calls never do, as JSON: ["/mlmesh.v1.PredictorService/Explain"]."""
    coalesce_calls: int = Field(default=32, ge=1, le=4096)
    """Most calls of one message."""
    coalesce_bytes: int = Field(default=256 * 2**10, ge=1024, le=16 * 2**20)
    """Most bytes of one message."""
    coalesce_large_bytes: int = Field(default=64 * 2**10, ge=1)
    """Size from which on a request is a call of its own, to hold nobody up."""
    coalesce_messages: int = Field(default=2, ge=1, le=64)
    """Messages that a replica may have been sent and not yet read."""
    coalesce_early_calls: int = Field(default=8, ge=0, le=4096)
    """Fewest calls that leave over a socket (`MLMESH_CARRY_FOLDER`) before others have joined them,
    when they are half of those that were under way lately and the replica has no more to do; 0: all
    wait for those that come with them."""
    coalesce_stream_seconds: float = Field(default=3600.0, gt=0, le=43_200)
    """Seconds after which the stream to a replica is replaced, with no call lost."""
    patience_seconds: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    """Seconds that calls wait for a service that has no replica just now; then they are refused."""
    silence_seconds: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    """Seconds that a replica with calls may say nothing before other replicas get them."""
    routing_headers: tuple[HeaderName, ...] = ()
    """HTTP headers that are sent on for `xds:///` routes to match, as JSON: ["x-mlmesh-track"]."""
    resolve_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """Seconds between two looks at the addresses of a `dns:///` target."""
    descriptors: tuple[Path, ...] = ()
    """Descriptor sets of further contracts to serve, as JSON: ["shop.binpb"]."""
    max_body_bytes: int = Field(default=24 * 2**20, ge=1024)
    """Largest request body: an image of 16 MiB as base64, and what stands around it."""
    max_concurrent_body_bytes: int = Field(default=2**30, ge=1024)
    """Bytes of all bodies that are held; what would be beyond is refused at once."""
    compress_from_bytes: int = Field(default=1024, ge=0)
    """Smallest answer that is compressed for clients that take it."""
    server_timing: bool = True
    """Whether answers say in Server-Timing where their time went."""
    heartbeat_seconds: float = Field(default=15.0, gt=0, allow_inf_nan=False)
    """Seconds between two signs of life of a stream of events that has nothing to say."""
    max_sockets: int = Field(default=256, ge=1)
    """WebSockets that may be open; the next ones are refused at once."""
    max_frame_bytes: int = Field(default=4 * 2**20, ge=125)
    """Largest message in a WebSocket."""
    max_socket_messages: int = Field(default=1_000_000, ge=1)
    """Most messages of a client in one WebSocket."""
    socket_idle_seconds: float = Field(default=300.0, gt=0, allow_inf_nan=False)
    """Seconds without a message either way after which a WebSocket is closed."""
    socket_ping_seconds: float = Field(default=20.0, gt=0, allow_inf_nan=False)
    """Seconds between two pings of a WebSocket, and for the client to answer one."""
    origins: tuple[str, ...] = ()
    """Whose pages may open WebSockets, beside the gateway's own, as JSON: ["https://shop.example"];
    ["*"] is everybody's."""
    max_form_parts: int = Field(default=64, ge=1)
    """Most parts of a multipart/form-data body."""
    max_part_header_bytes: int = Field(default=4096, ge=256)
    """Longest header of such a part."""
    max_part_text_bytes: int = Field(default=65_536, ge=1)
    """Largest such part that is no file."""
    max_head_bytes: int = Field(default=65_536, ge=1024)
    """Largest request line and headers, together."""
    head_seconds: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """Seconds that a client may take to send them."""
    max_concurrent_requests: int = Field(default=4096, ge=1)
    """Requests that may be under way; the next ones are refused at once."""
    body_seconds: float = Field(default=30.0, gt=0)
    """Seconds that a client may take to send its body."""
    answer_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    """Seconds that a client may take to read a large answer; then its connection is cut."""
    keep_alive_seconds: int = Field(default=75, ge=1)
    """Seconds that an idle connection is kept open; longer than a load balancer's usual 60."""
    directory_seconds: float = Field(default=5.0, gt=0)
    """Seconds between two looks at which models the backends have."""
    input_log: Path = Path("var/inputs.jsonl")
    """File that /process appends its inputs to; with several workers, inputs-1.jsonl and so on."""
    max_input_bytes: int = Field(default=2**20, ge=1)
    """Largest input that /process keeps, in bytes of its serialised form."""
    max_stream_lines: int = Field(default=10_000, ge=1)
    """Most lines of JSON in one request to a streaming method."""
    input_log_bytes: int = Field(default=100 * 2**20, ge=4096)
    """Size at which the input log is set aside as <name>.1 and a new one is begun."""
    input_log_files: int = Field(default=5, ge=1)
    """Full input logs that are kept; the oldest goes when another is set aside."""
    shortcut: bool = True
    """Whether plain requests take the short way, past ASGI; the answers are the same."""
    stuck_seconds: float = Field(default=30.0, gt=0)
    """Seconds without a turn of the event loop after which /alive on the ops port fails."""
