"""Whether the rows of a batch leave each other alone.

A row runs alone, then among others, some of which are loud: far larger than usual. Where the second
answer differs from the first, callers would get different answers under load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from mlmesh.registration.rows import Array, Arrays, joined, numbers_of, take
from mlmesh.registry.manifest import Tensor

MOST_ROWS = 6
ROUNDING = {"float16": 4e-3, "bfloat16": 3e-2}
FLOAT_ROUNDING = 2e-5
"""What sums of another order may change, as a share of the output's largest value."""

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]


class Neighbours(BaseModel):
    """What was found."""

    model_config = ConfigDict(frozen=True)

    independent: bool
    bit_equal: bool = False
    reason: str = ""
    """Why rows may not run together; empty when they may."""


def compare_neighbours(
    run: Run, rows: Arrays, loud: Arrays, outputs: Sequence[Tensor]
) -> Neighbours:
    """Run some of `rows` alone, together, and each beside `loud` ones."""
    count = min(len(next(iter(rows.values()))), MOST_ROWS)
    alone = [run(take(rows, slice(row, row + 1))) for row in range(count)]
    chosen = take(rows, slice(0, count))
    beside: list[Arrays] = []
    for row in range(count):
        one = slice(row, row + 1)
        beside += [take(loud, one), take(rows, one)]
    places = [2 * row + 1 for row in range(count)]
    batches = [(list(range(count)), chosen), (places, joined(beside))]
    bit_equal = True
    for at, batch in batches:
        answers = run(batch)
        size = len(next(iter(batch.values())))
        for tensor in outputs:
            found = answers[tensor.name]
            if not found.ndim or len(found) != size:
                return Neighbours(
                    independent=False,
                    reason=f"{tensor.name} has no row for every row of the inputs",
                )
            expected = np.concatenate([one[tensor.name] for one in alone])
            same, reason = _compare(found[at], expected, tensor)
            bit_equal &= same
            if reason:
                return Neighbours(independent=False, reason=reason)
    return Neighbours(independent=True, bit_equal=bit_equal)


def _compare(found: Array, expected: Array, tensor: Tensor) -> tuple[bool, str]:
    """Whether all bits are equal, and what is wrong if more than rounding differs."""
    if found.shape != expected.shape:
        return False, f"{tensor.name} has another shape in a batch than alone"
    if np.array_equal(found, expected):
        return True, ""
    if "float" not in tensor.dtype:
        return False, f"a batch neighbour changes {tensor.name}"
    one, other = numbers_of(found, tensor), numbers_of(expected, tensor)
    if not (np.isfinite(one) == np.isfinite(other)).all():
        return False, f"a batch neighbour makes {tensor.name} infinite or no number"
    finite = np.isfinite(other)
    off = float(np.abs(one - other, where=finite, out=np.zeros_like(one)).max())
    allowed = ROUNDING.get(tensor.dtype, FLOAT_ROUNDING)
    largest = float(np.abs(other[finite]).max(initial=0))
    if off > allowed * largest:
        return False, f"a batch neighbour changes {tensor.name} by {off:.2g} of {largest:.2g}"
    return False, ""
