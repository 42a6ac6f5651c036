"""Messages on a stream socket, each behind gRPC's five-byte prefix.

Trailers end what a server says, as in gRPC-Web: a frame with the highest bit of its flags set, and
`grpc-status` in it. A connection that ends without them was lost.
"""

from __future__ import annotations

import asyncio
import struct
from typing import cast

import grpc

PREFIX = struct.Struct(">BI")
MESSAGE = 0x00
TRAILERS = 0x80
MAX_MESSAGE_BYTES = 64 * 2**20
"""What callers of a mesh take in one message."""
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Frames(asyncio.Protocol):
    """One end of a connection. largest: bytes of the largest frame that it takes."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._received = bytearray()
        self.paused = False
        """Whether the other end does not take what it is sent."""

    def frame(self, flags: int, content: bytes) -> None:
        """Take what came."""
        raise NotImplementedError

    def broken(self, reason: str) -> None:
        """What came is no frame, or too large; nothing more is taken."""
        raise NotImplementedError

    def send(self, content: bytes, flags: int = MESSAGE) -> None:
        self.transport.write(PREFIX.pack(flags, len(content)) + content)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        at, end = 0, len(received)
        while end - at >= PREFIX.size and not self.transport.is_closing():
            flags, size = PREFIX.unpack_from(received, at)
            if flags not in (MESSAGE, TRAILERS) or size > self._largest:
                self._received = bytearray()
                self.broken(f"a frame with flags {flags} and {size} bytes")
                return
            start = at + PREFIX.size
            if end - start < size:
                break
            at = start + size
            self.frame(flags, bytes(received[start:at]))
        del received[:at]


def trailers(code: grpc.StatusCode) -> bytes:
    return b"grpc-status: %d\r\n" % code.value[0]


def code_of(content: bytes) -> grpc.StatusCode:
    """UNKNOWN when the trailers name none."""
    for line in content.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"grpc-status" and value.strip().isdigit():
            return CODES.get(int(value), grpc.StatusCode.UNKNOWN)
    return grpc.StatusCode.UNKNOWN
