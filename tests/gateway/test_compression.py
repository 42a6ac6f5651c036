"""Packing and unpacking alone."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from gateway.compression import PIECE_BYTES, encoding_of, packing_for, unpacked
from gateway.request import Request, UnsupportedBody
from mlmesh.runtime.errors import InvalidInput, TooLarge

PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}
LIMIT = 10_000


def content_of(body: bytes, encoding: str, max_bytes: int = LIMIT) -> bytes:
    return b"".join(unpacked([body], encoding, max_bytes))


@pytest.mark.parametrize("encoding", PACK)
@given(body=st.binary(max_size=200), at=st.integers(0, 200))
def test_packed_bodies_are_unpacked_however_they_were_cut(
    encoding: str, body: bytes, at: int
) -> None:
    packed = PACK[encoding](body)

    assert b"".join(unpacked([packed[:at], packed[at:]], encoding, LIMIT)) == body


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("size", [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_large_bodies_come_in_pieces_of_bounded_size(encoding: str, size: int) -> None:
    pieces = list(unpacked([PACK[encoding](bytes(size))], encoding, size))

    assert b"".join(pieces) == bytes(size)
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)


@pytest.mark.parametrize("encoding", PACK)
def test_a_body_may_unpack_to_the_limit_and_no_further(encoding: str) -> None:
    assert len(content_of(PACK[encoding](bytes(LIMIT)), encoding)) == LIMIT
    with pytest.raises(TooLarge, match="body: unpacks to more than 10000 bytes"):
        content_of(PACK[encoding](bytes(LIMIT + 1)), encoding)


@pytest.mark.parametrize("encoding", PACK)
def test_a_bomb_is_not_unpacked_beyond_the_limit(encoding: str) -> None:
    bomb = PACK[encoding](bytes(50_000_000))
    tracemalloc.start()

    with pytest.raises(TooLarge):
        content_of(bomb, encoding)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("body", [b"", b"{}", b"\0" * 100])
def test_what_is_not_packed_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^body: "):
        content_of(body, encoding)


@pytest.mark.parametrize("encoding", PACK)
def test_half_a_body_and_one_with_more_behind_it_are_refused(encoding: str) -> None:
    packed = PACK[encoding](b"some text")

    for wrong in ([packed[:-5]], [packed + b"x"], [packed + packed], [packed, b"x"]):
        with pytest.raises(InvalidInput, match="before or after"):
            b"".join(unpacked(wrong, encoding, LIMIT))


@pytest.mark.parametrize(
    ("header", "encoding"),
    [(b"gzip", "gzip"), (b" GZip", "gzip"), (b"x-gzip", "x-gzip"), (b"identity", ""), (b"", "")],
)
def test_the_encoding_of_a_body_is_read(header: bytes, encoding: str) -> None:
    assert encoding_of(Request("POST", "/", b"", {b"content-encoding": header})) == encoding


@pytest.mark.parametrize("header", [b"br", b"gzip, gzip", b"zstd"])
def test_other_encodings_are_refused(header: bytes) -> None:
    with pytest.raises(UnsupportedBody, match="send gzip, deflate or identity") as refused:
        encoding_of(Request("POST", "/", b"", {b"content-encoding": header}))

    assert refused.value.header == (b"accept-encoding", b"gzip, deflate")


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("GZip , deflate", "gzip"),
        ("gzip;q=0.1, deflate;q=0.5", "deflate"),
        ("br, *", "gzip"),
        ("gzip;q=0, *", "deflate"),
        ("gzip;q=0.5, identity", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("", None),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip;q=none", None),
        ("gzip;q=nan", None),
    ],
)
def test_answers_are_packed_as_the_client_likes(accept: str, encoding: str | None) -> None:
    packing = packing_for(accept)

    assert (packing.name if packing else None) == encoding
    if packing:
        assert UNPACK[packing.name](packing.pack(b"content")) == b"content"


@pytest.mark.parametrize("encoding", PACK)
def test_each_message_of_a_stream_can_be_unpacked_at_once(encoding: str) -> None:
    packing = packing_for(encoding)
    assert packing
    packer = packing.stream()
    reader = zlib.decompressobj(31 if encoding == "gzip" else 15)

    for number in range(3):
        assert reader.decompress(packer.message(b"line %d" % number)) == b"line %d" % number

    assert reader.decompress(packer.end()) == b""
    assert reader.eof
