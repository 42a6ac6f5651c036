"""Whether the exported graph answers as the model does, and a picture as it would alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vision.training.graph import BATCH, Answers, Graph, Pictures
from vision.training.int8_storage import as_stored

TOLERANCES: Mapping[str, float] = {
    "probabilities": 1e-4,
    "boxes": 0.02,
    "scores": 1e-4,
    "mask": 1e-4,
    "mask_confidence": 1e-3,
}
"""How far outputs may be from torch's: probabilities, pixels of the input, and of masks the share
of pixels that are of another class, where two classes are almost equally probable."""
NEIGHBOURS = 1 / 10
"""Of these, what neighbours may change."""


class Refused(RuntimeError):
    """A model that must not be shipped; the message says why."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Largest differences, by output, in the units of TOLERANCES."""

    from_torch: Mapping[str, float]
    """Between onnxruntime and torch with the stored weights."""
    from_rounding: Mapping[str, float]
    """Between the stored weights and those that were learnt."""
    from_neighbours: Mapping[str, float]
    """Between a picture's answer in a batch and alone."""


def check(path: Path, model: nn.Module, names: tuple[str, ...], pictures: Pictures) -> Fidelity:
    """Compare on `pictures`; raises Refused beyond a tolerance."""
    graph = Graph(path)
    answers = graph(pictures)
    alone = [graph.run(pictures[row : row + 1]) for row in range(len(pictures))]
    singles = {name: np.concatenate([one[name] for one in alone]) for name in names}
    stored = answers_of(as_stored(model), names, pictures)
    found = Fidelity(
        from_torch=_differences(answers, stored),
        from_rounding=_differences(stored, answers_of(model, names, pictures)),
        from_neighbours=_differences(answers, singles),
    )
    for name, tolerance in TOLERANCES.items():
        if name not in names:
            continue
        if not found.from_torch[name] <= tolerance:
            raise Refused(f"{name}: onnxruntime and torch differ by {found.from_torch[name]:.1e}")
        if not found.from_neighbours[name] <= tolerance * NEIGHBOURS:
            raise Refused(
                f"{name}: pictures beside a picture change its answer by "
                f"{found.from_neighbours[name]:.1e}"
            )
    return found


def answers_of(model: nn.Module, names: tuple[str, ...], pictures: Pictures) -> Answers:
    """What torch answers, by output."""
    parts: list[tuple[NDArray[Any], ...]] = []
    with torch.no_grad():
        for start in range(0, len(pictures), BATCH):
            given = torch.from_numpy(pictures[start : start + BATCH])
            parts.append(tuple(one.numpy() for one in model.eval()(given)))
    return {
        name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(names)
    }


def _differences(some: Answers, others: Answers) -> dict[str, float]:
    return {
        name: float((some[name] != others[name]).mean())
        if some[name].dtype == np.uint8
        else float(np.abs(some[name] - others[name]).max())
        for name in others
    }
