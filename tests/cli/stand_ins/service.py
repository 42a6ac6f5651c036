"""Stands in for a model service: health over gRPC, and logs like one."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2 as pb, health_pb2_grpc as rpc


def log(event: str, **fields: object) -> None:
    frame = {"time": "2026-11-21T10:00:00.500+00:00", "level": "INFO", "logger": "stand_in"}
    print(json.dumps({**frame, "event": event, **fields}))


def main() -> None:
    # Blocked, so that it waits for us whichever thread it finds.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    log("service started", pid=os.getpid(), session=os.getsid(0))
    servicer = health.HealthServicer()
    servicer.set("readiness", pb.HealthCheckResponse.SERVING)
    server = grpc.server(ThreadPoolExecutor(2))
    rpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(os.environ["MLMESH_HEALTH_ADDRESS"])
    server.start()
    signal.sigwait({signal.SIGTERM})
    log("service ended")
    server.stop(None).wait()


if __name__ == "__main__":
    main()
