"""Reads a request's tensors, and refuses all that the model's graph must never see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from numpy.typing import NDArray

from mlmesh.inference.open_inference.contents import read_contents
from mlmesh.inference.open_inference.datatypes import DATATYPES
from mlmesh.inference.open_inference.model_tensors import ModelTensors
from mlmesh.inference.open_inference.parameters import classes_of, refuse_shared_memory
from mlmesh.inference.open_inference.raw import read_raw
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.registry.manifest import Tensor
from mlmesh.runtime.errors import InvalidInput

Array = NDArray[Any]

_NO_CLASSES = ("bool", "bfloat16", "string")


@dataclass(frozen=True, slots=True)
class Input:
    """An input that fits the model; its elements are not read yet."""

    tensor: Tensor
    index: int
    """Its place in the request."""
    shape: Sequence[int]

    @property
    def field(self) -> str:
        return f"inputs[{self.index}]"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that the caller wants."""

    tensor: Tensor
    classes: int = 0
    """How many of the best classes to answer; 0: the elements as they are."""


def inputs_of(request: pb.ModelInferRequest, model: ModelTensors) -> list[Input]:
    """The model's inputs in the request, by name, type and shape; raises InvalidInput."""
    found: dict[str, Input] = {}
    for index, sent in enumerate(request.inputs):
        tensor = _known(sent.name, model.inputs, found, f"inputs[{index}].name", model)
        if sent.parameters:
            refuse_shared_memory(sent.parameters, f"inputs[{index}]")
        found[tensor.name] = Input(tensor, index, _shape_of(sent, tensor, index))
    if len(found) < len(model.inputs):
        missing = [name for name in model.inputs if name not in found]
        raise InvalidInput("inputs", f"{_listed(missing)} is missing")
    inputs = list(found.values())
    if model.has_rows:
        _refuse_unequal(inputs, 0, "rows")
        if inputs[0].shape[0] > model.max_rows:
            raise InvalidInput(
                f"{inputs[0].field}.shape[0]",
                f"expected at most {model.max_rows} rows, got {inputs[0].shape[0]}",
            )
    if model.of_one_length:
        alike = [one for one in inputs if one.tensor.name in model.of_one_length]
        _refuse_unequal(alike, 1, "length")
    _refuse_mixed(request)
    return inputs


def arrays_of(request: pb.ModelInferRequest, inputs: Iterable[Input]) -> dict[str, Array]:
    """The elements of inputs that fit; raises InvalidInput when they are not what those say."""
    raw = request.raw_input_contents
    arrays: dict[str, Array] = {}
    for one in inputs:
        datatype = DATATYPES[one.tensor.dtype]
        if raw:
            field = f"raw_input_contents[{one.index}]"
            array = read_raw(raw[one.index], datatype, one.shape, field)
        else:
            contents = request.inputs[one.index].contents
            array = read_contents(contents, datatype, one.shape, f"{one.field}.contents")
        arrays[one.tensor.name] = array
    return arrays


def reading_cost(request: pb.ModelInferRequest, inputs: Iterable[Input]) -> int:
    """About how many elements have to be read one by one; the others are a view of their bytes."""
    raw = bool(request.raw_input_contents)
    return sum(prod(one.shape) for one in inputs if not raw or one.tensor.dtype == "string")


def wanted_of(request: pb.ModelInferRequest, model: ModelTensors) -> list[Wanted]:
    """The outputs that the request asks for, all of them when it names none."""
    if not request.outputs:
        return [Wanted(tensor) for tensor in model.outputs.values()]
    wanted: dict[str, Wanted] = {}
    for index, asked in enumerate(request.outputs):
        field = f"outputs[{index}]"
        tensor = _known(asked.name, model.outputs, wanted, f"{field}.name", model)
        classes = classes_of(asked.parameters, field)
        if classes and tensor.dtype in _NO_CLASSES:
            raise InvalidInput(
                f'{field}.parameters["classification"]',
                f"{tensor.name} is {DATATYPES[tensor.dtype].name}, which is not ranked",
            )
        wanted[tensor.name] = Wanted(tensor, classes)
    return list(wanted.values())


def _known(
    name: str,
    known: Mapping[str, Tensor],
    seen: Mapping[str, object],
    field: str,
    model: ModelTensors,
) -> Tensor:
    """The tensor of a name that was not seen yet; so no more than are known are looked at."""
    if name in seen:
        raise InvalidInput(field, f"{name!r} was sent before")
    if name not in known:
        raise InvalidInput(
            field,
            f"nothing named {name[:64]!r}, "
            f"{model.model} {model.version} has {_listed(list(known))}",
        )
    return known[name]


def _shape_of(
    sent: pb.ModelInferRequest.InferInputTensor, tensor: Tensor, index: int
) -> Sequence[int]:
    """The shape that was sent, if it and the datatype are the tensor's."""
    expected = DATATYPES[tensor.dtype].name
    if sent.datatype != expected:
        raise InvalidInput(
            f"inputs[{index}].datatype", f"expected {expected}, got {sent.datatype[:64]!r}"
        )
    shape = tuple(sent.shape) if len(sent.shape) == len(tensor.shape) else None
    if shape is None:
        sizes = [-1 if size is None else size for size in tensor.shape]
        raise InvalidInput(
            f"inputs[{index}].shape",
            f"expected {len(sizes)} axes {sizes} for {tensor.name}, got {len(sent.shape)}",
        )
    for axis, (size, fixed) in enumerate(zip(shape, tensor.shape, strict=True)):
        if size < 1 if fixed is None else size != fixed:
            wish = "1 or more" if fixed is None else fixed
            raise InvalidInput(
                f"inputs[{index}].shape[{axis}]", f"expected {wish} for {tensor.name}, got {size}"
            )
    return shape


def _refuse_unequal(inputs: Sequence[Input], axis: int, what: str) -> None:
    for one in inputs[1:]:
        if one.shape[axis] != inputs[0].shape[axis]:
            raise InvalidInput(
                f"{one.field}.shape[{axis}]",
                f"{one.tensor.name} has {one.shape[axis]}, but "
                f"{inputs[0].tensor.name} has {inputs[0].shape[axis]}: all need the same {what}",
            )


def _refuse_mixed(request: pb.ModelInferRequest) -> None:
    """All inputs are sent raw or none is."""
    raw = len(request.raw_input_contents)
    if not raw:
        return
    for index, sent in enumerate(request.inputs):
        if sent.HasField("contents") and sent.contents.ListFields():
            raise InvalidInput(
                f"inputs[{index}].contents",
                "leave it out, or raw_input_contents: a request is sent one way",
            )
    if raw != len(request.inputs):
        raise InvalidInput(
            "raw_input_contents",
            f"expected {len(request.inputs)}, one for each input in their order, got {raw}",
        )


def _listed(names: Sequence[str]) -> str:
    """Some of the names; a model may have hundreds."""
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
