"""A child process: tied to this one, out of reach of the terminal, its output read as lines."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mlmesh.cli import tether

LINE_LIMIT = 64 * 1024
CHUNK_BYTES = 64 * 1024
LAST_WORDS_SECONDS = 2.0

Sink = Callable[[bytes], None]


@asynccontextmanager
async def running_process(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, sink: Sink
) -> AsyncIterator[Process]:
    """Run `command` inside the block; its session is killed on the way out.

    `sink` gets every line of stdout and stderr, in the order in which they were written.
    """
    # A pipe of our own: a grandchild that holds on to it must not keep us from seeing an exit.
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-IS", tether.__file__, str(os.getpid())),
            *command,
            cwd=folder,
            env=environment,
            stdin=DEVNULL,
            stdout=writing,
            stderr=writing,
            # Ctrl-C in the terminal is the supervisor's to pass on, in order.
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    output = asyncio.create_task(_read_lines(reading, sink))
    try:
        yield process
    finally:
        # The program leads its session, so this reaches whatever it started as well.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await asyncio.wait([output], timeout=LAST_WORDS_SECONDS)
        output.cancel()


class LineSplitter:
    """Cuts a stream into lines, and lines into what a log can bear."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._lost = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._append(end)
            yield self._take()
        self._append(rest)

    def finish(self) -> Iterator[bytes]:
        """Yield what came after the last line break, if anything did."""
        if self._line:
            yield self._take()

    def _append(self, part: bytes) -> None:
        room = LINE_LIMIT - len(self._line)
        self._line += part[:room]
        self._lost += max(0, len(part) - room)

    def _take(self) -> bytes:
        line = bytes(self._line.rstrip(b"\r"))
        if self._lost:
            line += f" ... {self._lost} more bytes".encode()
        self._line.clear()
        self._lost = 0
        return line


async def _read_lines(descriptor: int, sink: Sink) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    splitter = LineSplitter()
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            for line in splitter.feed(chunk):
                sink(line)
    finally:
        transport.close()
        for line in splitter.finish():
            sink(line)
