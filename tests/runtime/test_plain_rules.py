"""What plain_rules lets pass, protovalidate lets pass too; it is asked about every request type."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import protovalidate
import pytest
from buf.validate import validate_pb2
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    struct_pb2,
    text_format,
    wrappers_pb2,
)
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings, strategies as st

from mlmesh.openinference.v2 import inference_pb2
from mlmesh.runtime.contracts import methods_of
from mlmesh.runtime.plain_rules import plain_rules
from mlmesh.v1 import gateway_pb2, mesh_pb2, models_pb2, nlp_pb2, predictor_pb2, vision_pb2

VALIDATOR = protovalidate.Validator()
CONTRACTS = [
    contract.DESCRIPTOR
    for contract in (
        gateway_pb2, mesh_pb2, models_pb2, nlp_pb2, predictor_pb2, vision_pb2, inference_pb2
    )
]  # fmt: skip
REQUESTS: dict[str, type[Message]] = {
    method.request.DESCRIPTOR.full_name: method.request
    for contract in CONTRACTS
    for service in contract.services_by_name.values()
    for method in methods_of(service)
}
CHECKED = [name for name, kind in REQUESTS.items() if plain_rules(kind.DESCRIPTOR) is not None]
NUMBERS = itertools.count()
DEEPEST = 4
"""Messages within messages."""

# Lengths around the bounds of the contracts; a character may be one to four bytes.
lengths = st.sampled_from([0, 1, 2, 3, 4, 5, 63, 64, 65])
characters = st.sampled_from(["a", "\0", "é", "\u0301", "\uffff", "😀"])
texts = st.builds(lambda one, length: one * length, characters, lengths)
floats = st.sampled_from(
    [0.0, -0.0, 1.0, 2.0, 3.0, -1.0, math.nextafter(2, 3), 5e-324, math.nan, math.inf, -math.inf]
)
integers = st.sampled_from([0, 1, 2, 3, 4, 999, 1000, 1001, 2**31 - 1])
signed = integers | st.sampled_from([-1, -(2**31)])
Kind = FieldDescriptor
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    Kind.CPPTYPE_STRING: texts,
    Kind.CPPTYPE_FLOAT: floats,
    Kind.CPPTYPE_DOUBLE: floats,
    Kind.CPPTYPE_BOOL: st.booleans(),
    Kind.CPPTYPE_ENUM: st.sampled_from([0, 1, 2, 3, 4, 99, -1]),
    Kind.CPPTYPE_INT32: signed,
    Kind.CPPTYPE_INT64: signed,
    Kind.CPPTYPE_UINT32: integers,
    Kind.CPPTYPE_UINT64: integers,
}


def fill(draw: st.DrawFn, message: Message, depth: int = 0) -> None:
    """Set some of its fields, or none."""
    fields: Any = message.DESCRIPTOR.fields
    for field in fields:
        if not draw(st.booleans()):
            continue
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            fill_map(draw, field, getattr(message, field.name), depth)
        elif field.is_repeated:
            for _ in range(draw(st.integers(0, 4))):
                add(draw, field, getattr(message, field.name), depth)
        elif kind is None:
            setattr(message, field.name, draw(scalars(field)))
        else:
            one = getattr(message, field.name)
            one.SetInParent()
            fill_within(draw, one, depth)


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.type == Kind.TYPE_BYTES:
        return texts.map(str.encode)
    return SCALARS[field.cpp_type]


def add(draw: st.DrawFn, field: FieldDescriptor, found: Any, depth: int) -> None:
    if field.message_type is None:
        found.append(draw(scalars(field)))
    else:
        fill_within(draw, found.add(), depth)


def fill_map(draw: st.DrawFn, field: FieldDescriptor, found: Any, depth: int) -> None:
    assert field.message_type is not None
    key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
    for one in draw(st.lists(scalars(key), max_size=4)):
        if value.message_type is None:
            found[one] = draw(scalars(value))
        else:
            fill_within(draw, found[one], depth)


def fill_within(draw: st.DrawFn, message: Message, depth: int) -> None:
    if depth < DEEPEST:
        fill(draw, message, depth + 1)


@st.composite
def messages(draw: st.DrawFn, kind: type[Message]) -> Message:
    message = kind()
    fill(draw, message)
    return message


def valid(message: Message) -> bool:
    return not VALIDATOR.collect_violations(message, fail_fast=True)


def test_most_request_types_have_rules_that_are_known() -> None:
    """Those that have not: an optional number with bounds, and what is to be unique."""
    assert {name.rpartition(".")[2] for name in REQUESTS.keys() - set(CHECKED)} == {
        "AnalyzeRequest",
        "BatchDetectRequest",
        "BatchSummarizeRequest",
        "DetectRequest",
        "SummarizeRequest",
    }


@pytest.mark.parametrize("name", CHECKED)
@settings(max_examples=25, deadline=None, database=None)
@given(data=st.data())
def test_what_passes_keeps_to_the_rules_of_its_contract(name: str, data: st.DataObject) -> None:
    kind = REQUESTS[name]
    passes = plain_rules(kind.DESCRIPTOR)
    assert passes is not None

    message = data.draw(messages(kind))

    assert valid(message) or not passes(message)


ITEM = "field {name: 'it' number: 1 label: LABEL_OPTIONAL type: TYPE_%s %s}"
ITEMS = "field {name: 'it' number: 1 label: LABEL_REPEATED type: TYPE_%s %s}"
ENUM = "enum_type {name: 'E' value {name: 'A' number: 0} value {name: 'B' number: 3}}"
MAP = (
    "nested_type {name: 'ItEntry' options {map_entry: true}"
    " field {name: 'key' number: 1 label: LABEL_OPTIONAL type: TYPE_STRING}"
    " field {name: 'value' number: 2 label: LABEL_OPTIONAL type: TYPE_STRING}}"
    + ITEMS
    % ("MESSAGE", "type_name: 'ItEntry' %s")
)
WITHIN = "nested_type {name: 'In' " + ITEM + "}" + "%s"
PRESENT = " proto3_optional: true oneof_index: 0} oneof_decl {name: '_it'"
DURATION = "type_name: '.google.protobuf.Duration' "
TEXT = "type_name: '.google.protobuf.StringValue' "


def rules(text: str) -> str:
    return "options {[buf.validate.field] {" + text + "}}"


KNOWN = [
    ITEM % ("STRING", ""),
    ITEM % ("STRING", rules("string {max_len: 3}")),
    ITEM % ("STRING", rules("string {min_len: 1 max_len: 3}")),
    ITEM % ("BYTES", rules("bytes {min_len: 2 max_len: 4}")),
    ITEM % ("DOUBLE", rules("double {finite: true}")),
    ITEM % ("FLOAT", rules("float {finite: true}")),
    ITEM % ("DOUBLE", rules("double {lt: 2}")),
    ITEM % ("FLOAT", rules("float {lte: 2}")),
    ITEM % ("INT32", rules("int32 {gt: 2}")),
    ITEM % ("UINT64", rules("uint64 {gte: 2}")),
    ITEM % ("ENUM", "type_name: 'E' " + rules("enum {defined_only: true}")) + ENUM,
    ITEM % ("STRING", rules("ignore: IGNORE_ALWAYS string {uuid: true}")),
    ITEMS % ("STRING", rules("repeated {min_items: 1 max_items: 3}")),
    ITEMS % ("STRING", rules("repeated {max_items: 3 items {string {min_len: 1 max_len: 3}}}")),
    ITEMS % ("DOUBLE", rules("repeated {items {double {finite: true}}}")),
    ITEMS % ("ENUM", "type_name: 'E' " + rules("repeated {items {enum {defined_only: true}}}"))
    + ENUM,
    ITEMS % ("STRING", rules("repeated {items {ignore: IGNORE_ALWAYS string {uuid: true}}}")),
    ITEMS % ("MESSAGE", DURATION + rules("repeated {min_items: 1 max_items: 2}")),
    MAP % rules("map {min_pairs: 1 max_pairs: 2}"),
    MAP % rules("map {values {string {max_len: 3}}}"),
    WITHIN % ("STRING", rules("string {max_len: 3}"), ITEM % ("MESSAGE", "type_name: 'In'")),
    WITHIN % ("STRING", rules("string {min_len: 1}"), ITEMS % ("MESSAGE", "type_name: 'In'")),
]  # fmt: skip
UNKNOWN = [
    ITEM % ("STRING", rules("string {const: 'a'}")),
    ITEM % ("STRING", rules("string {len: 3}")),
    ITEM % ("STRING", rules("string {max_bytes: 3}")),
    ITEM % ("STRING", rules("string {max_len: 3 pattern: '^a'}")),
    ITEM % ("STRING", rules("string {uuid: true}")),
    ITEM % ("STRING", rules("string {in: 'a'}")),
    ITEM % ("STRING", rules("required: true")),
    ITEM % ("STRING", rules("required: true string {max_len: 3}")),
    ITEM % ("STRING", rules("ignore: IGNORE_IF_ZERO_VALUE string {min_len: 3}")),
    ITEM % ("STRING", rules("cel {id: 'a' message: 'b' expression: 'this == \"a\"'}")),
    ITEM % ("STRING", rules("string {max_len: 3}") + PRESENT),
    ITEM % ("DOUBLE", rules("double {gte: 0 lte: 1}")),
    ITEM % ("DOUBLE", rules("double {gte: 0 finite: true}")),
    ITEM % ("DOUBLE", rules("double {finite: false}")),
    ITEM % ("INT32", rules("int32 {not_in: 1}")),
    ITEM % ("BOOL", rules("bool {const: true}")),
    ITEM % ("ENUM", "type_name: 'E' " + rules("enum {defined_only: true not_in: 0}")) + ENUM,
    ITEM % ("MESSAGE", DURATION + rules("duration {lt {seconds: 3}}")),
    ITEM % ("MESSAGE", DURATION + rules("required: true")),
    ITEM % ("MESSAGE", TEXT + rules("string {max_len: 3}")),
    ITEM % ("MESSAGE", "type_name: '.google.protobuf.Any' " + rules("any {in: 'a'}")),
    ITEM % ("MESSAGE", "type_name: '.google.protobuf.Struct'"),
    ITEMS % ("STRING", rules("repeated {unique: true}")),
    ITEMS % ("STRING", rules("repeated {items {string {uuid: true}}}")),
    ITEMS % ("STRING", rules("repeated {items {required: true}}")),
    ITEMS % ("STRING", rules("cel {id: 'a' message: 'b' expression: 'size(this) < 2'}")),
    ITEMS % ("MESSAGE", DURATION + rules("repeated {items {duration {lt {seconds: 3}}}}")),
    ITEMS % ("MESSAGE", TEXT + rules("repeated {items {string {max_len: 3}}}")),
    MAP % rules("map {keys {string {max_len: 3}}}"),
    MAP % rules("map {values {string {uuid: true}}}"),
    MAP % rules("required: true"),
    WITHIN % ("STRING", rules("string {uuid: true}"), ITEM % ("MESSAGE", "type_name: 'In'")),
    WITHIN % ("STRING", rules("string {uuid: true}"), ITEMS % ("MESSAGE", "type_name: 'In'")),
    ITEM % ("STRING", "") + "options {[buf.validate.message] {cel_expression: 'this.it != \"\"'}}",
    ITEM % ("STRING", "oneof_index: 0")
    + "oneof_decl {name: 'o' options {[buf.validate.oneof] {required: true}}}",
]  # fmt: skip


@functools.cache
def made(text: str) -> type[Message]:
    """A message type of a contract that has nothing else."""
    name = f"tests.plain.made{next(NUMBERS)}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto3")
    for needed in (any_pb2, duration_pb2, struct_pb2, wrappers_pb2, validate_pb2):
        file.dependency.append(needed.DESCRIPTOR.name)
    text_format.Parse(f"name: 'Made' {text}", file.message_type.add())
    return added(file)


def added(file: descriptor_pb2.FileDescriptorProto) -> type[Message]:
    """The only message type of the file, known to the library as well."""
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(
        pool.FindMessageTypeByName(f"{file.package}.{file.message_type[0].name}")
    )


@pytest.mark.parametrize("text", KNOWN)
@settings(max_examples=30, deadline=None, database=None)
@given(data=st.data())
def test_rules_that_are_known_are_meant_as_the_library_means_them(
    text: str, data: st.DataObject
) -> None:
    kind = made(text)
    passes = plain_rules(kind.DESCRIPTOR)
    assert passes is not None

    message = data.draw(messages(kind))

    assert passes(message) == valid(message)


@pytest.mark.parametrize("text", UNKNOWN)
def test_rules_that_are_not_known_are_left_to_the_library(text: str) -> None:
    assert plain_rules(made(text).DESCRIPTOR) is None


def test_a_rule_of_a_later_library_is_not_known() -> None:
    """Field 2047 of a string's rules, which nobody has defined."""
    later = validate_pb2.StringRules.FromString(b"\xf8\x7f\x01")
    file = descriptor_pb2.FileDescriptorProto(
        name="tests.plain.later.proto", package="tests.plain.later", syntax="proto3"
    )
    file.dependency.append(validate_pb2.DESCRIPTOR.name)
    text_format.Parse("name: 'Later' " + ITEM % ("STRING", ""), file.message_type.add())
    options = file.message_type[0].field[0].options
    options.Extensions[validate_pb2.field].string.CopyFrom(later)

    assert plain_rules(added(file).DESCRIPTOR) is None
