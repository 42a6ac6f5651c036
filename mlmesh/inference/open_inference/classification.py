"""The best classes of each row as texts, "score:index" or "score:index:label"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def best_classes(
    scores: NDArray[Any], classes: int, labels: Sequence[str], *, rows: bool
) -> NDArray[Any]:
    """The `classes` best scores, best first; of equal ones the first, and NaN last.

    scores: numbers of any shape. With `rows` each entry of the first axis is ranked by itself, else
    all scores are ranked together. Gives texts [rows, k] or [k], k being at most the number of
    scores. Scores are written as Triton does, with C++'s std::to_string: six decimals.
    """
    table = scores.reshape(len(scores) if rows else 1, -1)
    count = min(classes, table.shape[1])
    integers = np.issubdtype(table.dtype, np.integer)
    texts = np.empty((len(table), count), object)
    for row, numbers in enumerate(table):
        for place, index in enumerate(_best(numbers, count)):
            score = str(numbers[index]) if integers else f"{numbers[index]:f}"
            label = f":{labels[index]}" if index < len(labels) else ""
            texts[row, place] = f"{score}:{index}{label}"
    return texts if rows else texts[0]


def _best(numbers: NDArray[Any], count: int) -> NDArray[Any]:
    if numbers.dtype.kind == "f":
        numbers = np.where(np.isnan(numbers), -np.inf, numbers)
    # Sorted backwards and read backwards, equal numbers stay in their order.
    order: NDArray[Any] = len(numbers) - 1 - np.argsort(numbers[::-1], kind="stable")[::-1]
    return order[:count]
