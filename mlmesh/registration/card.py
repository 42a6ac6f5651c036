"""The manifest of a new version: what its maker says of it, completed by what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from mlmesh.registration.measuring import Measured
from mlmesh.registration.refusal import Refused
from mlmesh.registry.manifest import Evaluation, Feature, Manifest, Tensor

FLOATS = ("float16", "float32", "float64")
MOST_FEATURES = 4096


@dataclass(frozen=True, slots=True)
class Said:
    """What its maker says of a version."""

    task: str = ""
    labels: tuple[str, ...] = ()
    scores: str = ""
    """Which output holds class scores or numbers."""
    features: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    together: bool | None = None
    """Whether rows of several callers may run together; None: as measured."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the manifest, which go before everything else; of `batching` each by itself."""


def manifest_of(
    name: str, version: str, files: Mapping[str, str], said: Said, measured: Measured
) -> Manifest:
    """The card of a version; raises Refused when what is said does not fit the graph."""
    scores = _scores(said, measured)
    task, labels = _task(said, measured, scores)
    fields: dict[str, Any] = {
        "task": task,
        "labels": labels,
        "scores": scores,
        "features": _features(said, measured, scores),
        "evaluation": Evaluation(metrics=dict(said.metrics)),
        **said.more,
        "batching": _batching(said, measured),
        "name": name,
        "version": version,
        "files": dict(files),
        "inputs": measured.inputs,
        "outputs": measured.outputs,
        "golden": measured.golden,
    }
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = first["msg"].removeprefix("Value error, ")
        raise Refused(": ".join(filter(None, [where, problem]))) from None


def _scores(said: Said, measured: Measured) -> str:
    if not said.scores:
        return measured.scores
    names = [tensor.name for tensor in measured.outputs]
    if said.scores not in names:
        raise Refused(f"scores: the graph has no output {said.scores}, it has {', '.join(names)}")
    return said.scores


def _task(said: Said, measured: Measured, scores: str) -> tuple[str, tuple[str, ...]]:
    if said.task or said.labels:
        task = said.task or "classification"
        if task == "classification" and not said.labels:
            return task, _numbered(measured.columns)
        return task, said.labels
    if scores != measured.scores or not scores:
        return "", ()
    if measured.probabilities:
        return "classification", _numbered(measured.columns)
    return "regression", ()


def _numbered(classes: int) -> tuple[str, ...]:
    return tuple(str(index) for index in range(classes))


def _features(said: Said, measured: Measured, scores: str) -> tuple[Feature, ...]:
    """Columns of a table, so that the model answers Predict; none for other graphs."""
    tensor = measured.inputs[0]
    if not _is_table(measured.inputs):
        if said.features:
            raise Refused(
                "features: only a graph with one input of floats [rows, columns] has some, this "
                f"one has {', '.join(f'{one.name} {list(one.shape)}' for one in measured.inputs)}"
            )
        return ()
    width = tensor.shape[1] or len(said.features)
    if not scores or not 0 < width <= MOST_FEATURES:
        return ()
    if said.features and len(said.features) != width:
        raise Refused(
            f"features: {len(said.features)} names, but {tensor.name} has {width} columns"
        )
    names = said.features or tuple(f"feature_{column}" for column in range(width))
    return tuple(
        _feature(name, tensor, column, said.ranges.get(name, said.ranges.get(tensor.name)))
        for column, name in enumerate(names)
    )


def _is_table(inputs: tuple[Tensor, ...]) -> bool:
    if len(inputs) != 1 or inputs[0].dtype not in FLOATS or len(inputs[0].shape) != 2:
        return False
    return inputs[0].shape[0] is None


def _feature(name: str, tensor: Tensor, column: int, bounds: tuple[float, float] | None) -> Feature:
    low, high = bounds or (None, None)
    middle = (low + high) / 2 if low is not None and high is not None else 0.0
    return Feature(
        name=name,
        kind="numeric",
        input=tensor.name,
        column=column,
        minimum=low,
        maximum=high,
        baseline=middle,
    )


def _batching(said: Said, measured: Measured) -> Any:
    """Fields of a Batching; what nobody says is as measured."""
    more = said.more.get("batching", {})
    if not isinstance(more, Mapping):
        return more
    together = more.get("together") if said.together is None else said.together
    if together is None:
        together = measured.neighbours.independent
    elif together and not measured.neighbours.independent:
        raise Refused(f"together: not for this graph: {measured.neighbours.reason}")
    return {"max_rows": measured.fixed_rows, **more, "together": together}
