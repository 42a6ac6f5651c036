"""How often two graphs give the same answer for the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlmesh.inference.session import Session, SessionOptions
from mlmesh.registration.refusal import Refused
from mlmesh.registration.rows import Array, Arrays, joined, numbers_of, take
from mlmesh.registration.rows_file import Rows
from mlmesh.registry.manifest import Manifest

CHUNK_ROWS = 64
NEAR = 0.02
"""Numbers agree within this share of the output's largest value."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the rows say of the second graph."""

    rows: int
    share: float
    """Of the rows, how many have the same answer: the same class, or numbers within 2 %."""
    largest_difference: float
    """Of a number in the outputs that were compared."""
    accuracies: tuple[float, float] | None
    """Of the first and of the second graph; None without labels."""

    @property
    def kept(self) -> float:
        """What is held against the least agreement: of accuracies their ratio, if it is lower."""
        if self.accuracies is None or not self.accuracies[0]:
            return self.share
        return min(self.share, self.accuracies[1] / self.accuracies[0])


def compare_graphs(first: Path, second: Path, manifest: Manifest, rows: Rows) -> Agreement:
    """Run two graphs of one manifest on the same rows; raises Refused."""
    fixed = manifest.inputs[0].shape[0] if manifest.inputs[0].shape else 1
    count = len(rows) - len(rows) % (fixed or 1)
    if not count:
        raise Refused(f"evaluation: the graph takes {fixed} rows at once, there are {len(rows)}")
    inputs = take(rows.inputs, slice(0, count))
    one, other = (_answers(path, inputs, fixed or CHUNK_ROWS) for path in (first, second))
    same, largest = _same(manifest, one, other)
    return Agreement(
        rows=count,
        share=float(same.mean()),
        largest_difference=largest,
        accuracies=_accuracies(manifest, rows.labels[:count], one, other),
    )


def _answers(path: Path, inputs: Arrays, chunk: int) -> Arrays:
    session = Session(path, SessionOptions())
    rows = len(next(iter(inputs.values())))
    try:
        parts = [
            session.run(take(inputs, slice(start, start + chunk)))
            for start in range(0, rows, chunk)
        ]
    except Exception as error:  # whatever a graph does wrong
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise Refused(f"evaluation: the graph fails on these rows: {first}") from None
    return joined(parts)


def _same(
    manifest: Manifest, one: Mapping[str, Array], other: Mapping[str, Array]
) -> tuple[Array, float]:
    """Whether each row has the same answer, and the largest difference of a number."""
    tensor = manifest.score_output
    if manifest.labels:
        scores, others = (numbers_of(x[tensor.name], tensor) for x in (one, other))
        same = _classes(scores) == _classes(others)
        return same, float(np.abs(scores - others).max())
    rows = min(len(one[output.name]) for output in manifest.outputs)
    same = np.ones(rows, bool)
    largest = 0.0
    for output in manifest.outputs:
        if "float" not in output.dtype:
            same &= _by_row(one[output.name] == other[output.name], rows).all(axis=1)
            continue
        values, others = (numbers_of(x[output.name], output) for x in (one, other))
        off = np.abs(values - others)
        same &= _by_row(off <= NEAR * np.abs(values).max(), rows).all(axis=1)
        largest = max(largest, float(off.max()))
    return same, largest


def _by_row(values: Array, rows: int) -> Array:
    return values[:rows].reshape(rows, -1)


def _classes(scores: Array) -> Array:
    best: Array = np.argmax(scores.reshape(len(scores), -1), axis=1)
    return best


def _accuracies(
    manifest: Manifest,
    labels: tuple[str, ...],
    one: Mapping[str, Array],
    other: Mapping[str, Array],
) -> tuple[float, float] | None:
    if not labels or not manifest.labels:
        return None
    places = {name: index for index, name in enumerate(manifest.labels)}
    numbers = {str(index): index for index in range(len(places))}
    try:
        # Names go first: a class may be called "1" and be the first one.
        truth = np.array([places.get(label, numbers.get(label)) for label in labels], np.int64)
    except TypeError:
        unknown = next(one for one in labels if one not in places and one not in numbers)
        raise Refused(
            f"evaluation: {unknown!r} is no label of the model, which has "
            f"{', '.join(manifest.labels[:10])}"
        ) from None
    name = manifest.score_output.name
    first, second = (float((_classes(x[name]) == truth).mean()) for x in (one, other))
    return first, second
