"""Rows to try a graph with, made from what its inputs look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mlmesh.registration.refusal import Refused
from mlmesh.registry.manifest import Tensor

Array = NDArray[Any]
Arrays = dict[str, Array]
FREE_SIZE = 8
"""Size of a free axis beside the first one, where nobody says another."""
DIGITS = 4
"""Made-up numbers are short, for they are written into the manifest."""
LOUD = 50.0
"""How much larger than usual the numbers of a loud row are."""
_WORDS = ("alpha", "beta", "gamma", "delta", "épsilon", "zeta eta", "theta", "")
_LARGEST_INTEGER = 9


class Making(BaseModel):
    """What made-up rows should look like."""

    model_config = ConfigDict(frozen=True)

    axes: dict[str, tuple[str, ...]] = {}
    """Names of the axes of every input, as Source has them."""
    sizes: dict[str, int] = {}
    """Sizes of free axes, by their name in the graph or as `input[axis]`."""
    ranges: dict[str, tuple[float, float]] = {}
    """Least and largest value, by input or by feature."""
    features: tuple[str, ...] = ()
    """Names of the columns, for a model with one input of that many columns."""
    seed: int = 0


def make_rows(inputs: Sequence[Tensor], making: Making, rows: int) -> Arrays:
    """Values for every input, the same ones for the same seed.

    Floats are standard normal, integers 0 to 9, within the ranges where there are some; masks are
    ones and token types zeros.
    """
    random = np.random.default_rng(making.seed)
    return {tensor.name: _values(tensor, making, rows, random) for tensor in inputs}


def loud_rows(inputs: Sequence[Tensor], rows: Mapping[str, Array]) -> Arrays:
    """As many other rows, with floats far beyond those of `rows`.

    Everything else is taken from `rows`, for who knows which other numbers a graph can look up.
    """
    loud: Arrays = {}
    for tensor in inputs:
        moved = np.roll(rows[tensor.name], 1, axis=0)
        if "float" in tensor.dtype:
            moved = as_dtype(numbers_of(moved, tensor) * LOUD, tensor)
        loud[tensor.name] = moved
    return loud


def shape_of(tensor: Tensor, making: Making, rows: int) -> tuple[int, ...]:
    """Sizes of one input for this many rows, as far as the graph leaves them open."""
    names = making.axes.get(tensor.name, ())
    sizes = []
    for axis, size in enumerate(tensor.shape):
        name = names[axis] if axis < len(names) else ""
        said = making.sizes.get(f"{tensor.name}[{axis}]", making.sizes.get(name or "?"))
        if size is None:
            size = said or (rows if axis == 0 else _free_size(tensor, making))
        sizes.append(size)
    return tuple(sizes)


def _free_size(tensor: Tensor, making: Making) -> int:
    return len(making.features) if making.features and len(tensor.shape) == 2 else FREE_SIZE


def _values(tensor: Tensor, making: Making, rows: int, random: np.random.Generator) -> Array:
    shape = shape_of(tensor, making, rows)
    if tensor.dtype == "string":
        return random.choice(np.array(_WORDS, object), shape)
    if tensor.dtype == "bool":
        return random.random(shape) < 0.5
    if "int" in tensor.dtype:
        return _integers(tensor, making.ranges.get(tensor.name), shape, random)
    return as_dtype(np.round(_floats(tensor, making, shape, random), DIGITS), tensor)


def _integers(
    tensor: Tensor,
    bounds: tuple[float, float] | None,
    shape: tuple[int, ...],
    random: np.random.Generator,
) -> Array:
    name = tensor.name.lower()
    if bounds is None:
        if "mask" in name:
            bounds = (1, 1)
        elif "token_type" in name:
            bounds = (0, 0)
        else:
            bounds = (0, 255 if tensor.dtype == "uint8" else _LARGEST_INTEGER)
    return random.integers(int(bounds[0]), int(bounds[1]), shape, endpoint=True).astype(
        tensor.dtype
    )


def _floats(
    tensor: Tensor, making: Making, shape: tuple[int, ...], random: np.random.Generator
) -> Array:
    bounds = making.ranges.get(tensor.name)
    numbers = random.standard_normal(shape) if bounds is None else random.uniform(*bounds, shape)
    for column, feature in enumerate(making.features if len(shape) == 2 else ()):
        if feature in making.ranges and column < shape[1]:
            numbers[:, column] = random.uniform(*making.ranges[feature], shape[0])
    return numbers


def as_dtype(values: Array, tensor: Tensor) -> Array:
    """Values as the graph takes them; raises Refused where they cannot be."""
    try:
        if tensor.dtype == "string":
            return values.astype(str).astype(object)
        if tensor.dtype == "bfloat16":
            return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return values.astype(tensor.dtype)
    except (TypeError, ValueError) as error:
        raise Refused(f"{tensor.name}: expected {tensor.dtype}: {error}") from None


def numbers_of(array: Array, tensor: Tensor) -> Array:
    """Float64 of a numeric input or output, for comparing."""
    if tensor.dtype == "bfloat16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float64)


def lists_of(array: Array, tensor: Tensor) -> list[Any]:
    """Nested lists that JSON can hold and that give the same array again."""
    if tensor.dtype in ("float16", "bfloat16", "float32"):
        numbers = numbers_of(array, tensor) if tensor.dtype == "bfloat16" else array
        narrow = np.float16 if tensor.dtype == "float16" else np.float32
        flat = [float(str(narrow(value))) for value in numbers.ravel()]
        array = np.array(flat, np.float64).reshape(array.shape)
    nested: list[Any] = array.tolist()
    return nested


def take(arrays: Mapping[str, Array], chosen: Any) -> Arrays:
    return {name: array[chosen] for name, array in arrays.items()}


def joined(parts: Sequence[Mapping[str, Array]]) -> Arrays:
    """The rows of all parts, one after another."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
