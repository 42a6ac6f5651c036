"""Which bodies are refused, and what their senders are told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from hypothesis import HealthCheck, given, settings, strategies as st

from gateway.body import MAX_DEPTH, parse_json, reader_of
from gateway.reply import render
from mlmesh.runtime.errors import InvalidInput
from tests.gateway.kinds import KINDS, message_class, messages
from tests.gateway.odd_json import odd_json, spoilt

LONG = "x" * 5000
ECHO = 80

WRONG_TEXT = [
    (b"", "body: not valid JSON: Input is a zero-length, empty document at line 1 column 1"),
    (b"{", "body: not valid JSON: unexpected end of data at line 1 column 2"),
    (b'{"a":\n tru}', "body: not valid JSON: invalid literal, expected 'true' at line 2 column 2"),
    (
        b"NaN",
        "body: not valid JSON: unexpected character, expected a JSON value at line 1 column 1",
    ),
    (b"\xff", "body: not valid JSON: str is not valid UTF-8 at line 1 column 1"),
    (b'"\\ud800"', "body: not valid JSON: no low surrogate in string at line 1 column 2"),
    (b'"\x00"', "body: not valid JSON: unexpected control character in string at line 1 column 2"),
    (b"1e999", "body: not valid JSON: number is infinity when parsed as double at line 1 column 1"),
    (b"[" * 101 + b"]" * 101, "body: nested more than 100 deep"),
    (b"[" * 1025 + b"]" * 1025, "body: not valid JSON: depth limit exceeded at line 1 column 1026"),
]

WRONG_VALUE: list[tuple[str, Any, str]] = [
    ("Leaf", [], "body: expected an object, got a list"),
    ("Leaf", None, "body: expected an object, got null"),
    ("Leaf", "a", "body: expected an object, got a string"),
    ("Leaf", {"nam": "a"}, "nam: no such field, did you mean 'name'?"),
    ("Leaf", {"zzz": 1}, "zzz: no such field, there is name, size"),
    ("Leaf", {"[kinds.v1.x]": 1}, "[kinds.v1.x]: no such field, there is name, size"),
    ("WellKnown", {"empty": {"a": 1}}, "empty.a: no such field"),
    ("Leaf", {"name": 1}, "name: expected a string, got a number"),
    ("Leaf", {"size": 1.5}, "size: expected an integer, got a fraction"),
    ("Leaf", {"size": "1.5"}, "size: expected an integer, got other text"),
    ("Leaf", {"size": True}, "size: expected an integer, got a boolean"),
    ("Leaf", {"size": 2**31}, "size: must be from -2147483648 to 2147483647"),
    ("Leaf", {"size": 1e300}, "size: must be from -2147483648 to 2147483647"),
    ("Singular", {"oneUint32": -1}, "one_uint32: must be from 0 to 4294967295"),
    ("Singular", {"one_uint64": 2.0**64}, "one_uint64: must be from 0 to 18446744073709551615"),
    ("Singular", {"one_bool": "true"}, "one_bool: expected true or false, got a string"),
    ("Singular", {"one_double": "a"}, "one_double: expected a number, got other text"),
    ("Singular", {"one_double": {}}, "one_double: expected a number, got an object"),
    ("Singular", {"one_float": 1e39}, "one_float: is too large for 32 bits"),
    ("Singular", {"one_bytes": 1}, "one_bytes: expected a string of base64, got a number"),
    ("Singular", {"one_bytes": "é"}, "one_bytes: is not base64"),
    (
        "Singular",
        {"color": "GREEN"},
        "color: expected one of COLOR_UNSPECIFIED, COLOR_RED, COLOR_CRIMSON, COLOR_BLUE, "
        "COLOR_INFRARED",
    ),
    ("Singular", {"color": []}, "color: expected the name of a value, got a list"),
    ("Repeated", {"many_int32": 1}, "many_int32: expected a list, got a number"),
    ("Repeated", {"many_int32": [1, "a"]}, "many_int32[1]: expected an integer, got other text"),
    ("Repeated", {"many_double": [1, None]}, "many_double[1]: expected a number, got null"),
    ("MapValues", {"to_int32": []}, "to_int32: expected an object, got a list"),
    ("MapValues", {"to_int32": {"a": "b"}}, 'to_int32["a"]: expected an integer, got other text'),
    ("MapValues", {"to_int32": {"a": None}}, 'to_int32["a"]: expected an integer, got null'),
    ("MapKeys", {"from_bool": {"yes": 1}}, 'from_bool["yes"]: expected the key true or false'),
    ("MapKeys", {"from_int32": {"a": 1}}, 'from_int32["a"]: expected an integer, got other text'),
    (
        "MapKeys",
        {"leaves": {"1": {"size": []}}},
        'leaves["1"].size: expected an integer, got a list',
    ),
    (
        "Tree",
        {"children": [{}, {"below": 1}]},
        "children[1].below: expected an object, got a number",
    ),
    ("Tree", {"children": [None]}, "children[0]: expected an object, got null"),
    ("Choice", {"text": "a", "number": 1}, "number: only one field of choice can be set"),
    ("Choice", {"yes": True, "color": 1}, "color: only one field of other can be set"),
    ("Singular", {"one_int32": 1, "oneInt32": 1}, "one_int32: given twice, in both spellings"),
    (
        "WellKnown",
        {"timestamp": "today"},
        "timestamp: expected a string such as '2026-01-31T12:00:00Z'",
    ),
    (
        "WellKnown",
        {"timestamp": 0},
        "timestamp: expected a string such as '2026-01-31T12:00:00Z', got a number",
    ),
    ("WellKnown", {"duration": "1.1e400s"}, "duration: expected a string such as '1.5s'"),
    ("WellKnown", {"field_mask": "a_b"}, "field_mask: expected a string such as 'user.name,photo'"),
    ("WellKnown", {"struct": []}, "struct: expected an object, got a list"),
    ("WellKnown", {"list": {}}, "list: expected a list, got an object"),
    ("WellKnown", {"int32Value": "a"}, "int32_value: expected an integer, got other text"),
    ("WellKnown", {"any": 1}, "any: expected an object, got a number"),
    ("WellKnown", {"any": {"a": 1}}, "any.@type: name the type of the message"),
    ("WellKnown", {"any": {"@type": 1}}, "any.@type: name the type of the message"),
    ("WellKnown", {"any": {"@type": "a/b.C"}}, "any.@type: no type of that name is known here"),
    (
        "WellKnown",
        {"any": {"@type": "a/kinds.v1.Leaf", "size": "b"}},
        "any.size: expected an integer, got other text",
    ),
    (
        "WellKnown",
        {"any": {"@type": "a/google.protobuf.Duration"}},
        "any: a well-known type has its content in `value`",
    ),
    (
        "WellKnown",
        {"any": {"@type": "a/google.protobuf.ListValue", "value": {}}},
        "any.value: expected a list, got an object",
    ),
    (
        "WellKnown",
        {"any": {"@type": "a/google.protobuf.UninterpretedOption.NamePart"}},
        "any: lacks a field that its type requires",
    ),
    (
        "WellKnown",
        {"any": {"@type": "a/google.protobuf.FieldOptions", "ctype": 9}},
        "any.ctype: expected one of STRING, CORD, STRING_PIECE",
    ),
]


@pytest.mark.parametrize(("raw", "told"), WRONG_TEXT, ids=range(len(WRONG_TEXT)))
def test_texts_that_are_no_json_are_refused(raw: bytes, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_json(raw)

    assert refused.value.message == told


@pytest.mark.parametrize(("name", "value", "told"), WRONG_VALUE, ids=range(len(WRONG_VALUE)))
def test_the_sender_is_told_what_is_wrong_and_where(name: str, value: Any, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(message_class(name), orjson.dumps(value))

    assert refused.value.message == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "rows[2]: expected an object, got a list"),
        ({"many_int32": [None]}, "rows[2].many_int32[0]: expected an integer, got null"),
    ],
)
def test_a_path_begins_where_the_caller_says(value: Any, told: str) -> None:
    kind = message_class("Repeated")

    with pytest.raises(InvalidInput) as refused:
        reader_of(kind).fill(kind(), value, "rows[2]")

    assert refused.value.message == told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Leaf", LONG),
        ("Leaf", {LONG: 1}),
        ("Leaf", {"size": LONG}),
        ("Leaf", {"size": "1" * 5000}),
        ("Singular", {"one_double": LONG}),
        ("Singular", {"one_double": "1" * 5000}),
        ("Singular", {"color": LONG}),
        ("Singular", {"one_bytes": LONG + "*"}),
        ("Singular", {"one_bool": LONG}),
        ("MapKeys", {"from_int32": {LONG: 1}}),
        ("MapKeys", {"from_bool": {LONG: 1}}),
        ("MapValues", {"to_int32": {LONG: "a"}}),
        ("WellKnown", {"struct": {LONG: ["[" * 9]}, "timestamp": LONG}),
        ("WellKnown", {"duration": LONG}),
        ("WellKnown", {"field_mask": LONG + "_"}),
        ("WellKnown", {"any": {"@type": LONG}}),
        ("WellKnown", {"any": {"@type": "a/kinds.v1.Leaf", LONG: 1}}),
    ],
)
def test_a_refusal_repeats_little_of_what_was_sent(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(message_class(name), orjson.dumps(value))

    assert LONG[: ECHO + 1] not in refused.value.message
    assert "1" * (ECHO + 1) not in refused.value.message
    assert len(refused.value.message) < 300


# What stands around a value on each level, and how many levels there may be.
NESTED = [
    ("google.protobuf.Value", "[", "]", 49),
    ("google.protobuf.Value", '{"a":', "}", 33),
    ("mlmesh.v1.PredictRequest", '{"named_features":{"a":', "}}", 1),
    ("Tree", '{"below":', "}", 99),
    ("Tree", '{"children":[', "]}", 49),
    ("Tree", '{"named":{"a":', "}}", 49),
    ("WellKnown", '{"any":{"@type":"a/kinds.v1.WellKnown","any":', "}}", 1),
]


@pytest.mark.parametrize(("name", "opened", "closed", "levels"), NESTED)
def test_messages_may_be_as_deep_as_receivers_read(
    name: str, opened: str, closed: str, levels: int
) -> None:
    kind = message_class(name)

    message = read(kind, (opened * levels + "{}" + closed * levels).encode())

    assert kind.FromString(message.SerializeToString()) == message


@pytest.mark.parametrize(
    ("name", "opened", "closed", "levels"),
    [case for case in NESTED if case[3] < 99 and case[3] > 1],
)
def test_messages_are_refused_where_receivers_would_not_read_them(
    name: str, opened: str, closed: str, levels: int
) -> None:
    with pytest.raises(InvalidInput, match=r"nested more than 100( messages)? deep"):
        read(message_class(name), (opened * (levels + 1) + "{}" + closed * (levels + 1)).encode())


def test_json_may_be_so_deep_and_no_deeper() -> None:
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    wide = b"[" + b"[]," * 500 + b"{}]"

    assert parse_json(deep)
    assert parse_json(wide)
    with pytest.raises(InvalidInput, match="nested more than 100 deep"):
        parse_json(b'{"a":' + deep + b"}")


def test_details_of_a_status_are_read_by_their_type() -> None:
    body = {
        "code": 5,
        "message": "gone",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "GONE"},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"},
            {},
        ],
    }

    status = read(message_class("google.rpc.Status"), orjson.dumps(body))

    info, retry = error_details_pb2.ErrorInfo(reason="GONE"), error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    expected = status_pb2.Status(code=5, message="gone")
    for detail in (info, retry):
        expected.details.add().Pack(detail)
    expected.details.append(AnyMessage())
    assert status.SerializeToString() == expected.SerializeToString()


@pytest.mark.parametrize("name", [*KINDS, "mlmesh.v1.PredictRequest"])
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_bytes_are_read_or_refused(name: str, data: st.DataObject) -> None:
    kind = message_class(name)
    good, odd = messages(kind).map(render), odd_json().map(orjson.dumps)
    raw = data.draw(st.binary(max_size=30) | odd | spoilt(good) | spoilt(odd))

    outcome = read_or_refused(kind, raw)

    if isinstance(outcome, InvalidInput):
        assert outcome.field
        assert len(outcome.problem) < 1000
        assert outcome.status().SerializeToString()
    else:
        assert kind.FromString(outcome.SerializeToString()).ByteSize() == outcome.ByteSize()


def read(kind: type[Message], raw: bytes) -> Message:
    message = kind()
    reader_of(kind).fill(message, parse_json(raw))
    return message


def read_or_refused(kind: type[Message], raw: bytes) -> Message | InvalidInput:
    try:
        return read(kind, raw)
    except InvalidInput as error:
        return error
