"""From a version's private copy to sessions that are warm and give the answers that they should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlmesh.inference.batch import Shaping, require_rows
from mlmesh.inference.options import VersionOptions
from mlmesh.inference.session import Array, BadGraph, Session
from mlmesh.registry.manifest import MODEL_FILE, Golden, Manifest, Tensor
from mlmesh.registry.store import BadVersion

MOST_WARM_UPS = 32


@dataclass(frozen=True, slots=True)
class Opened:
    """A version that is ready to run."""

    sessions: tuple[Session, ...]
    """One for every instance."""
    shaping: Shaping
    max_batch: int
    """Most rows that one run takes; 1 for a graph that takes one item, whatever its rows."""


def open_version(folder: Path, manifest: Manifest, options: VersionOptions) -> Opened:
    """Open, warm up and try a version whose files lie in `folder`; raises BadVersion or BadGraph.

    The files must be checked already: see mlmesh.registry.private_copy.
    """
    sessions = tuple(
        Session(folder / MODEL_FILE, options.session, device) for device in options.devices
    )
    for kind in ("inputs", "outputs"):
        said, found = getattr(manifest, kind), getattr(sessions[0], kind)
        if said != found:
            raise BadVersion(f"{kind}: the manifest names {said}, the graph has {found}")
    batching = manifest.batching
    buckets = options.buckets or batching.buckets
    rows = [options.queue.max_batch, batching.max_rows, *buckets[-1:]]
    together = takes_batches(manifest)
    opened = Opened(
        sessions,
        Shaping(manifest.inputs, together, buckets, batching.lengths),
        max_batch=min(most for most in rows if most is not None) if together else 1,
    )
    try:
        for session in sessions:
            # With CUDA graphs the second run of a shape records it, and the third replays it.
            recorded = options.session.cuda_graphs and session.device.kind == "cuda"
            _warm_up(session, opened, times=3 if recorded else 1)
            if manifest.golden is not None:
                _check_golden(session, manifest, manifest.golden)
    except (BadVersion, BadGraph):
        raise
    except Exception as error:  # whatever a graph does wrong, its neighbours go on
        raise BadGraph(f"warm-up failed: {_first_line(error)}") from error
    return opened


def takes_batches(manifest: Manifest) -> bool:
    """Whether rows of several items may run together: a free first axis, in and out."""
    tensors = (*manifest.inputs, *manifest.outputs)
    free = all(tensor.shape and tensor.shape[0] is None for tensor in tensors)
    return bool(manifest.inputs) and free and manifest.batching.together


def _warm_up(session: Session, opened: Opened, times: int) -> None:
    """Run the sizes that will be used; refuse a graph that does not give a row for every row."""
    shaping = opened.shaping
    lengths = shaping.lengths.buckets if shaping.lengths else ()
    sizes = tuple(dict.fromkeys(shaping.buckets or (1, opened.max_batch)))
    runs = warm_ups(sizes, lengths or (1,), every=session.device.kind == "cuda")
    for rows, length in runs[:MOST_WARM_UPS] if shaping.batched else [(1, 1)]:
        for _ in range(times):
            outputs = session.warm_up(rows, length)
        if shaping.batched:
            require_rows(outputs, rows)


def warm_ups(sizes: Sequence[int], lengths: Sequence[int], *, every: bool) -> list[tuple[int, int]]:
    """The rows and lengths to run first; sizes and lengths ascend.

    every: CUDA prepares each pair anew. A CPU has to have seen each size and each length once, and
    the largest pair, for its memory.
    """
    if every:
        return [(rows, length) for length in lengths for rows in sizes]
    few, long = sizes[0], lengths[-1]
    return [*((few, length) for length in lengths), *((rows, long) for rows in sizes[1:])]


def _check_golden(session: Session, manifest: Manifest, golden: Golden) -> None:
    """Refuse a version that does not answer here as it did where it comes from."""
    inputs = {one.name: array_of(golden.inputs[one.name], one) for one in manifest.inputs}
    found = session.run(inputs)
    specs = {one.name: one for one in manifest.outputs}
    for name, said in golden.outputs.items():
        expected = array_of(said, specs[name])
        if found[name].shape != expected.shape:
            raise BadVersion(
                f"golden: {name} has the shape {found[name].shape} here, "
                f"the manifest has {expected.shape}"
            )
        worst = difference(found[name], expected, specs[name])
        # Written so that NaN fails it as well.
        if not worst <= golden.tolerance:
            raise BadVersion(
                f"golden: {name} is off by {worst:.3g} from what the manifest says, "
                f"the tolerance is {golden.tolerance:g}"
            )


def array_of(values: list[Any], tensor: Tensor) -> Array:
    """Golden values as the graph takes them; raises BadVersion."""
    try:
        if tensor.dtype == "string":
            # By way of numpy's own texts, which refuse lists of different lengths.
            return np.array(values, dtype=np.dtypes.StringDType(coerce=False)).astype(object)
        if tensor.dtype == "bfloat16":
            return (np.array(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return np.array(values, dtype=tensor.dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadVersion(f"golden: {tensor.name}: {_first_line(error)}") from None


def difference(one: Array, other: Array, tensor: Tensor) -> float:
    """The largest absolute difference of two outputs of one shape; texts differ by 1 or not."""
    if tensor.dtype == "string":
        return float(not np.array_equal(one, other))
    if tensor.dtype == "bfloat16":
        one, other = (half.astype(np.uint32) << 16 for half in (one, other))
        one, other = one.view(np.float32), other.view(np.float32)
    if not one.size:
        return 0.0
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max())


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
