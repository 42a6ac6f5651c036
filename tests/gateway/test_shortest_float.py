from __future__ import annotations

import struct

from google.protobuf.json_format import MessageToDict

from gateway.body import reader_of
from gateway.shortest_float import shortest_float
from tests.gateway.kinds import message_class


def float_of(pattern: int) -> float:
    number: float = struct.unpack("<f", struct.pack("<I", pattern))[0]
    return number


def test_floats_of_every_exponent_get_the_digits_that_json_format_gives_them() -> None:
    floats = [
        float_of(sign | exponent << 23 | mantissa)
        for sign in (0, 1 << 31)
        for exponent in range(255)
        for mantissa in (0, 1, 2, 0x2AAAAA, 0x400000, 0x4CCCCD, 0x7FFFFE, 0x7FFFFF)
    ]
    message = message_class("Repeated")()
    reader_of(type(message)).fill(message, {"many_float": floats})
    oracle = MessageToDict(message)["manyFloat"]

    digits = [shortest_float(number) for number in floats]

    # Their texts, for 0.0 and -0.0 are equal.
    assert list(map(repr, digits)) == list(map(repr, oracle))


def test_short_decimals_come_back_as_they_were() -> None:
    decimals = [number / 10**places for places in range(8) for number in range(-1000, 1000, 7)]
    floats = [struct.unpack("<f", struct.pack("<f", decimal))[0] for decimal in decimals]

    assert [shortest_float(number) for number in floats] == decimals
