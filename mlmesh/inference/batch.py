"""Several items as one run of a graph: joined, filled up where the graph wants it, and parted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlmesh.inference.session import Array, Arrays, BadGraph
from mlmesh.registry.manifest import Lengths, Tensor
from mlmesh.runtime.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Joined:
    """Items as one run's inputs."""

    inputs: Mapping[str, Array]
    rows: Sequence[int]
    """How many rows each item has."""
    lengths: Sequence[int]
    """How long each item's second axis was; empty where none was padded."""


@dataclass(frozen=True, slots=True)
class Shaping:
    """How items of one graph become a batch."""

    inputs: tuple[Tensor, ...]
    batched: bool
    """Whether rows of several items may run together."""
    buckets: tuple[int, ...] = ()
    """Numbers of rows that a batch is filled up to."""
    lengths: Lengths | None = None
    varying: tuple[Tensor, ...] = field(init=False)
    """Inputs that have a free axis beside the first."""

    def __post_init__(self) -> None:
        varying = tuple(tensor for tensor in self.inputs if None in tensor.shape[1:])
        object.__setattr__(self, "varying", varying)

    def rows_of(self, item: Arrays) -> int:
        """Rows of an item; what cannot be batched counts as one. Raises InvalidInput."""
        return _size(item, item, 0, "rows") if self.batched else 1

    def key_of(self, item: Arrays) -> Hashable:
        """Items with equal keys may run together; None where every item may.

        Nothing that cannot be batched is ever given a neighbour: `join` takes one such item.
        """
        if not self.varying:
            return None
        return tuple(self._shape_of(tensor.name, item) for tensor in self.varying)

    def join(self, items: Sequence[Arrays]) -> Joined:
        """The items one after another along the first axis, padded to one shape."""
        rows = [self.rows_of(item) for item in items]
        lengths: list[int] = []
        if self.lengths is not None:
            items, lengths = self._padded(items, self.lengths)
        if len(items) == 1:
            inputs = dict(items[0])
        else:
            inputs = {name: np.concatenate([item[name] for item in items]) for name in items[0]}
        return Joined(self._filled(inputs, sum(rows)), rows, lengths)

    def part(self, joined: Joined, outputs: Arrays) -> list[dict[str, Array]]:
        """Every item's own rows of the outputs, without what was added to join them.

        Raises BadGraph when these are not as many as those of the inputs.
        """
        if not self.batched:
            return [self._cut(dict(outputs), joined, 0)]
        require_rows(outputs, len(next(iter(joined.inputs.values()))))
        parts = []
        start = 0
        for index, rows in enumerate(joined.rows):
            end = start + rows
            part = {name: output[start:end] for name, output in outputs.items()}
            parts.append(part if self.lengths is None else self._cut(part, joined, index))
            start = end
        return parts

    def _shape_of(self, name: str, item: Arrays) -> tuple[int, ...]:
        shape = item[name].shape[1:]
        if self.lengths is None or name not in self.lengths.inputs:
            return shape
        return (self._bucket_of(shape[0], self.lengths), *shape[1:])

    def _bucket_of(self, length: int, lengths: Lengths) -> int:
        """The length that this one is padded to; 0 stands for that of the longest in its batch."""
        at = bisect_left(lengths.buckets, length)
        return lengths.buckets[at] if at < len(lengths.buckets) else 0

    def _padded(self, items: Sequence[Arrays], lengths: Lengths) -> tuple[list[Arrays], list[int]]:
        own = [_size(item, lengths.inputs, 1, "length") for item in items]
        longest = max(own)
        target = self._bucket_of(longest, lengths) or longest
        fills = {
            tensor.name: _fill(tensor, lengths.inputs[tensor.name])
            for tensor in self.inputs
            if tensor.name in lengths.inputs
        }
        padded = [
            {
                name: _lengthened(array, target, fills[name]) if name in fills else array
                for name, array in item.items()
            }
            for item in items
        ]
        return list(padded), own

    def _filled(self, inputs: dict[str, Array], rows: int) -> dict[str, Array]:
        """The batch filled up to an allowed size with copies of its last row."""
        if not self.batched or not self.buckets:
            return inputs
        at = bisect_left(self.buckets, rows)
        if at == len(self.buckets) or self.buckets[at] == rows:
            return inputs
        missing = self.buckets[at] - rows
        return {
            name: np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
            for name, array in inputs.items()
        }

    def _cut(self, part: dict[str, Array], joined: Joined, index: int) -> dict[str, Array]:
        if self.lengths is None:
            return part
        length = joined.lengths[index]
        for name in self.lengths.outputs:
            part[name] = part[name][:, :length]
        return part


def require_rows(outputs: Arrays, rows: int) -> None:
    """Raise BadGraph unless every output has a row for every row of the inputs."""
    for name, output in outputs.items():
        if len(output) != rows:
            raise BadGraph(
                f"outputs: {name} has {len(output)} rows where the inputs have {rows}; "
                "say `together: false` in the manifest's batching"
            )


def _size(item: Arrays, names: Iterable[str], axis: int, what: str) -> int:
    """Size of an axis that is the same for all of these inputs; else the neighbours in a batch
    would get each other's rows."""
    sizes = [item[name].shape[axis] for name in names]
    if sizes.count(sizes[0]) < len(sizes):
        said = ", ".join(f"{name} {size}" for name, size in zip(names, sizes, strict=True))
        raise InvalidInput("inputs", f"all need the same {what}, got {said}")
    size: int = sizes[0]
    return size


def _fill(tensor: Tensor, value: float) -> object:
    """The element that stands for a padding value."""
    if tensor.dtype == "string":
        return ""
    if tensor.dtype == "bfloat16":
        return np.float32(value).view(np.uint32) >> 16
    return value


def _lengthened(array: Array, length: int, value: object) -> Array:
    missing = length - array.shape[1]
    if not missing:
        return array
    longer = np.full((len(array), length, *array.shape[2:]), value, dtype=array.dtype)
    longer[:, : array.shape[1]] = array
    return longer
