"""A contract with every kind of field, in a pool of its own, and messages drawn from it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc
from hypothesis import strategies as st

from mlmesh.runtime.contracts import load_contracts

CONTRACTS = Path(__file__).parent / "contracts"
KINDS = (
    "Singular", "Optional", "Repeated", "MapValues", "MapKeys", "Tree", "Choice", "WellKnown",
    "WellKnownLists", "WellKnownMaps", "Everything",
)  # fmt: skip
DAY_ONE, LAST_SECOND = -62135596800, 253402300799
LONGEST_DURATION = 315_576_000_000


@cache
def kinds_pool() -> DescriptorPool:
    """kinds.v1 and mlmesh.v1 as a gateway knows them."""
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder) / "kinds.binpb"
        failed = protoc.main(
            [
                "protoc",
                f"--proto_path={CONTRACTS}",
                f"--proto_path={files('grpc_tools') / '_proto'}",
                f"--descriptor_set_out={descriptors}",
                "--include_imports",
                "kinds.proto",
            ]
        )
        assert not failed
        return load_contracts([descriptors]).pool


def message_class(name: str) -> type[Message]:
    """The class of a type, by full name or by its name in kinds.v1."""
    full_name = name if "." in name else f"kinds.v1.{name}"
    return GetMessageClass(kinds_pool().FindMessageTypeByName(full_name))


@st.composite
def messages(draw: st.DrawFn, kind: type[Message], depth: int = 2) -> Any:
    """A message whose JSON can say all of it."""
    descriptor = kind.DESCRIPTOR
    if descriptor.full_name in WELL_KNOWN:
        message: Any = kind()
        WELL_KNOWN[descriptor.full_name](draw, message, depth)
        return message
    message = kind()
    # Fields that hold messages end at some depth.
    fields: list[Any] = [
        field for field in descriptor.fields if depth or field.message_type is None
    ]
    if fields:
        for field in draw(st.lists(st.sampled_from(fields), max_size=6, unique=True)):
            _fill_field(draw, message, field, depth)
    return message


def _fill_field(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _fill_map(draw, message, field.name, field.message_type, depth)
    elif field.message_type is not None:
        one = messages(GetMessageClass(field.message_type), depth - 1)
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(one, max_size=3)))
        else:
            getattr(message, field.name).CopyFrom(draw(one))
            getattr(message, field.name).SetInParent()
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(scalars(field), max_size=4)))
    else:
        setattr(message, field.name, draw(scalars(field)))


def _fill_map(draw: st.DrawFn, message: Any, name: str, entry: Descriptor, depth: int) -> None:
    items = getattr(message, name)
    value = entry.fields_by_name["value"]
    for key in draw(st.lists(scalars(entry.fields_by_name["key"]), max_size=3)):
        if value.message_type is None:
            items[key] = draw(scalars(value))
        else:
            items[key].CopyFrom(draw(messages(GetMessageClass(value.message_type), depth - 1)))


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values of a scalar field."""
    if field.enum_type is not None:
        if field.enum_type.full_name == "google.protobuf.NullValue":
            return st.just(0)
        known = st.sampled_from([value.number for value in field.enum_type.values])
        return known if field.enum_type.is_closed else known | st.integers(-(2**31), 2**31 - 1)
    return BYTES if field.type == FieldDescriptor.TYPE_BYTES else SCALARS[field.cpp_type]


TEXT = st.text(max_size=8) | st.sampled_from(["", "\x00", "\U0001f600", "1", 'a"b\\', "é"])
BYTES = st.binary(max_size=8)
# The sign and the payload of a NaN have no JSON.
DOUBLES = st.floats(allow_nan=False) | st.sampled_from([math.nan, 0.1, 5e-324])
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: DOUBLES,
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32, allow_nan=False)
    | st.floats(0, 1, width=32)
    | st.sampled_from([math.nan, 3.4028234663852886e38, -3.4028234663852886e38, 1e-45]),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_STRING: TEXT,
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
}
MASK_PATHS = st.from_regex(r"[a-z][a-z0-9]{0,3}([_.][a-z][a-z0-9]{0,3}){0,2}", fullmatch=True)
NANOS = st.integers(0, 999_999_999) | st.sampled_from([0, 1, 5_000_000, 5_000, 999_999_999])


def _draw_timestamp(draw: st.DrawFn, message: Any, depth: int) -> None:
    message.seconds = draw(st.integers(DAY_ONE, LAST_SECOND))
    message.nanos = draw(NANOS)


def _draw_duration(draw: st.DrawFn, message: Any, depth: int) -> None:
    seconds = draw(st.integers(0, LONGEST_DURATION - 1) | st.just(0))
    nanos = draw(NANOS)
    sign = draw(st.sampled_from([1, -1]))
    message.seconds, message.nanos = sign * seconds, sign * nanos


def _draw_mask(draw: st.DrawFn, message: Any, depth: int) -> None:
    message.paths.extend(draw(st.lists(MASK_PATHS, max_size=3)))


def _draw_value(draw: st.DrawFn, message: Any, depth: int) -> None:
    kinds = ["null", "number", "string", "bool", *(["struct", "list"] if depth > 0 else [])]
    match draw(st.sampled_from(kinds)):
        case "null":
            message.null_value = 0
        case "number":
            message.number_value = draw(st.floats(allow_nan=False, allow_infinity=False))
        case "string":
            message.string_value = draw(TEXT)
        case "bool":
            message.bool_value = draw(st.booleans())
        case "struct":
            message.struct_value.SetInParent()
            _draw_struct(draw, message.struct_value, depth - 1)
        case "list":
            message.list_value.SetInParent()
            _draw_list(draw, message.list_value, depth - 1)


def _draw_struct(draw: st.DrawFn, message: Any, depth: int) -> None:
    for key in draw(st.lists(TEXT, max_size=2)):
        _draw_value(draw, message.fields[key], depth)


def _draw_list(draw: st.DrawFn, message: Any, depth: int) -> None:
    for _ in range(draw(st.integers(0, 3))):
        _draw_value(draw, message.values.add(), depth)


PACKED = (
    "kinds.v1.Leaf", "kinds.v1.Singular", "kinds.v1.Choice", "mlmesh.v1.Warning",
    "google.rpc.ErrorInfo", "google.rpc.BadRequest", "google.protobuf.Any",
    "google.protobuf.Duration", "google.protobuf.Empty", "google.protobuf.Int64Value",
    "google.protobuf.ListValue",
)  # fmt: skip


def _draw_any(draw: st.DrawFn, message: Any, depth: int) -> None:
    name = draw(st.sampled_from(["", *PACKED]))
    if name and depth > 0:
        inner = draw(messages(message_class(name), depth - 1))
        # An Any is compared by its bytes, so the order in which it holds a map matters.
        message.Pack(inner, deterministic=True)


WELL_KNOWN: dict[str, Callable[[st.DrawFn, Any, int], None]] = {
    "google.protobuf.Any": _draw_any,
    "google.protobuf.Duration": _draw_duration,
    "google.protobuf.FieldMask": _draw_mask,
    "google.protobuf.ListValue": _draw_list,
    "google.protobuf.Struct": _draw_struct,
    "google.protobuf.Timestamp": _draw_timestamp,
    "google.protobuf.Value": _draw_value,
}
