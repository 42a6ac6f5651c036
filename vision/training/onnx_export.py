"""From a torch model to a graph."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

INPUT = "image"


def exported(model: nn.Module, side: int, outputs: tuple[str, ...]) -> onnx.ModelProto:
    """model: takes uint8 [rows, side, side, 3]. outputs: names that no operator has: torch would
    write an invalid graph without an error."""
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    # The exporter reports packages that nobody needs here and deprecations of its own.
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model.eval(),
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_shapes=({0: torch.export.Dim("rows")},),
                verbose=False,
            )
    finally:
        exporter.setLevel(level)
    if program is None:
        raise RuntimeError("torch wrote no graph")
    graph: onnx.ModelProto = program.model_proto
    _clean(graph)
    return graph


def write_graph(graph: onnx.ModelProto, path: Path) -> None:
    path.write_bytes(graph.SerializeToString(deterministic=True))
    onnx.checker.check_model(path)


def _clean(model: onnx.ModelProto) -> None:
    """Remove what the exporter tells about the machine and the source code it ran on."""
    graph = model.graph
    described = (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output)
    for part in described:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    graph.ClearField("value_info")
