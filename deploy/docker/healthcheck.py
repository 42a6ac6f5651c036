"""Whether the program of this container is alive: exit code 0, or 1 with the reason."""

from __future__ import annotations

import os
import sys
import urllib.request
from pathlib import Path

SECONDS = 3.0
DEFAULTS = {
    "gateway": "127.0.0.1:9100",
    "predictor": "127.0.0.1:50061",
    "nlp": "127.0.0.1:50062",
    "vision": "127.0.0.1:50063",
}
"""Where a program is asked unless a variable says otherwise. Its folder lies beside this file."""


def main() -> None:
    try:
        [program] = (name for name in DEFAULTS if (Path(__file__).parent / name).is_dir())
        if program == "gateway":
            _ask_gateway(os.environ.get("MLMESH_OPS_ADDRESS", DEFAULTS[program]))
        else:
            _ask_service(os.environ.get("MLMESH_HEALTH_ADDRESS", DEFAULTS[program]))
    except Exception as problem:
        sys.exit(f"not alive: {problem}")


def _ask_gateway(address: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(f"http://{_here(address)}/alive", timeout=SECONDS).close()


def _ask_service(address: str) -> None:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    request = health_pb2.HealthCheckRequest(service="liveness")
    with grpc.insecure_channel(_here(address), [("grpc.enable_http_proxy", 0)]) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=SECONDS)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise RuntimeError(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _here(address: str) -> str:
    """Where to ask a program that listens on all addresses."""
    port = address.rpartition(":")[2]
    return (
        f"127.0.0.1:{port}" if address.startswith("0.0.0.0:") else address.replace("[::]", "[::1]")
    )


if __name__ == "__main__":
    main()
