"""Golden rows: inputs with the answers that show that a version answers as it should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlmesh.inference.session import Session
from mlmesh.registration.neighbours import Run
from mlmesh.registration.refusal import Refused
from mlmesh.registration.rows import Array, lists_of, numbers_of, take
from mlmesh.registration.rows_file import Rows
from mlmesh.registry.manifest import Golden, Tensor

MOST_GOLDEN_NUMBERS = 400_000
"""Numbers in the golden rows' inputs and outputs together, for the manifest holds them as text."""
TOLERANCE = {"float16": 1e-2, "bfloat16": 1e-1}
FLOAT_TOLERANCE = 1e-3
"""How far another runtime may be off, as a share of an output's largest value, at least of 1."""

Answers = Mapping[str, Array]


def require_steady(
    outputs: Sequence[Tensor],
    rows: Rows,
    answers: Answers,
    again: Answers,
    tolerance: float | None,
) -> None:
    """Refuse a graph that cannot be checked by what it answers, or answers other than it should."""
    for tensor in outputs:
        answer = answers[tensor.name]
        allowed = tolerance or _tolerance({tensor: answer})
        if tensor.dtype != "string" and not np.isfinite(numbers_of(answer, tensor)).all():
            raise Refused(
                f"golden: {tensor.name} is infinite or no number for some rows; give rows that "
                "the model is meant for with --golden, or say what it takes with --range"
            )
        if not _near(again[tensor.name], answer, tensor, allowed):
            raise Refused(f"golden: {tensor.name} is another every time; a model must not be "
                          "random (export it in evaluation mode)")  # fmt: skip
        said = rows.outputs.get(tensor.name)
        if said is not None and (
            said.shape != answer.shape or not _near(said, answer, tensor, allowed)
        ):
            raise Refused(
                f"golden: {tensor.name} is not what the graph answers; is it the right graph?"
            )


def _near(one: Array, other: Array, tensor: Tensor, tolerance: float) -> bool:
    if tensor.dtype == "string" or not one.size:
        return np.array_equal(one, other)
    off = np.abs(numbers_of(one, tensor) - numbers_of(other, tensor)).max()
    return bool(off <= tolerance)


def _tolerance(answers: Mapping[Tensor, Array]) -> float:
    largest = 0.0
    for tensor, answer in answers.items():
        if "float" in tensor.dtype and answer.size:
            share = TOLERANCE.get(tensor.dtype, FLOAT_TOLERANCE)
            scale = max(1.0, float(np.abs(numbers_of(answer, tensor)).max()))
            largest = max(largest, share * scale)
    return largest or FLOAT_TOLERANCE


def golden_of(
    session: Session,
    run: Run,
    rows: Rows,
    answers: Answers,
    tolerance: float | None,
    *,
    fixed: bool,
) -> Golden | None:
    """Rows for a manifest, as many as fit; None when not even one does.

    tolerance: None for one that suits the outputs. fixed: whether a run must have all the rows.
    """
    inputs, outputs = rows.inputs, {**answers, **rows.outputs}
    numbers = sum(array.size for array in (*inputs.values(), *outputs.values()))
    kept = max(1, len(rows) * MOST_GOLDEN_NUMBERS // max(numbers, 1))
    if numbers > MOST_GOLDEN_NUMBERS:
        if fixed or numbers > len(rows) * MOST_GOLDEN_NUMBERS:
            return None
        first = slice(0, kept)
        inputs = take(rows.inputs, first)
        outputs = {**run(inputs), **take(rows.outputs, first)}
    # A single number for all rows is no list of rows.
    listed = [one for one in session.outputs if outputs[one.name].ndim]
    if not listed or not all(array.ndim for array in inputs.values()):
        return None
    return Golden(
        inputs={one.name: lists_of(inputs[one.name], one) for one in session.inputs},
        outputs={one.name: lists_of(outputs[one.name], one) for one in listed},
        tolerance=tolerance or _tolerance({one: outputs[one.name] for one in listed}),
    )
