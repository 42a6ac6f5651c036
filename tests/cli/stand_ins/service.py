"""Stands in for a model service: health over gRPC, and logs like one."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import grpc
from grpc_health.v1 import health, health_pb2 as pb, health_pb2_grpc as rpc


def log(event: str, **fields: object) -> None:
    frame = {"time": "2026-11-21T10:00:00.500+00:00", "level": "INFO", "logger": "stand_in"}
    print(json.dumps({**frame, "event": event, **fields}))


def main() -> None:
    ended = Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    log("service started", pid=os.getpid(), session=os.getsid(0))
    servicer = health.HealthServicer()
    servicer.set("readiness", pb.HealthCheckResponse.SERVING)
    server = grpc.server(ThreadPoolExecutor(2))
    rpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(os.environ["MLMESH_HEALTH_ADDRESS"])
    server.start()
    ended.wait()
    log("service ended")
    server.stop(None).wait()


if __name__ == "__main__":
    main()
