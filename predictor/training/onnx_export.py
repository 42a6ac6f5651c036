"""From a torch model to one clean `model.onnx`."""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from predictor.training.fitting import tensors_of
from predictor.training.rows import Inputs

# An output that is named like an operator makes torch write an invalid graph without an error.
OUTPUT = "probabilities"


class Probabilities(nn.Module):
    """A model that gives probabilities instead of scores."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        scores: Tensor = self.model(*inputs)
        return scores.softmax(1)


def export_onnx(model: nn.Module, inputs: Inputs, path: Path) -> None:
    """Write the probabilities of `model` as a graph whose first axes are free.

    inputs: a few example rows; their names become those of the graph's inputs.
    """
    batch = torch.export.Dim("batch")
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    # The exporter reports packages that nobody needs here and deprecations of its own.
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                Probabilities(model).eval(),
                tensors_of(inputs),
                dynamo=True,
                input_names=list(inputs),
                output_names=[OUTPUT],
                dynamic_shapes=(tuple({0: batch} for _ in inputs),),
                verbose=False,
            )
    finally:
        exporter.setLevel(level)
    if program is None:
        raise RuntimeError("torch wrote no graph")
    graph = program.model_proto
    clean(graph)
    onnx.checker.check_model(graph, full_check=True)
    path.write_bytes(graph.SerializeToString(deterministic=True))


def clean(model: onnx.ModelProto) -> None:
    """Remove what the exporter tells about the machine and the source code it ran on."""
    graph = model.graph
    described = (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output)
    for part in described:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    graph.ClearField("value_info")
