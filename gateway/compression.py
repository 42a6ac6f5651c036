"""Bodies that come or go as gzip or deflate, which means zlib's format."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from gateway.accept import weights_of
from gateway.beside import LARGE_BYTES, beside
from gateway.request import Request, UnsupportedBody
from gateway.response import Headers, Response
from mlmesh.runtime.admission import Share
from mlmesh.runtime.errors import InvalidInput, TooLarge

PIECE_BYTES = 262_144
"""What is unpacked at once."""
_LEVEL = 1
# What a window size of 15 bits means to zlib: 16 more is gzip's format.
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_TAKEN = (b"accept-encoding", b"gzip, deflate")
VARY: Headers = ((b"vary", b"accept, accept-encoding"),)
"""Of answers that other headers of the request would have changed."""


def encoding_of(request: Request) -> str:
    """How the body is packed, "" for not at all. Raises UnsupportedBody."""
    encoding = request.header(b"content-encoding").strip().lower()
    if encoding in ("", "identity"):
        return ""
    if encoding not in _WINDOWS:
        raise UnsupportedBody("Content-Encoding", "send gzip, deflate or identity", _TAKEN)
    return encoding


async def unpacked_body(
    body: list[bytes], encoding: str, share: Share, max_bytes: int
) -> list[bytes]:
    """The pieces of the content; none is made before the ones before it are in the share.

    Raises InvalidInput, TooLarge, Overloaded.
    """
    pieces = unpacked(body, encoding, max_bytes)
    content: list[bytes] = []
    heavy = sum(map(len, body)) >= LARGE_BYTES
    while True:
        # A small body may yet be a bomb, so that only its first piece is made on the loop.
        piece = await asyncio.to_thread(_next, pieces) if heavy else _next(pieces)
        if piece is None:
            return content
        share.grow(len(piece))
        content.append(piece)
        heavy = True


def unpacked(body: Iterable[bytes], encoding: str, max_bytes: int) -> Iterator[bytes]:
    """The content of a packed body, in pieces of bounded size.

    encoding: as `encoding_of` gives it. Raises InvalidInput, and TooLarge as soon as the pieces
    have more than `max_bytes` together.
    """
    stream = zlib.decompressobj(_WINDOWS[encoding])
    size = 0
    for packed in _cut(body):
        if stream.eof:
            raise _wrong_end()
        for piece in _steps(stream, packed, encoding):
            size += len(piece)
            if size > max_bytes:
                problem = f"body: unpacks to more than {max_bytes} bytes, the most that is taken"
                raise TooLarge(problem)
            yield piece
    if not stream.eof or stream.unused_data:
        raise _wrong_end()


@dataclass(frozen=True, slots=True)
class Packing:
    """A way to pack answers."""

    name: str
    pack: Callable[[bytes], bytes]

    @property
    def headers(self) -> Headers:
        return ((b"content-encoding", self.name.encode()),)

    def stream(self) -> Packer:
        return Packer(_WINDOWS[self.name])


class Packer:
    """Packs the messages of a stream; each can be unpacked as soon as it is there."""

    def __init__(self, window: int) -> None:
        self._stream = zlib.compressobj(_LEVEL, wbits=window)

    def message(self, content: bytes) -> bytes:
        return self._stream.compress(content) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._stream.flush()


_PACKINGS = (
    Packing("gzip", lambda body: gzip.compress(body, _LEVEL, mtime=0)),
    Packing("deflate", lambda body: zlib.compress(body, _LEVEL)),
)


def packing_for(accept_encoding: str) -> Packing | None:
    """The way that the client likes best, if it likes any."""
    if not accept_encoding:
        return None
    weights = weights_of(accept_encoding)
    others = weights.get("*", 0.0)
    best = max(_PACKINGS, key=lambda packing: weights.get(packing.name, others))
    weight = weights.get(best.name, others)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else None


def packed(response: Response, accept_encoding: str) -> Response:
    """The answer as the client takes it; as it is when that is not larger."""
    packing = packing_for(accept_encoding)
    body = response.body if packing is None else packing.pack(response.body)
    if packing is None or len(body) >= len(response.body):
        return replace(response, headers=(*response.headers, *VARY))
    return replace(response, body=body, headers=(*response.headers, *packing.headers, *VARY))


async def packed_response(response: Response, accept_encoding: str) -> Response:
    """The same, with a large answer in a thread."""
    return await beside(response.body, packed, response, accept_encoding)


def _cut(body: Iterable[bytes]) -> Iterator[bytes]:
    """zlib copies what it has not used yet at every step, so it gets little at once."""
    for chunk in body:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]


def _steps(stream: zlib._Decompress, packed: bytes, encoding: str) -> Iterator[bytes]:
    while True:
        try:
            piece = stream.decompress(packed, PIECE_BYTES)
        except zlib.error:
            raise InvalidInput("body", f"is not {encoding}") from None
        if piece:
            yield piece
        packed = stream.unconsumed_tail
        # A piece that is full may have left some of its like inside zlib.
        if not packed and len(piece) < PIECE_BYTES:
            return


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)


def _wrong_end() -> InvalidInput:
    return InvalidInput("body", "the packed content ends before or after it should")
