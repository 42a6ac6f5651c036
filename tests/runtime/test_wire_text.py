from __future__ import annotations

import time

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, strategies as st

from mlmesh.runtime.wire_text import undecodable_text
from mlmesh.v1 import nlp_pb2 as pb

BAD = b"good \xff"
TEXT = pb.AnalyzeSentimentRequest.DESCRIPTOR
TEXTS = pb.BatchAnalyzeSentimentRequest.DESCRIPTOR
PAIRS = pb.BatchSimilarityRequest.DESCRIPTOR


def field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


def test_the_field_and_the_byte_are_found() -> None:
    good = pb.AnalyzeSentimentRequest(model="m", sentences=True).SerializeToString()

    assert undecodable_text(good + field(3, BAD), TEXT) == ("text", 5)


def test_one_of_several_is_found_by_its_place() -> None:
    message = field(3, b"fine") + field(1, b"m") + field(3, BAD)

    assert undecodable_text(message, TEXTS) == ("texts[1]", 5)


def test_a_field_within_a_field_is_found_by_its_path() -> None:
    message = field(3, field(1, b"a")) + field(3, field(1, b"a") + field(2, BAD))

    assert undecodable_text(message, PAIRS) == ("pairs[1].other", 5)


@pytest.mark.parametrize(
    "message", [b"", b"\xff", field(3, b"ok"), b"\x1a\x7fshort", b"\x0f", b"\xff" * 20]
)
def test_nothing_is_found_where_no_text_is_to_blame(message: bytes) -> None:
    assert undecodable_text(message, TEXT) is None


def test_a_message_of_millions_of_fields_costs_little() -> None:
    message = field(3, b"") * 2_000_000
    started = time.perf_counter()

    undecodable_text(message, TEXTS)

    assert time.perf_counter() - started < 1


@given(st.binary(max_size=60))
def test_what_is_found_is_what_protobuf_refuses(message: bytes) -> None:
    found = undecodable_text(message, PAIRS)

    if found is not None:
        with pytest.raises(DecodeError):
            pb.BatchSimilarityRequest.FromString(message)
