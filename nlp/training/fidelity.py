"""Whether the exported graph answers as the model does, and a text as it would alone."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nlp.training.graph import FORMS, Encoded, Graph, batch_of
from nlp.training.int8_storage import IN_ENCODER, restored

FLOAT_TOLERANCE = 1e-4
NEIGHBOUR_TOLERANCE = 1e-5


class Refused(RuntimeError):
    """A model that must not be shipped; the message says why."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    float_difference: float
    """Largest between onnxruntime with floats and torch with the stored weights."""
    int8_difference: float
    """Largest between onnxruntime with whole numbers and torch with the original weights."""
    neighbour_difference: float
    """Largest between a text's answer in a batch and alone, without padding, in either form."""


def check(path: Path, model: nn.Module, texts: Sequence[Encoded], largest: float) -> Fidelity:
    """Compare on `texts`, of different lengths; raises Refused beyond a tolerance.

    largest: what the whole numbers may differ by.
    """
    wanted = answers_of(model, texts)
    stored = answers_of(as_stored(model), texts)
    floats, whole = Graph(path, "float"), Graph(path, "int8")
    found = Fidelity(
        float_difference=_largest(floats(texts), stored),
        int8_difference=_largest(whole(texts), wanted),
        neighbour_difference=max(_between_neighbours(Graph(path, form), texts) for form in FORMS),
    )
    if not found.float_difference <= FLOAT_TOLERANCE:
        raise Refused(f"onnxruntime and torch differ by {found.float_difference:.1e}")
    if not found.int8_difference <= largest:
        raise Refused(f"whole numbers change answers by {found.int8_difference:.1e}")
    if not found.neighbour_difference <= NEIGHBOUR_TOLERANCE:
        raise Refused(f"texts beside a text change its answer by {found.neighbour_difference:.1e}")
    return found


def answers_of(model: nn.Module, texts: Sequence[Encoded]) -> list[NDArray[np.float32]]:
    """What torch answers to each text alone."""
    answers = []
    with torch.no_grad():
        for text in texts:
            batch = batch_of([text])
            inputs = (torch.tensor(values) for values in batch.values())
            answers.append(model.eval()(*inputs)[0].numpy())
    return answers


def as_stored(model: nn.Module) -> nn.Module:
    """A copy of the model with the weights that int8 makes of its own."""
    copy = deepcopy(model)
    with torch.no_grad():
        for name, weights in copy.named_parameters():
            # The rows of a linear layer are the columns of its matrix in the graph.
            if weights.ndim == 2 and IN_ENCODER in name:
                weights.copy_(torch.tensor(restored(weights.numpy(), axis=0)))
    return copy


def _between_neighbours(graph: Graph, texts: Sequence[Encoded]) -> float:
    together = graph.run(batch_of(texts))
    return max(
        _difference(_real(answer, text), graph.run(batch_of([text]))[0])
        for answer, text in zip(together, texts, strict=True)
    )


def _real(answer: NDArray[np.float32], text: Encoded) -> NDArray[np.float32]:
    return answer if answer.ndim == 1 else answer[: len(text)]


def _largest(some: Sequence[NDArray[np.float32]], others: Sequence[NDArray[np.float32]]) -> float:
    return max(_difference(one, other) for one, other in zip(some, others, strict=True))


def _difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).max())
