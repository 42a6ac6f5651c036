"""What can be learned of a graph by running it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from mlmesh.inference.session import BadGraph, Session, SessionOptions
from mlmesh.registration.golden import golden_of, require_steady
from mlmesh.registration.neighbours import Neighbours, compare_neighbours
from mlmesh.registration.refusal import Refused
from mlmesh.registration.rows import Array, Arrays, Making, loud_rows, make_rows, numbers_of
from mlmesh.registration.rows_file import Rows, read_rows
from mlmesh.registry.manifest import Golden, Tensor


class Plan(BaseModel):
    """What to do with a graph."""

    model_config = ConfigDict(frozen=True)

    graph: Path
    making: Making = Making()
    golden: Path | None = None
    """Rows that somebody has, in place of made-up ones."""
    rows: int = 8
    tolerance: float | None = None


class Measured(BaseModel):
    """What was learned."""

    model_config = ConfigDict(frozen=True)

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    golden: Golden | None = None
    """None where not even one row is small enough for a manifest."""
    neighbours: Neighbours
    fixed_rows: int | None = None
    """Rows of every run, where the graph fixes them."""
    scores: str = ""
    """The first output that can hold class scores or numbers: floats of rank 1 or 2."""
    columns: int = 0
    """Scores of every row."""
    probabilities: bool = False
    """Whether the scores of every row are two or more, from 0 to 1, and sum to 1."""


def measure(plan: Plan) -> Measured:
    """Run a graph on golden rows, alone and in batches; raises BadGraph or Refused."""
    session = _opened(plan.graph)
    run = partial(_run, session)
    fixed = _fixed_rows(session.inputs)
    rows = _golden_rows(session, plan, fixed or plan.rows)
    answers = run(rows.inputs)
    require_steady(session.outputs, rows, answers, run(rows.inputs), plan.tolerance)
    scores = _scores(session.outputs, answers)
    found = numbers_of(answers[scores.name], scores) if scores else np.zeros(0)
    return Measured(
        inputs=session.inputs,
        outputs=session.outputs,
        golden=golden_of(session, run, rows, answers, plan.tolerance, fixed=fixed is not None),
        neighbours=_neighbours(session, rows.inputs, fixed),
        fixed_rows=fixed,
        scores=scores.name if scores else "",
        columns=found.shape[1] if found.ndim == 2 else int(scores is not None),
        probabilities=_sum_to_one(found),
    )


def _opened(graph: Path) -> Session:
    try:
        return Session(graph, SessionOptions())
    except BadGraph as error:
        if "only tensors" in str(error):
            raise Refused(
                f"outputs: {error}; export a classifier of scikit-learn with "
                "options={'zipmap': False}"
            ) from None
        raise


def _fixed_rows(inputs: tuple[Tensor, ...]) -> int | None:
    """Rows of every run, where the graph leaves none free."""
    if not inputs:
        raise Refused("inputs: the graph has none, so there is nothing to ask it")
    firsts = [tensor.shape[0] if tensor.shape else 1 for tensor in inputs]
    return next((size for size in firsts if size is not None), None)


def _golden_rows(session: Session, plan: Plan, rows: int) -> Rows:
    if plan.golden is None:
        return Rows(make_rows(session.inputs, plan.making, rows))
    found = read_rows(plan.golden, session.inputs, session.outputs)
    for tensor in session.inputs:
        shape = found.inputs[tensor.name].shape
        if len(shape) != len(tensor.shape) or any(
            size not in (None, got) for size, got in zip(tensor.shape, shape, strict=True)
        ):
            wanted = ", ".join("any" if size is None else str(size) for size in tensor.shape)
            raise Refused(f"golden: {tensor.name} has the shape {shape}, expected [{wanted}]")
    return found


def _run(session: Session, inputs: Mapping[str, Array]) -> dict[str, Array]:
    try:
        return session.run(inputs)
    except Exception as error:  # whatever a graph does wrong
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise Refused(
            f"trial: the graph fails on {shapes}: {first}; give it rows with --golden, or say what "
            "it takes with --size NAME=NUMBER and --range NAME=LOW:HIGH"
        ) from None


def _neighbours(session: Session, rows: Arrays, fixed: int | None) -> Neighbours:
    if fixed is not None:
        return Neighbours(independent=False, reason=f"the graph fixes the rows of a run: {fixed}")
    free = [one.shape and one.shape[0] is None for one in (*session.inputs, *session.outputs)]
    if not all(free):
        return Neighbours(independent=False, reason="an input or output has no free first axis")
    loud = loud_rows(session.inputs, rows)
    return compare_neighbours(partial(_run, session), rows, loud, session.outputs)


def _scores(outputs: tuple[Tensor, ...], answers: Mapping[str, Array]) -> Tensor | None:
    floats = [one for one in outputs if one.dtype in ("float16", "float32", "float64")]
    return next((one for one in floats if answers[one.name].ndim in (1, 2)), None)


def _sum_to_one(scores: Array) -> bool:
    if scores.ndim != 2 or scores.shape[1] < 2:
        return False
    within = bool((scores >= -1e-6).all() and (scores <= 1 + 1e-6).all())
    return within and bool((np.abs(scores.sum(axis=1) - 1) < 1e-3).all())
