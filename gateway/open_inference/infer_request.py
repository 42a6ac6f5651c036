"""What a client posts to infer, JSON with or without binary tensors behind it, as a message.

The message has every input in raw_input_contents, whichever way it came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.json_scalar import expected
from gateway.open_inference.json_text import object_of
from gateway.open_inference.parameter import fill_parameters, parameters_at
from gateway.open_inference.tensor import check_size, datatype_at, packed_at, shape_at
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput, Unsupported

HEADER_LENGTH = "Inference-Header-Content-Length"
MAX_TENSORS = 1000
"""Inputs, or outputs, of one request."""
_MAX_LENGTH_DIGITS = 18


@dataclass(frozen=True, slots=True)
class OutputForms:
    """Which outputs the client wants as binary; the others are JSON."""

    by_default: bool = False
    by_name: Mapping[str, bool] = field(default_factory=dict)

    def binary(self, name: str) -> bool:
        return self.by_name.get(name, self.by_default)


def header_length_of(header: str) -> int | None:
    """How many bytes of the body are JSON; None: all of them. Raises InvalidInput."""
    if not header:
        return None
    if not (header.isascii() and header.isdigit()) or len(header) > _MAX_LENGTH_DIGITS:
        raise InvalidInput(HEADER_LENGTH, "expected a number of bytes")
    return int(header)


def read_infer_request(
    model: str, version: str, body: bytes, header_length: int | None
) -> tuple[bytes, OutputForms]:
    """The serialised ModelInferRequest, and what the answer is to look like.

    Raises InvalidInput naming the field, or Unsupported for shared memory.
    """
    length = len(body) if header_length is None else header_length
    if length > len(body):
        raise InvalidInput(HEADER_LENGTH, f"is {length}, but the body has {len(body)} bytes")
    fields = object_of(body[:length] if length < len(body) else body)
    message = pb.ModelInferRequest(
        model_name=model, model_version=version, id=_text(fields, "id", "id")
    )
    parameters = parameters_at("parameters", fields.get("parameters"))
    by_default = _flag("parameters", parameters, "binary_data_output")
    fill_parameters("parameters", message.parameters, _without(parameters, "binary_data_output"))
    blobs = _Blobs(body, length)
    for path, tensor in _tensors(fields, "inputs"):
        _add_input(message, path, tensor, blobs)
    blobs.finish()
    if not message.inputs:
        raise InvalidInput("inputs", "send at least one")
    forms = {}
    for path, tensor in _tensors(fields, "outputs"):
        name, binary = _add_output(message, path, tensor)
        forms[name] = by_default if binary is None else binary
    return message.SerializeToString(), OutputForms(by_default, forms)


class _Blobs:
    """The binary tensors behind the JSON, in the order of the inputs."""

    def __init__(self, body: bytes, start: int) -> None:
        self._body = body
        self._position = start

    def take(self, path: str, size: Any) -> bytes:
        left = len(self._body) - self._position
        if type(size) is not int or size < 0:
            raise InvalidInput(path, "expected a number of bytes")
        if size > left:
            raise InvalidInput(path, f"is {size}, but {left} bytes of the body are left for it")
        self._position += size
        return self._body[self._position - size : self._position]

    def finish(self) -> None:
        if left := len(self._body) - self._position:
            raise InvalidInput("body", f"has {left} bytes more than the inputs name")


def _add_input(
    message: pb.ModelInferRequest, path: str, tensor: dict[str, Any], blobs: _Blobs
) -> None:
    datatype = datatype_at(f"{path}.datatype", tensor.get("datatype"))
    shape = shape_at(f"{path}.shape", tensor.get("shape"))
    parameters = _tensor_parameters(path, tensor)
    size = parameters.get("binary_data_size")
    data = tensor.get("data")
    if (size is None) == (data is None):
        raise InvalidInput(f"{path}.data", "send either it or parameters.binary_data_size")
    if size is None:
        raw = packed_at(f"{path}.data", data, datatype, shape)
    else:
        raw = blobs.take(f"{path}.parameters.binary_data_size", size)
        check_size(f"{path}.shape", raw, datatype, shape)
    added = message.inputs.add(name=tensor["name"], datatype=datatype.name, shape=shape)
    fill_parameters(
        f"{path}.parameters", added.parameters, _without(parameters, "binary_data_size")
    )
    message.raw_input_contents.append(raw)


def _add_output(
    message: pb.ModelInferRequest, path: str, tensor: dict[str, Any]
) -> tuple[str, bool | None]:
    """Its name, and whether it is to be binary if that is said."""
    parameters = _tensor_parameters(path, tensor)
    binary = None
    if "binary_data" in parameters:
        binary = _flag(f"{path}.parameters", parameters, "binary_data")
    added = message.outputs.add(name=tensor["name"])
    fill_parameters(f"{path}.parameters", added.parameters, _without(parameters, "binary_data"))
    return tensor["name"], binary


def _tensors(fields: Mapping[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list, each with a name of its own and the path of where it stands."""
    listed = fields.get(key)
    if listed is None:
        return
    if type(listed) is not list:
        raise InvalidInput(key, expected("a list", listed).problem)
    if len(listed) > MAX_TENSORS:
        raise InvalidInput(key, f"more than {MAX_TENSORS}")
    names = set()
    for index, tensor in enumerate(listed):
        path = f"{key}[{index}]"
        if type(tensor) is not dict:
            raise InvalidInput(path, expected("an object", tensor).problem)
        name = _text(tensor, "name", f"{path}.name")
        if not name:
            raise InvalidInput(f"{path}.name", "send the name of the tensor")
        if name in names:
            raise InvalidInput(f"{path}.name", "given twice")
        names.add(name)
        yield path, tensor


def _tensor_parameters(path: str, tensor: Mapping[str, Any]) -> dict[str, Any]:
    parameters = parameters_at(f"{path}.parameters", tensor.get("parameters"))
    if "shared_memory_region" in parameters:
        raise Unsupported(f"{path}.parameters: shared memory is not served, send the data itself")
    return parameters


def _text(fields: Mapping[str, Any], key: str, path: str) -> str:
    text = fields.get(key)
    if text is None:
        return ""
    if type(text) is not str:
        raise InvalidInput(path, expected("a string", text).problem)
    return text


def _flag(path: str, parameters: Mapping[str, Any], key: str) -> bool:
    flag = parameters.get(key, False)
    if type(flag) is not bool:
        raise InvalidInput(f"{path}.{key}", expected("true or false", flag).problem)
    return flag


def _without(parameters: dict[str, Any], key: str) -> dict[str, Any]:
    """The parameters that are the service's business; `key` is ours."""
    if key not in parameters:
        return parameters
    return {name: value for name, value in parameters.items() if name != key}
