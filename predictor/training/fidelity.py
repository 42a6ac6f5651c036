"""Whether the exported graph answers as the model does, and a row as it would alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from predictor.training.fitting import tensors_of
from predictor.training.onnx_export import OUTPUT, Probabilities
from predictor.training.rows import Inputs, take

TOLERANCE = 1e-5
BATCHES = (1, 2, 7, 64)
NEIGHBOURS = 32


class Refused(RuntimeError):
    """A model that must not be shipped; the message says why."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    largest_difference: float
    """Between onnxruntime and torch, over all batch sizes."""
    bit_equal: bool
    """A row in a batch gets exactly the answer that it gets alone."""


class Graph:
    """An exported graph on onnxruntime's CPU provider."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, inputs: Inputs) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = self._session.run([OUTPUT], inputs)[0]
        return answer


def answers_of(model: nn.Module, inputs: Inputs) -> NDArray[np.float32]:
    """The probabilities as torch computes them."""
    with torch.no_grad():
        answer: NDArray[Any] = Probabilities(model).eval()(*tensors_of(inputs)).numpy()
    return answer


def check(graph: Graph, model: nn.Module, inputs: Inputs) -> Fidelity:
    """Compare on the first rows of `inputs`, again from the start where a batch needs more.

    Raises Refused beyond the tolerance.
    """
    worst = max(_difference(graph, model, _first(inputs, size)) for size in BATCHES)
    if not worst <= TOLERANCE:
        raise Refused(f"onnxruntime and torch differ by {worst:.1e}")
    rows = _first(inputs, NEIGHBOURS)
    together = graph(rows)
    alone = np.concatenate([graph(take(rows, np.array([row]))) for row in range(NEIGHBOURS)])
    if not np.abs(together - alone).max() <= TOLERANCE:
        raise Refused("a row's answer depends on the rows beside it")
    return Fidelity(worst, bool(np.array_equal(together, alone)))


def _first(inputs: Inputs, size: int) -> Inputs:
    rows = len(next(iter(inputs.values())))
    return take(inputs, np.arange(size) % rows)


def _difference(graph: Graph, model: nn.Module, inputs: Inputs) -> float:
    return float(np.abs(graph(inputs) - answers_of(model, inputs)).max())
