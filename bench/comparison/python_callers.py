"""Callers in Python, for what no compiled tool sends: `python -m bench.comparison.python_callers`.

It runs in processes of its own, prints one line of JSON for each, and takes more of the machine
than wrk and h2load do.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc

from bench.comparison.load import HttpRequest, LoadFailed, Seen, seen_of
from bench.comparison.payloads import PAYLOADS, Grpc, Payload
from bench.comparison.program import ROOT
from mlmesh.runtime.channel import connect

TIMEOUT_SECONDS = 60
CHANNEL_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))

Ask = Callable[[], Awaitable[bool]]
"""Asks once, and says whether the answer was a good one."""


@dataclass(slots=True)
class Times:
    """Of one process."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    failed: int = 0


def python_load(kind: str, address: str, payload: str, callers: int, seconds: float) -> Seen:
    """One process for every two cores.

    kind: rest, raw, json, binary, unary, stream or coalesced. payload: a key of PAYLOADS.
    """
    processes = min(callers, max(1, (os.cpu_count() or 1) // 2))
    shares = [callers // processes + (index < callers % processes) for index in range(processes)]
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "bench.comparison.python_callers"),
                *(kind, address, payload, str(share), str(seconds)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for share in shares
    ]
    outputs = [process.communicate() for process in started]
    for process, (_, said) in zip(started, outputs, strict=True):
        if process.returncode:
            raise LoadFailed(f"{kind}: {said.strip().splitlines()[-1] if said else 'ended'}")
    return read_figures([output for output, _ in outputs])


def read_figures(outputs: Sequence[str]) -> Seen:
    """What the processes wrote, together."""
    found = [Times(**json.loads(output)) for output in outputs]
    return seen_of(
        [latency for one in found for latency in one.latencies_ms],
        max(one.seconds for one in found),
        sum(one.failed for one in found),
    )


async def closed_loop(ask: Ask, callers: int, seconds: float) -> Times:
    """Callers that each wait for their answer before they ask again."""
    times = Times()
    began = time.perf_counter()

    async def call() -> None:
        now = time.perf_counter()
        while now - began < seconds:
            good = await ask()
            before, now = now, time.perf_counter()
            times.latencies_ms.append(1000 * (now - before))
            times.failed += not good

    await asyncio.gather(*(call() for _ in range(callers)))
    times.seconds = time.perf_counter() - began
    return times


async def over_unary(address: str, payload: Payload, callers: int, seconds: float) -> Times:
    async with grpc.aio.insecure_channel(address, CHANNEL_OPTIONS) as channel:
        method: Any = channel.unary_unary(payload.grpc.method)
        message = payload.grpc.message.SerializeToString()

        async def ask() -> bool:
            try:
                await method(message, timeout=TIMEOUT_SECONDS)
            except grpc.aio.AioRpcError:
                return False
            return True

        return await closed_loop(ask, callers, seconds)


async def over_coalesced(address: str, payload: Payload, callers: int, seconds: float) -> Times:
    """With the client that users have, and its limits: what is large goes on its own."""
    async with connect(address, coalesce=True) as channel:
        method: Any = channel.unary_unary(payload.grpc.method)
        message = payload.grpc.message.SerializeToString()

        async def ask() -> bool:
            try:
                await method(message, timeout=TIMEOUT_SECONDS)
            except grpc.aio.AioRpcError:
                return False
            return True

        return await closed_loop(ask, callers, seconds)


async def over_stream(address: str, payload: Payload, callers: int, seconds: float) -> Times:
    """One stream with so many requests under way."""
    asked = payload.grpc
    times = Times()
    async with grpc.aio.insecure_channel(address, CHANNEL_OPTIONS) as channel:
        method: Any = channel.stream_stream(
            asked.stream, response_deserializer=asked.stream_answer.FromString
        )
        call = method(timeout=TIMEOUT_SECONDS + seconds)
        messages = [stream_message(asked, str(slot)) for slot in range(callers)]
        sent = [time.perf_counter()] * callers
        began = time.perf_counter()
        for slot, message in enumerate(messages):
            sent[slot] = time.perf_counter()
            await call.write(message)
        under_way = callers
        while under_way:
            slot, good = stream_answer(await call.read())
            now = time.perf_counter()
            times.latencies_ms.append(1000 * (now - sent[slot]))
            times.failed += not good
            if now - began < seconds:
                sent[slot] = now
                await call.write(messages[slot])
            else:
                under_way -= 1
        times.seconds = time.perf_counter() - began
        await call.done_writing()
    return times


def stream_message(asked: Grpc, name: str) -> bytes:
    """The request as one of a stream, under this id."""
    message: Any = asked.stream_request()
    if isinstance(message, type(asked.message)):
        message.CopyFrom(asked.message)
    else:
        message.request.CopyFrom(asked.message)
    message.id = name
    return bytes(message.SerializeToString())


def stream_answer(answer: Any) -> tuple[int, bool]:
    """Which request it is of, and whether it is a good one."""
    if answer is grpc.aio.EOF:
        raise LoadFailed("the stream ended")
    if hasattr(answer, "infer_response"):
        return int(answer.infer_response.id), not answer.error_message
    return int(answer.id), answer.status.code == 0


async def over_http(
    request: HttpRequest | None, address: str, callers: int, seconds: float
) -> Times:
    """Over as many connections, with hardly any work on this side."""
    if request is None:
        raise LoadFailed("has no such form")
    host, _, port = address.partition(":")
    lines = [f"POST {request.path} HTTP/1.1", f"Host: {address}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    lines += [f"Content-Length: {len(request.body)}", "", ""]
    sent = "\r\n".join(lines).encode() + request.body
    idle = [await asyncio.open_connection(host, int(port), limit=2**24) for _ in range(callers)]

    async def ask() -> bool:
        reader, writer = idle.pop()
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        idle.append((reader, writer))
        return head.startswith(b"http/1.1 200")

    times = await closed_loop(ask, callers, seconds)
    for _, writer in idle:
        writer.close()
    return times


async def over(kind: str, address: str, payload: Payload, callers: int, seconds: float) -> Times:
    http_requests = {
        "rest": payload.rest,
        "raw": payload.raw_rest,
        "json": payload.json,
        "binary": payload.binary,
    }
    if kind in http_requests:
        return await over_http(http_requests[kind], address, callers, seconds)
    by_grpc = {"unary": over_unary, "stream": over_stream, "coalesced": over_coalesced}
    return await by_grpc[kind](address, payload, callers, seconds)


def main() -> None:
    kind, address, name, callers, seconds = sys.argv[1:]
    payload = PAYLOADS[name]()
    times = asyncio.run(over(kind, address, payload, int(callers), float(seconds)))
    print(json.dumps(asdict(times)))


if __name__ == "__main__":
    main()
