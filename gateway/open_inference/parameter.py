"""Parameters: the values that JSON gives them and the kinds that the protocol's messages have."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, MutableMapping
from typing import Any

from gateway.json_scalar import expected, key_place, write_double
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput

MAX_PARAMETERS = 100
"""Of one request, input or output."""
_INT64 = 2**63
_UINT64 = 2**64
_UNSIGNED = frozenset({"priority"})
_FILE = "file:"
"""Parameters of a load whose names begin so have base64 for a value."""


def parameters_at(path: str, value: Any) -> dict[str, Any]:
    """The parameters that a JSON object has; raises InvalidInput."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise InvalidInput(path, expected("an object", value).problem)
    if len(value) > MAX_PARAMETERS:
        raise InvalidInput(path, f"more than {MAX_PARAMETERS} parameters")
    return value


def fill_parameters(
    path: str, message: MutableMapping[str, pb.InferParameter], values: Mapping[str, Any]
) -> None:
    """Write parameters into a map of a message; raises InvalidInput."""
    for key, value in values.items():
        parameter = message[key]
        match value:
            case bool():
                parameter.bool_param = value
            case str():
                parameter.string_param = value
            case int() if key in _UNSIGNED or value >= _INT64:
                if not 0 <= value < _UINT64:
                    raise InvalidInput(path + key_place(key), "expected 0 to 2**64-1")
                parameter.uint64_param = value
            case int() if value >= -_INT64:
                parameter.int64_param = value
            case float():
                parameter.double_param = value
            case _:
                raise _unfit(path, key, value)


def fill_repository_parameters(
    path: str, message: MutableMapping[str, pb.ModelRepositoryParameter], values: Mapping[str, Any]
) -> None:
    """Write parameters of a load or unload into a map of a message; raises InvalidInput."""
    for key, value in values.items():
        parameter = message[key]
        match value:
            case bool():
                parameter.bool_param = value
            case str() if key.startswith(_FILE):
                parameter.bytes_param = _content(path, key, value)
            case str():
                parameter.string_param = value
            case int() if -_INT64 <= value < _INT64:
                parameter.int64_param = value
            case _:
                raise _unfit(path, key, value)


def parameters_of(message: Mapping[str, pb.InferParameter]) -> dict[str, Any]:
    """The JSON values of the parameters in a message."""
    values = {}
    for key, parameter in message.items():
        kind = parameter.WhichOneof("parameter_choice")
        if kind is not None:
            value = getattr(parameter, kind)
            values[key] = write_double(value) if kind == "double_param" else value
    return values


def _content(path: str, key: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise InvalidInput(path + key_place(key), "expected base64") from None


def _unfit(path: str, key: str, value: object) -> InvalidInput:
    kinds = "a string, a number of 64 bits, true or false"
    return InvalidInput(path + key_place(key), expected(kinds, value).problem)
