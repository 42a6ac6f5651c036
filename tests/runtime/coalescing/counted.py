"""Processes of the counting server, for tests to kill, freeze and end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mlmesh.runtime.call import Call, deadline_after, request_id_of
from mlmesh.runtime.contracts import Method, methods_of
from mlmesh.v1 import predictor_pb2 as pb
from tests.runtime.coalescing import counting_server

PREDICT: Method = next(
    method
    for method in methods_of(pb.DESCRIPTOR.services_by_name["PredictorService"])
    if method.name == "Predict"
)


@dataclass(frozen=True, slots=True)
class Counted:
    process: asyncio.subprocess.Process
    address: str
    book: Path

    def executions(self) -> Counter[str]:
        """How often each call was begun, by the name that it came with."""
        return Counter(self.book.read_text().split() if self.book.exists() else [])

    async def begun(self, calls: int) -> None:
        async with asyncio.timeout(20):
            while self.executions().total() < calls:
                await asyncio.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@asynccontextmanager
async def counted(
    book: Path, seconds: float = 0.0, port: int = 0, carry_folder: str = ""
) -> AsyncIterator[Counted]:
    program = [sys.executable, counting_server.__file__, str(book), str(seconds), str(port)]
    process = await asyncio.create_subprocess_exec(
        *program,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "CARRY_FOLDER": carry_folder},
    )
    assert process.stdout is not None
    bound = int(await asyncio.wait_for(process.stdout.readline(), 60))
    try:
        yield Counted(process, f"127.0.0.1:{bound}", book)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


def request(name: str) -> bytes:
    return pb.PredictRequest(model=name).SerializeToString()


def call(seconds: float = 10.0) -> Call:
    return Call(request_id_of(""), deadline_after(seconds))
