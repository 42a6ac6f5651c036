"""The asyncio gRPC server against the threaded one: `python bench/fronts.py`.

A predictor of a process of its own answers on two ports: one is served by grpc.aio, as mlmesh is
shipped, the other by the threaded server, whose threads hand their calls to the same event loop in
groups. Both are asked by h2load (nghttp2) with plain unary Predict calls over one connection.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import grpc
from prometheus_client import CollectorRegistry

from mlmesh.runtime.admission import Limits
from mlmesh.runtime.call import Call, deadline_after, request_id_of
from mlmesh.runtime.chain import Chain
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from mlmesh.v1 import predictor_pb2 as pb
from predictor.__main__ import open_services
from predictor.settings import PredictorSettings

PATH = "/mlmesh.v1.PredictorService/Predict"
CALLERS = (1, 16, 64)
FRONTS = ("asyncio", "threads")
THREADS = 64
REQUEST = pb.PredictRequest(model="penguins", features=[39.1, 18.7, 181.0, 3750.0])


class Threads(grpc.GenericRpcHandler):
    """Takes calls on threads, and has them answered on the event loop."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[bytes, Call, Future[bytes]]] = deque()
        self._handler: Any = grpc.unary_unary_rpc_method_handler(self._answer)

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return self._handler

    def _answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        call = Call(request_id_of(""), deadline_after(context.time_remaining()))
        answer: Future[bytes] = Future()
        self._waiting.append((request, call, answer))
        if len(self._waiting) == 1:  # else the loop has been told, and has not come yet
            self._loop.call_soon_threadsafe(self._take)
        return answer.result()

    def _take(self) -> None:
        while self._waiting:
            request, call, answer = self._waiting.popleft()
            task = self._loop.create_task(self._chain.answer(PATH, request, call))
            task.add_done_callback(partial(_pass_on, answer=answer))


def _pass_on(done: asyncio.Task[bytes], answer: Future[bytes]) -> None:
    if error := done.exception():
        answer.set_exception(error)
    else:
        answer.set_result(done.result())


async def serve() -> None:
    """Serve until stdin ends; print the two ports."""
    registry = CollectorRegistry()
    health = Health(())
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(
            open_services(PredictorSettings(), registry, health)
        )
        metrics = ServerMetrics(CollectorRegistry(), "tabular")
        server = running_server("127.0.0.1:0", services, metrics, health)
        first = await stack.enter_async_context(server)
        threaded = grpc.server(ThreadPoolExecutor(THREADS), options=[("grpc.so_reuseport", 0)])
        chain = Chain(services, Limits(), ServerMetrics(CollectorRegistry(), "tabular"))
        threaded.add_generic_rpc_handlers((Threads(chain),))
        second = threaded.add_insecure_port("127.0.0.1:0")
        threaded.start()
        print(first, second, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        threaded.stop(0)


@contextmanager
def running_fronts() -> Iterator[dict[str, str]]:
    """Their ports, by name."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield dict(zip(FRONTS, process.stdout.readline().split(), strict=True))
        assert process.stdin is not None
        process.stdin.close()


def calls_a_second(port: str, body: Path, callers: int, seconds: int) -> float:
    """Answered calls; raises when one was not."""
    said = subprocess.run(
        [
            *("h2load", "-c1", f"-m{callers}", f"-D{seconds}", "-d", str(body)),
            *("-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"http://127.0.0.1:{port}{PATH}",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"([\d.]+) req/s", said)
    if found is None or not re.search(r" 0 failed, 0 errored", said):
        raise RuntimeError(said)
    return float(found[1])


def measure(seconds: int, rounds: int) -> None:
    message = REQUEST.SerializeToString()
    print(f"{'callers':>8}{'asyncio/s':>12}{'threads/s':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder, running_fronts() as ports:
        body = Path(folder) / "body"
        # As gRPC frames it: not compressed, the length, the message.
        body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
        for callers in CALLERS:
            taken = [
                [calls_a_second(ports[front], body, callers, seconds) for front in FRONTS]
                for _ in range(rounds)
            ]
            by_loop, by_threads = (median(column) for column in zip(*taken, strict=True))
            ratio = median(threads / loop for loop, threads in taken)
            print(f"{callers:>8}{by_loop:>12,.0f}{by_threads:>12,.0f}{ratio:>8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.serve:
        asyncio.run(serve())
    else:
        measure(said.seconds, said.rounds)


if __name__ == "__main__":
    main()
