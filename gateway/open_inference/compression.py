"""Bodies that come or go as gzip or deflate, which means zlib's format."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace

from gateway.response import Response
from mlmesh.runtime.errors import InvalidInput, TooLarge, UnsupportedMediaType

MIN_BYTES = 1024
"""Smaller answers are sent as they are: they would not arrive any sooner."""
# What a window size of 15 bits means to zlib: 16 more is gzip's format.
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_LEVEL = 1
_PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, _LEVEL, mtime=0),
    "deflate": lambda body: zlib.compress(body, _LEVEL),
}


def is_packed(encoding: str) -> bool:
    """Whether a body with this Content-Encoding has to be unpacked."""
    return encoding.strip().lower() not in ("", "identity")


def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The content of a packed body. Raises UnsupportedMediaType, InvalidInput, and TooLarge as
    soon as it is larger than `max_bytes`."""
    window = _WINDOWS.get(encoding.strip().lower())
    if window is None:
        raise UnsupportedMediaType("Content-Encoding", "send gzip, deflate or identity")
    stream = zlib.decompressobj(window)
    try:
        content = stream.decompress(body, max_bytes + 1)
    except zlib.error:
        raise InvalidInput("body", f"is not {encoding.strip().lower()}") from None
    if len(content) > max_bytes:
        raise TooLarge(f"body: unpacks to more than {max_bytes} bytes, the most that is taken")
    if not stream.eof or stream.unused_data:
        raise InvalidInput("body", "the packed content ends before or after it should")
    return content


def pack_for(accept: str) -> Callable[[Response], Response] | None:
    """What packs an answer as Accept-Encoding wishes; None when it is to be sent as it is."""
    encoding = _wanted(accept)
    if encoding is None:
        return None
    pack, header = _PACK[encoding], (b"content-encoding", encoding.encode())

    def packed(response: Response) -> Response:
        return replace(response, body=pack(response.body), headers=(*response.headers, header))

    return packed


def _wanted(accept: str) -> str | None:
    """The encoding of ours that the client likes best, if it likes any."""
    liked = {}
    for item in accept.lower().split(","):
        name, _, parameter = item.partition(";")
        liked[name.strip()] = _quality(parameter)
    best = max(_PACK, key=lambda name: liked.get(name, liked.get("*", 0.0)))
    return best if liked.get(best, liked.get("*", 0.0)) > 0 else None


def _quality(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
