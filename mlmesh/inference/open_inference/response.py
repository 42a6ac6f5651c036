"""Writes answers: raw to those who asked raw, typed to the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from mlmesh.inference.open_inference.classification import best_classes
from mlmesh.inference.open_inference.contents import write_contents
from mlmesh.inference.open_inference.datatypes import DATATYPES, Datatype
from mlmesh.inference.open_inference.model_tensors import ModelTensors
from mlmesh.inference.open_inference.raw import write_raw
from mlmesh.inference.open_inference.request import Wanted
from mlmesh.openinference.v2 import inference_pb2 as pb

Array = NDArray[Any]


def response_of(
    request: pb.ModelInferRequest,
    model: ModelTensors,
    wanted: Sequence[Wanted],
    outputs: Mapping[str, Array],
) -> pb.ModelInferResponse:
    """The answer with the outputs that are wanted, in that order."""
    response = pb.ModelInferResponse(
        model_name=model.model, model_version=model.version, id=request.id
    )
    raw = is_raw(request, wanted)
    for one in wanted:
        array, datatype = _tensor(one, outputs[one.tensor.name], model)
        written = response.outputs.add(
            name=one.tensor.name, datatype=datatype.name, shape=array.shape
        )
        if raw:
            response.raw_output_contents.append(write_raw(array, datatype))
        else:
            written.contents.CopyFrom(write_contents(array, datatype))
    return response


def is_raw(request: pb.ModelInferRequest, wanted: Sequence[Wanted]) -> bool:
    """Whether the answer is raw: as the request is, and always when an output has no typed form.

    All of an answer is, or nothing: raw contents are found by their place among the outputs.
    """
    return bool(request.raw_input_contents) or any(
        not one.classes and not DATATYPES[one.tensor.dtype].field for one in wanted
    )


def writing_cost(
    request: pb.ModelInferRequest, wanted: Sequence[Wanted], outputs: Mapping[str, Array]
) -> int:
    """About how many elements have to be written one by one."""
    raw = is_raw(request, wanted)
    return sum(
        outputs[one.tensor.name].size
        for one in wanted
        if not raw or one.classes or one.tensor.dtype == "string"
    )


def _tensor(one: Wanted, array: Array, model: ModelTensors) -> tuple[Array, Datatype]:
    if not one.classes:
        return array, DATATYPES[one.tensor.dtype]
    labels = model.labels.get(one.tensor.name, ())
    texts = best_classes(array, one.classes, labels, rows=model.has_rows)
    return texts, DATATYPES["string"]
