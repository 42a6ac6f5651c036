"""JSON schemas of running a model: what `infer_request` reads and `infer_response` writes."""

from __future__ import annotations

from gateway.open_inference.datatype import DATATYPES
from gateway.open_inference.infer_request import MAX_TENSORS
from gateway.open_inference.parameter import MAX_PARAMETERS
from gateway.open_inference.tensor import MAX_RANK
from gateway.scalar_schema import Schema

EXAMPLE = {
    "inputs": [
        {
            "name": "features",
            "datatype": "FP32",
            "shape": [1, 4],
            "data": [39.1, 18.7, 181, 3750],
        }
    ]
}

_NAME: Schema = {"type": "string", "minLength": 1, "description": "Name of the tensor."}
_SIZE: Schema = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_DATATYPE: Schema = {
    "type": "string",
    "enum": list(DATATYPES),
    "description": "What its elements are.",
}
_SHAPE: Schema = {
    "type": "array",
    "items": _SIZE,
    "maxItems": MAX_RANK,
    "description": "Its size along every axis.",
}
_BINARY: Schema = {
    "type": "integer",
    "minimum": 0,
    "description": "Bytes of the tensor, which follow the JSON, instead of data.",
}
_FLAG: Schema = {"type": "boolean"}


def infer_request_schema() -> Schema:
    data = "Its elements, nested like its shape or in one flat list."
    tensor: Schema = {
        "type": "object",
        "properties": {
            "name": _NAME,
            "shape": _SHAPE,
            "datatype": _DATATYPE,
            "parameters": _parameters({"binary_data_size": _BINARY}),
            "data": {"description": data},
        },
        "required": ["name", "shape", "datatype"],
        "description": "An input.",
    }
    wanted = {"description": "Whether it is answered as binary."} | _FLAG
    output: Schema = {
        "type": "object",
        "properties": {"name": _NAME, "parameters": _parameters({"binary_data": wanted})},
        "required": ["name"],
        "description": "An output.",
    }
    all_wanted = {"description": "Whether outputs are answered as binary."} | _FLAG
    return {
        "type": "object",
        "description": "What to run a model on.",
        "properties": {
            "id": {"type": "string", "description": "Comes back with the answer."},
            "parameters": _parameters({"binary_data_output": all_wanted}),
            "inputs": _tensors(tensor, "Every input of the model.") | {"minItems": 1},
            "outputs": _tensors(output, "The outputs to answer; all of them when absent."),
        },
        "required": ["inputs"],
    }


def infer_response_schema() -> Schema:
    data: Schema = {"type": "array", "description": "Its elements, in one flat list."}
    output: Schema = {
        "type": "object",
        "properties": {
            "name": _NAME,
            "datatype": _DATATYPE,
            "shape": _SHAPE,
            "parameters": _parameters({"binary_data_size": _BINARY}),
            "data": data,
        },
        "required": ["name", "datatype", "shape"],
        "description": "An output.",
    }
    return {
        "type": "object",
        "description": "What the model said.",
        "properties": {
            "model_name": {"type": "string", "description": "Name of the model."},
            "model_version": {"type": "string", "description": "The version that answered."},
            "id": {"type": "string", "description": "The request's id."},
            "parameters": _parameters({}),
            "outputs": {"type": "array", "items": output, "description": "The outputs."},
        },
        "required": ["model_name", "model_version", "outputs"],
    }


def load_schema(what: str) -> Schema:
    """The body of a load or unload, which may be empty."""
    return {"type": "object", "properties": {"parameters": _parameters({})}, "description": what}


def index_schema() -> Schema:
    ready = {"description": "Whether to list only what is ready."} | _FLAG
    return {"type": "object", "properties": {"ready": ready}, "description": "What to list."}


def _parameters(known: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": known,
        "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}, _FLAG]},
        "maxProperties": MAX_PARAMETERS,
        "description": "More, by name.",
    }


def _tensors(item: Schema, description: str) -> Schema:
    return {"type": "array", "items": item, "maxItems": MAX_TENSORS, "description": description}
