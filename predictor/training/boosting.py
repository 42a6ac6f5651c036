"""Gradient boosting: what our networks are compared with, and whom the better one learns from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from predictor.training.rows import Inputs, Probabilities, Rows


class Boosting:
    """The mean of several boosted forests that differ in their seed only."""

    def __init__(self, rows: Rows, seeds: range) -> None:
        table = table_of(rows.inputs)
        # A second thread saves a third of the time where it has a core of its own. Where another
        # process has that core, OpenMP's threads wait in busy loops, thirty times as long.
        with threadpool_limits(1, "openmp"):
            self._forests = [
                HistGradientBoostingClassifier(
                    max_iter=400,
                    learning_rate=0.03,
                    max_leaf_nodes=20,
                    max_features=0.6,
                    early_stopping=False,
                    categorical_features=is_categorical(rows.inputs),
                    random_state=seed,
                ).fit(table, rows.labels)
                for seed in seeds
            ]

    def probabilities(self, inputs: Inputs) -> Probabilities:
        table = table_of(inputs)
        with threadpool_limits(1, "openmp"):
            each = [forest.predict_proba(table) for forest in self._forests]
        mean: Probabilities = np.mean(each, axis=0)
        return mean


def table_of(inputs: Inputs) -> NDArray[np.float64]:
    return np.hstack([values.astype(np.float64) for values in inputs.values()])


def is_categorical(inputs: Inputs) -> list[bool]:
    """For every column of the table, whether it holds positions in a list of categories."""
    return [values.dtype.kind == "i" for values in inputs.values() for _ in range(values.shape[1])]
