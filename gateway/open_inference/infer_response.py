"""The answer to infer: JSON, with the tensors that the client wants as binary behind it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import orjson

from gateway.open_inference.datatype import DATATYPES
from gateway.open_inference.infer_request import HEADER_LENGTH, OutputForms
from gateway.open_inference.parameter import parameters_of
from gateway.response import Headers, Response
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput

MAX_JSON_BYTES = 8 * 2**20
"""Of the tensors of one answer that are written as JSON; binary ones may be larger."""
_BINARY: Headers = (
    (b"content-type", b"application/octet-stream"),
    (b"x-content-type-options", b"nosniff"),
)
_LENGTH = HEADER_LENGTH.lower().encode()


class UnreadableAnswer(Exception):
    """A service answered what the protocol does not allow."""


def write_infer_response(answer: bytes, forms: OutputForms) -> Response:
    """Raises InvalidInput when JSON cannot hold an output, UnreadableAnswer."""
    message = pb.ModelInferResponse.FromString(answer)
    contents = message.raw_output_contents
    if len(contents) != len(message.outputs):
        raise UnreadableAnswer("its tensors are not raw")
    outputs, blobs = [], []
    in_json = 0
    for index, (tensor, raw) in enumerate(zip(message.outputs, contents, strict=True)):
        fields = _described(tensor)
        if forms.binary(tensor.name):
            fields["parameters"] = {**fields.get("parameters", {}), "binary_data_size": len(raw)}
            blobs.append(raw)
        else:
            in_json += len(raw)
            if in_json > MAX_JSON_BYTES:
                raise InvalidInput(f"outputs[{index}]", "too large for JSON, ask for binary_data")
            fields["data"] = _values(f"outputs[{index}]", tensor, raw)
        outputs.append(fields)
    return _response({**_head(message), "outputs": outputs}, blobs)


def _head(message: pb.ModelInferResponse) -> dict[str, Any]:
    head: dict[str, Any] = {
        "model_name": message.model_name,
        "model_version": message.model_version,
    }
    if message.id:
        head["id"] = message.id
    if message.parameters:
        head["parameters"] = parameters_of(message.parameters)
    return head


def _described(tensor: pb.ModelInferResponse.InferOutputTensor) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": tensor.shape[:],
    }
    if tensor.parameters:
        fields["parameters"] = parameters_of(tensor.parameters)
    return fields


def _values(path: str, tensor: pb.ModelInferResponse.InferOutputTensor, raw: bytes) -> list[Any]:
    """The elements as a flat list, in row-major order."""
    datatype = DATATYPES.get(tensor.datatype)
    if datatype is None:
        raise UnreadableAnswer(f"of datatype {tensor.datatype}")
    if datatype.size and len(raw) != datatype.size * prod(tensor.shape):
        raise UnreadableAnswer(f"{len(raw)} bytes of {tensor.datatype} {list(tensor.shape)}")
    try:
        return datatype.unpack(raw)
    except UnicodeDecodeError:
        raise InvalidInput(path, "holds bytes that are no text, ask for binary_data") from None
    except ValueError as error:
        raise UnreadableAnswer(str(error)) from error


def _response(fields: dict[str, Any], blobs: Sequence[bytes]) -> Response:
    written = orjson.dumps(fields)
    if not blobs:
        return Response(200, written)
    length = (_LENGTH, b"%d" % len(written))
    return Response(200, b"".join([written, *blobs]), (*_BINARY, length))
