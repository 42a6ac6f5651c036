"""A body that is one tensor and nothing else: the model says which (header length 0)."""

from __future__ import annotations

from math import prod

from gateway.open_inference.datatype import Datatype
from gateway.open_inference.infer_request import HEADER_LENGTH
from gateway.open_inference.tensor import check_size, datatype_at
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput

_ANY = -1


def raw_infer_request(
    model: str, version: str, body: bytes, metadata: pb.ModelMetadataResponse
) -> bytes:
    """The serialised ModelInferRequest; raises InvalidInput when the body cannot be the input.

    The body's length tells the one size that the model leaves open. Of several, all but the last
    are 1. A string has no length before it, so there can be one only.
    """
    if len(metadata.inputs) != 1:
        raise InvalidInput(
            HEADER_LENGTH, f"0 needs a model with one input, this one has {len(metadata.inputs)}"
        )
    tensor = metadata.inputs[0]
    datatype = datatype_at(HEADER_LENGTH, tensor.datatype)
    shape = _filled(list(tensor.shape), len(body), datatype)
    if not datatype.size:
        if prod(shape) != 1:
            raise InvalidInput("body", f"one string cannot be an input of shape {shape}")
        body = len(body).to_bytes(4, "little") + body
    check_size("body", body, datatype, shape)
    message = pb.ModelInferRequest(
        model_name=model, model_version=version, raw_input_contents=[body]
    )
    message.inputs.add(name=tensor.name, datatype=datatype.name, shape=shape)
    return message.SerializeToString()


def _filled(shape: list[int], length: int, datatype: Datatype) -> list[int]:
    """The shape without open sizes."""
    if _ANY not in shape:
        return shape
    last = len(shape) - 1 - shape[::-1].index(_ANY)
    shape = [1 if size == _ANY else size for size in shape]
    row = datatype.size * prod(shape)
    if row:
        shape[last] = length // row
    return shape
