"""The codec does what google.protobuf.json_format does, except where a table says why not."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import HealthCheck, event, given, settings, strategies as st

from gateway.body import parse_json, reader_of
from gateway.reply import render, writer_of
from mlmesh.runtime.errors import InvalidInput
from mlmesh.v1 import gateway_pb2, mesh_pb2, models_pb2, predictor_pb2
from tests.gateway.kinds import KINDS, kinds_pool, message_class, messages
from tests.gateway.odd_json import mutated, nodes, odd_json

OURS = [
    descriptor.full_name
    for contract in (gateway_pb2, mesh_pb2, models_pb2, predictor_pb2)
    for descriptor in contract.DESCRIPTOR.message_types_by_name.values()
]
quick = settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
thorough = settings(quick, max_examples=60)


@pytest.mark.parametrize("name", [*KINDS, *OURS])
@quick
@given(st.data())
def test_messages_are_written_as_json_format_writes_them(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(message_class(name)))

    written = writer_of(type(message))(message)

    oracle = exact(json.loads(oracle_text(message)))
    assert exact(written) == oracle
    assert exact(orjson.loads(render(message))) == oracle


@pytest.mark.parametrize("name", [*KINDS, *OURS])
@quick
@given(st.data())
def test_what_is_written_reads_back_as_the_same_message(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(message_class(name)))

    for text in (render(message), oracle_text(message), oracle_text(message, camel=True)):
        read = read_text(type(message), text)

        assert wire(read) == wire(message)


@dataclass(frozen=True, slots=True)
class Difference:
    """We refuse what json_format accepts: our problem, the values that it is for, and why."""

    problem: str
    concerns: Callable[[Any], bool]
    reason: str
    example: tuple[str, str]
    """A type, and a JSON text that json_format accepts."""


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_odd_number(value: Any) -> bool:
    """Python's own spellings of numbers, which neither JSON nor ProtoJSON has."""
    if not is_text(value):
        return False
    plain = value.strip() == value and value.isascii() and "_" not in value
    return not plain or value.lower().strip("+-").startswith(("inf", "nan"))


