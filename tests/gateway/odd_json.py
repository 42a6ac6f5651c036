"""JSON that callers might send: any at all, and good JSON with something odd in one place."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import strategies as st

from tests.gateway.kinds import KINDS, kinds_pool, message_class

NUMBERS = (
    0, 1, -1, 2, 7, 2**31 - 1, 2**31, -(2**31) - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1,
    -(2**63), 0.0, -0.0, 1.0, 1.5, 1e5, 1e18, 1e19, 1e30, -(2.0**63), 3.4028235e38, 3.4028236e38,
    1e39, 1.7976931348623157e308, 5e-324,
)  # fmt: skip
TEXTS = (
    "", " ", "a", "0", "1", "-1", "01", "+1", " 1", "1 ", "\t1", "1\n", "1.0", "1.5", ".5", "1.",
    ".", "1e2", "1E+2", "1e-2", "1e400", "-1e400", "3.4028235e38", "1e39", "nan", "NaN", "NAN",
    "-NaN", "+nan", "inf", "-inf", "Infinity", "-Infinity", "+Infinity", "infinity", "1_0", "1__0",
    "٣", "\uff11", "0x1", "9" * 19, "9" * 20, "9" * 41, "-" + "9" * 5000, "0" * 39 + "1", "true",
    "false", "True", "null", "A", "QQ", "QQ=", "QQ==", "QQ===", "QQ==QQ==", "=", "====", "Q*==",
    "Q Q=", "QR==", "-_8=", "+/8=", "é", "COLOR_RED", "COLOR_CRIMSON", "color_red", "COLOR_GREEN",
    "NULL_VALUE", "2026-01-31T12:00:00Z", "2026-01-31t12:00:00Z", "2026-01-31T12:00:00.5+01:30",
    "2026-1-1T1:1:1Z", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:60Z",
    "9999-12-31T23:59:59-23:59", "2026-01-31T12:00:00.1e9Z", "2026-01-31T12:00:00.1e999Z",
    "2026-01-31T12:00:00.1234567890Z", "2026-01-31T12:00:00+1", "2026-01-31T12:00:00+:", "Z", "+",
    "1s", "-1.5s", ".5s", "1.s", "1_0s", " 1s", "s", "1.1e400s", "1.1e5s", "315576000001s",
    "0.9999999999s", "a,b", "a.bC", "fooBar,x", "foo_bar", "Foo", ",", "a,,b", "\x00", "\u0130",
    "type.googleapis.com/kinds.v1.Leaf", "kinds.v1.Leaf", "/kinds.v1.Tree.NamedEntry",
    "a/kinds.v1.Leaf\x00b", "a/google.protobuf.Any", "a/google.protobuf.Int32Value", "a/no.Such",
    "a/google.protobuf.UninterpretedOption.NamePart", "a/google.protobuf.FieldDescriptorProto",
    "a/google.protobuf.Empty", "a/google.protobuf.Value", "a/kinds.v1.Color",
)  # fmt: skip
BRACKETS = ("[" * 34 + "]" * 34, "[" * 60 + "]" * 60, '{"a":' * 40 + "1" + "}" * 40)


def names() -> list[str]:
    """Every spelling of every field of kinds.v1."""
    found = {"@type", "value", "name", "size", "is_extension", "namePart", "type", "label"}
    for kind in KINDS:
        for field in message_class(kind).DESCRIPTOR.fields:
            found |= {field.name, field.json_name}
    return sorted(found)


def odd_json() -> st.SearchStrategy[Any]:
    leaves = (
        st.none()
        | st.booleans()
        | st.sampled_from(NUMBERS)
        | st.sampled_from(TEXTS)
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=6)
        | st.sampled_from(BRACKETS).map(json.loads)
    )
    keys = st.sampled_from(names()) | st.sampled_from(TEXTS) | st.text(max_size=3)
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(keys, inner, max_size=3)
            | st.fixed_dictionaries({"@type": st.sampled_from(TEXTS)}, optional={"value": inner})
        ),
        max_leaves=5,
    )


@st.composite
def mutated(draw: st.DrawFn, good: st.SearchStrategy[Message], odd: Any) -> Any:
    """JSON of a message in which one value is replaced by `odd`, or stands there besides."""
    camel = draw(st.booleans())
    value = json_format.MessageToDict(
        draw(good),
        preserving_proto_field_name=not camel,
        always_print_fields_with_no_presence=draw(st.booleans()),
        descriptor_pool=kinds_pool(),
    )
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places:
        return odd
    holder, key = draw(st.sampled_from(places))
    if isinstance(holder, dict) and draw(st.integers(0, 3)) == 0:
        key = draw(st.sampled_from(names()) | st.text(max_size=3))
    holder[key] = odd
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value) if type(value) is list else 0)
    for key in keys:
        yield value, key
        yield from _places(value[key])


def nodes(value: Any) -> Iterator[Any]:
    """A value, everything in it, and the keys."""
    yield value
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from nodes(item)


PIECES = (
    b"[", b"]" * 40, b"[" * 101, b"{", b"}", b'"', b"\\ud800", b"\\u0000", b"\x00", b"\xff",
    b"1e999", b"9" * 30, b"-9223372036854775809", b"1" * 5000, b"NaN", b",", b":", b"null", b"-",
    b"e",
)  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """A text with a few of its bytes replaced."""
    text = draw(good)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 3)))
    return text[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=3)) + text[end:]
