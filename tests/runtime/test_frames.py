from __future__ import annotations

import asyncio
from unittest.mock import create_autospec

import grpc
import pytest
from hypothesis import given, strategies as st

from mlmesh.runtime.frames import MESSAGE, PREFIX, TRAILERS, Frames, code_of, trailers

LARGEST = 1000
FLAGS = st.sampled_from([MESSAGE, TRAILERS])


class Kept(Frames):
    def __init__(self) -> None:
        super().__init__(LARGEST)
        self.frames: list[tuple[int, bytes]] = []
        self.reasons: list[str] = []
        transport = create_autospec(asyncio.Transport)
        transport.is_closing.return_value = False
        self.connection_made(transport)

    def frame(self, flags: int, content: bytes) -> None:
        self.frames.append((flags, content))

    def broken(self, reason: str) -> None:
        self.reasons.append(reason)


def written(flags: int, content: bytes) -> bytes:
    return PREFIX.pack(flags, len(content)) + content


@given(st.lists(st.tuples(FLAGS, st.binary(max_size=LARGEST)), max_size=8), st.data())
def test_frames_are_what_was_sent_wherever_the_stream_is_cut(
    frames: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(written(*frame) for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    kept = Kept()

    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        kept.data_received(stream[start:end])

    assert kept.frames == frames
    assert not kept.reasons


@pytest.mark.parametrize("bad", [written(1, b""), PREFIX.pack(0, LARGEST + 1), b"GET / HTTP/1.1"])
def test_what_is_no_frame_is_said_once_and_nothing_after_it_is_taken(bad: bytes) -> None:
    kept = Kept()

    kept.data_received(written(MESSAGE, b"good") + bad)

    assert kept.frames == [(MESSAGE, b"good")]
    assert len(kept.reasons) == 1


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_trailers_say_the_code(code: grpc.StatusCode) -> None:
    assert code_of(trailers(code)) is code


@pytest.mark.parametrize("content", [b"", b"grpc-status: x", b"grpc-status: 99", b"\xff:\r\n"])
def test_other_trailers_say_that_it_is_unknown(content: bytes) -> None:
    assert code_of(content) is grpc.StatusCode.UNKNOWN
