"""From a torch model to `model.onnx` with int8 weights."""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from mlmesh.registry.manifest import MODEL_FILE
from nlp.training.encoder import POSITIONS
from nlp.training.graph import Batch, Encoded, batch_of, in_batches
from nlp.training.int8_storage import store_int8, write_shared
from nlp.training.smoothing import smooth
from nlp.training.static_scales import add_scales, multiplied, ranges_of

TABLE = "encoder.tokens.weight"


class Probabilities(nn.Module):
    """A model that gives probabilities instead of scores."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        scores: Tensor = self.model(*inputs)
        return scores.softmax(-1)


def export_onnx(model: nn.Module, output: str, sample: Sequence[Encoded], folder: Path) -> None:
    """Write `model.onnx` and the shared token table into `folder`; `model` is smoothed in place.

    output: the graph's output, which must not be named like an operator: torch would write an
    invalid graph without an error. sample: texts like those that will come; the scales fit them.
    """
    smooth(model, sample)
    graph = _exported(model, output, batch_of(sample[:3]))
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / MODEL_FILE
        path.write_bytes(graph.SerializeToString())
        names = multiplied(graph.graph)
        ranges = ranges_of(path, names, (batch for _, batch in in_batches(sample)))
    table = next(one.name for one in graph.graph.initializer if one.name.endswith(TABLE))
    shared = store_int8(graph, table)
    add_scales(graph.graph, ranges)
    write_shared(folder, shared)
    (folder / MODEL_FILE).write_bytes(graph.SerializeToString(deterministic=True))
    onnx.checker.check_model(folder / MODEL_FILE)


def _exported(model: nn.Module, output: str, example: Batch) -> onnx.ModelProto:
    rows = torch.export.Dim("rows")
    length = torch.export.Dim("length", max=POSITIONS)
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    # The exporter reports packages that nobody needs here and deprecations of its own.
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model.eval(),
                tuple(torch.tensor(values) for values in example.values()),
                dynamo=True,
                input_names=list(example),
                output_names=[output],
                dynamic_shapes=_free(model, len(example), rows, length),
                verbose=False,
            )
    finally:
        exporter.setLevel(level)
    if program is None:
        raise RuntimeError("torch wrote no graph")
    graph: onnx.ModelProto = program.model_proto
    clean(graph)
    return graph


def _free(model: nn.Module, inputs: int, rows: object, length: object) -> tuple[object, ...]:
    free = tuple({0: rows, 1: length} for _ in range(inputs))
    # Where `forward` takes any number of inputs, they are one argument.
    return (free,) if isinstance(model, Probabilities) else free


def clean(model: onnx.ModelProto) -> None:
    """Remove what the exporter tells about the machine and the source code it ran on."""
    graph = model.graph
    described = (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output)
    for part in described:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    graph.ClearField("value_info")
