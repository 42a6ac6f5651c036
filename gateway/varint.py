"""Numbers as protobuf writes them: seven bits a byte, the lowest first."""

from __future__ import annotations


def varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
