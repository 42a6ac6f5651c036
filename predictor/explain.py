"""Occlusion: what each feature does to a score, by scoring the row again without it.

After Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014, with the
feature's baseline in the place of the grey patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlmesh.runtime.call import Call
from predictor.model import TabularModel
from predictor.rows import Encoded


@dataclass(frozen=True, slots=True)
class Explanation:
    """score: of the predicted class for the row (for a regressor the number)."""

    label: str
    score: float
    baseline_score: float
    contributions: Sequence[float]
    """One a feature: score of the row minus score of the row with the feature at its baseline."""
    seconds: float


async def explain(model: TabularModel, row: Encoded, call: Call) -> Explanation:
    """Explain the answer for `row` in one batched run of the model."""
    baseline = model.rows.baseline()
    scores, seconds = await model.scores([row, baseline, *_occluded(row, baseline)], call)
    column = 0 if model.manifest.task == "regression" else int(np.argmax(scores[0]))
    of_class = scores[:, column].astype(np.float64)
    return Explanation(
        label=model.prediction(scores[0]).label,
        score=float(of_class[0]),
        baseline_score=float(of_class[1]),
        contributions=(of_class[0] - of_class[2:]).tolist(),
        seconds=seconds,
    )


def _occluded(row: Encoded, baseline: Encoded) -> list[Encoded]:
    """The row once for every feature, with that feature at its baseline."""
    return [[*row[:i], usual, *row[i + 1 :]] for i, usual in enumerate(baseline)]
