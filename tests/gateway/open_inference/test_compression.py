from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from gateway.open_inference.compression import pack_for, unpacked
from gateway.response import Response
from mlmesh.runtime.errors import InvalidInput, TooLarge, UnsupportedMediaType

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
}
UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.decompress,
    b"deflate": zlib.decompress,
}
LIMIT = 10_000


@pytest.mark.parametrize("encoding", PACK)
@given(body=st.binary(max_size=200))
def test_packed_bodies_are_unpacked(encoding: str, body: bytes) -> None:
    assert unpacked(PACK[encoding](body), encoding, LIMIT) == body


@pytest.mark.parametrize("encoding", PACK)
def test_a_body_may_unpack_to_the_limit_and_no_further(encoding: str) -> None:
    assert len(unpacked(PACK[encoding](bytes(LIMIT)), encoding, LIMIT)) == LIMIT
    with pytest.raises(TooLarge, match="body: unpacks to more than 10000 bytes"):
        unpacked(PACK[encoding](bytes(LIMIT + 1)), encoding, LIMIT)


@pytest.mark.parametrize("encoding", PACK)
def test_a_bomb_is_not_unpacked_beyond_the_limit(encoding: str) -> None:
    bomb = PACK[encoding](bytes(50_000_000))
    tracemalloc.start()

    with pytest.raises(TooLarge):
        unpacked(bomb, encoding, LIMIT)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("body", [b"", b"{}", b"\0" * 100])
def test_what_is_not_packed_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^body: "):
        unpacked(body, encoding, LIMIT)


@pytest.mark.parametrize("encoding", PACK)
def test_half_a_body_and_one_with_more_behind_it_are_refused(encoding: str) -> None:
    packed = PACK[encoding](b"some text")

    for wrong in (packed[:-5], packed + b"x", packed + packed):
        with pytest.raises(InvalidInput, match="before or after"):
            unpacked(wrong, encoding, LIMIT)


def test_other_encodings_are_refused() -> None:
    with pytest.raises(UnsupportedMediaType, match="send gzip, deflate or identity"):
        unpacked(b"", "br", LIMIT)


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip", b"gzip"),
        ("deflate", b"deflate"),
        ("GZip , deflate", b"gzip"),
        ("gzip;q=0.1, deflate;q=0.5", b"deflate"),
        ("br, *", b"gzip"),
        ("gzip;q=0, *", b"deflate"),
        ("", None),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip;q=none", None),
    ],
)
def test_answers_are_packed_as_the_client_likes(accept: str, encoding: bytes | None) -> None:
    pack = pack_for(accept)

    assert (pack is None) == (encoding is None)
    if pack is not None and encoding is not None:
        packed = pack(Response(200, b"content"))
        assert dict(packed.headers)[b"content-encoding"] == encoding
        assert UNPACK[encoding](packed.body) == b"content"
