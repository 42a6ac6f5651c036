"""Refuses requests that would cost far more to parse than to send.

A submessage of two bytes takes about a hundred in memory, so 64 MiB of them would take gigabytes
and seconds of the event loop. Tensors are few fields with many bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mlmesh.runtime.errors import InvalidInput

SMALL_BYTES = 4096
"""Requests up to this size cannot hold enough fields to harm anybody and are not looked at."""
MAX_TENSORS = 4096
"""Fields of the request itself: inputs, outputs, parameters, raw contents."""
MAX_FIELDS = 65_536
"""Fields within those: parameters, shapes, elements that are texts."""
MAX_SHAPE_BYTES = 1024

# Which fields hold fields that count, by number: an input has parameters (4) and contents (5), a
# requested output has parameters (2).
_Inside = dict[int, "_Inside"]
_INPUT: _Inside = {4: {}, 5: {}}
_OUTPUT: _Inside = {2: {}}
_REQUEST: _Inside = {5: _INPUT, 6: _OUTPUT}
_SHAPE = 3
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def check_bounds(request: bytes) -> None:
    """Raise InvalidInput for a serialised ModelInferRequest of too many fields.

    What is not well-formed passes, for the parser to refuse where it is not.
    """
    if len(request) <= SMALL_BYTES:
        return
    tops = list(islice(_fields(request, 0, len(request)), MAX_TENSORS + 1))
    if len(tops) > MAX_TENSORS:
        raise InvalidInput("", f"send at most {MAX_TENSORS} inputs, outputs and parameters")
    waiting = [(_REQUEST[number], begin, end) for number, begin, end in tops if number in _REQUEST]
    count = 0
    while waiting:
        inside, start, stop = waiting.pop()
        for number, begin, end in _fields(request, start, stop):
            count += 1
            if count > MAX_FIELDS:
                raise InvalidInput(
                    "inputs", f"more than {MAX_FIELDS} fields, send the elements raw"
                )
            if number in inside:
                waiting.append((inside[number], begin, end))
            elif inside is _INPUT and number == _SHAPE and end - begin > MAX_SHAPE_BYTES:
                raise InvalidInput("inputs.shape", "a tensor of so many axes is not served")


def _fields(content: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Number, first byte and end of each field, as far as they are well-formed."""
    at = start
    while at < stop:
        tag, begin = _varint(content, at, stop)
        wire = tag & 7
        if wire == _BYTES:
            length, begin = _varint(content, begin, stop)
            at = begin + length
        elif wire == _VARINT:
            _, at = _varint(content, begin, stop)
        elif wire in (_FIXED64, _FIXED32):
            at = begin + (8 if wire == _FIXED64 else 4)
        else:
            # The parser would skip a group as an unknown field and go on behind it.
            raise InvalidInput("", "the request has a group, which no field of it is")
        if at > stop:
            return
        yield tag >> 3, begin, at


def _varint(content: bytes, at: int, stop: int) -> tuple[int, int]:
    """A number and where it ends; beyond `stop` when it does not."""
    value = shift = 0
    while at < stop and shift < 70:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    return 0, stop + 1