def is_huge(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return abs(float(value)) > 3.4e38
    except ValueError:
        return False


REFUSED = (
    Difference(
        "expected an object, got",
        lambda value: value in ("", []),
        "an empty list or string is no message",
        ("Tree", '{"below": []}'),
    ),
    Difference(
        "expected an integer, got other text",
        is_odd_number,
        "spaces, underscores and other scripts are Python's own",
        ("Singular", '{"oneInt32": "1_0"}'),
    ),
    Difference(
        "expected an integer, got other text",
        lambda value: is_text(value) and len(value) > 40,
        "long texts of digits are slow to read and in no range",
        ("Singular", '{"oneInt32": "' + "0" * 41 + '"}'),
    ),
    Difference(
        "expected a number, got other text",
        is_odd_number,
        "the same for other numbers; infinity has one spelling",
        ("Singular", '{"oneDouble": "inf"}'),
    ),
    Difference(
        "expected a number, got a boolean",
        lambda value: isinstance(value, bool),
        "true is no number",
        ("Singular", '{"oneDouble": true}'),
    ),
    Difference(
        "is too large for",
        is_huge,
        "a finite number must not become an infinite one",
        ("Singular", '{"oneFloat": "1e39"}'),
    ),
    Difference(
        "is too small to be read exactly",
        lambda value: value == -(2.0**63),
        "integers just below the range arrive rounded to it",
        ("Singular", '{"oneInt64": -9223372036854775808.0}'),
    ),
    Difference(
        "expected the name of a value, got a boolean",
        lambda value: isinstance(value, bool),
        "true is no value of an enum",
        ("Singular", '{"color": true}'),
    ),
    Difference(
        "expected an integer, got a fraction",
        lambda value: isinstance(value, float),
        "a fraction is no value of an enum",
        ("Singular", '{"color": 1.5}'),
    ),
    Difference(
        "must be from -2147483648 to 2147483647",
        lambda value: isinstance(value, int | float | str),
        "a number that fits no enum loses its upper bits there",
        ("Singular", '{"color": 4294967297}'),
    ),
    Difference(
        "expected one of ",
        is_odd_number,
        "numbers of enums are spelt as numbers are",
        ("Singular", '{"color": " 1 "}'),
    ),
    Difference(
        "is not base64",
        is_text,
        "what is not base64 would be dropped without a word",
        ("Singular", '{"oneBytes": "Q*Q=="}'),
    ),
    Difference(
        "given twice, in both spellings",
        lambda value: isinstance(value, dict),
        "which of the two counts would depend on their order",
        ("Singular", '{"oneInt32": 1, "one_int32": 2}'),
    ),
    Difference(
        "given twice, in two spellings",
        lambda value: isinstance(value, dict),
        "two spellings of one key of a map are ambiguous too",
        ("MapKeys", '{"fromInt32": {"1": 1, "01": 2}}'),
    ),
    Difference(
        "only one field of choice can be set",
        lambda value: isinstance(value, dict) or value is None,
        "a null that is a value sets the field as any other value does",
        ("Choice", '{"text": "a", "value": null}'),
    ),
    Difference(
        "a well-known type has its content in `value`",
        lambda value: isinstance(value, dict),
        "whatever else stands beside it would be dropped without a word",
        ("WellKnown", '{"any": {"@type": "a/google.protobuf.Int32Value", "value": 1, "a": 2}}'),
    ),
    Difference(
        "nested more than 100 messages deep",
        lambda value: isinstance(value, list | dict),
        "receivers refuse it, and would be blamed",
        ("WellKnown", '{"value": ' + "[" * 60 + "]" * 60 + "}"),
    ),
    Difference(
        "no type of that name is known here",
        is_text,
        "the pool looks no further than a NUL",
        ("WellKnown", '{"any": {"@type": "a/kinds.v1.Leaf\\u0000b"}}'),
    ),
)

ACCEPTED = (
    ("Repeated", '{"nothing": [null]}', "json_format writes it so, and cannot read it"),
    ("MapValues", '{"nothing": {"a": null}}', "json_format writes it so, and cannot read it"),
    ("Singular", '{"oneFloat": 3.4028235e+38}', "json_format writes the largest float so"),
)


@pytest.mark.parametrize("difference", REFUSED, ids=lambda difference: difference.reason)
def test_what_we_refuse_and_json_format_accepts(difference: Difference) -> None:
    name, text = difference.example

    with pytest.raises(InvalidInput, match=difference.problem):
        read_text(message_class(name), text)

    assert oracle_read(message_class(name), orjson.loads(text)) is not None


@pytest.mark.parametrize(("name", "text", "reason"), ACCEPTED)
def test_what_we_accept_and_json_format_refuses(name: str, text: str, reason: str) -> None:
    read = read_text(message_class(name), text)

    assert wire(read)
    assert oracle_read(message_class(name), orjson.loads(text)) is None


@pytest.mark.parametrize("name", [*KINDS, "mlmesh.v1.PredictRequest", "mlmesh.v1.ProcessRequest"])
@thorough
@given(st.data())
def test_any_json_is_read_or_refused_as_json_format_does(name: str, data: st.DataObject) -> None:
    kind = message_class(name)
    odd = data.draw(odd_json())
    value = data.draw(st.just(odd) | mutated(messages(kind), odd))
    value = orjson.loads(orjson.dumps(value))

    outcome = read_or_refused(kind, value)

    oracle = oracle_read(kind, value)
    if isinstance(outcome, InvalidInput):
        assert oracle is None or is_deliberate(outcome.problem, [value, *nodes(odd)]), str(outcome)
    elif oracle is None:
        assert any(node is None or is_huge(node) for node in nodes(value))
    else:
        event("read")
        # In an Any, json_format leaves the order of a map to chance.
        assert wire(outcome) == wire(oracle) or oracle_text(outcome) == oracle_text(oracle)


def is_deliberate(problem: str, candidates: Collection[Any]) -> bool:
    return any(
        problem.startswith(difference.problem) and any(map(difference.concerns, candidates))
        for difference in REFUSED
    )


def exact(value: Any) -> str:
    """Text that tells 1 from 1.0 and from true, but no order of keys."""
    return json.dumps(value, sort_keys=True)


def wire(message: Message) -> bytes:
    """Bytes that are equal for equal messages, NaN or not."""
    return message.SerializeToString(deterministic=True)


def oracle_text(message: Message, camel: bool = False) -> str:
    return json_format.MessageToJson(
        message,
        preserving_proto_field_name=not camel,
        always_print_fields_with_no_presence=not camel,
        descriptor_pool=kinds_pool(),
    )


def oracle_read(kind: type[Message], value: Any) -> Message | None:
    """What json_format makes of a value; None when it refuses or crashes."""
    try:
        return json_format.ParseDict(value, kind(), descriptor_pool=kinds_pool())
    except Exception:
        return None


def read_or_refused(kind: type[Message], value: object) -> Message | InvalidInput:
    try:
        return read_value(kind, value)
    except InvalidInput as error:
        return error


def read_value(kind: type[Message], value: object) -> Message:
    message = kind()
    reader_of(kind).fill(message, value)
    return message


def read_text(kind: type[Message], text: str | bytes) -> Message:
    return read_value(kind, parse_json(text.encode() if isinstance(text, str) else text))
