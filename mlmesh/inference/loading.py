"""From a version's folder to a session that is warm and gives the answers that it should."""

from __future__ import annotations

import numpy as np

from mlmesh.inference.session import BadGraph, Session, SessionOptions
from mlmesh.registry.manifest import Golden, Manifest, Tensor
from mlmesh.registry.store import BadVersion, StoredVersion, verified


def load(
    stored: StoredVersion, options: SessionOptions, max_batch: int
) -> tuple[Manifest, Session]:
    """Read, check, open, warm up and try a version; raises BadVersion or BadGraph."""
    version = verified(stored)
    manifest = version.manifest
    session = Session(version.graph, options)
    for kind in ("inputs", "outputs"):
        said, found = getattr(manifest, kind), getattr(session, kind)
        if said != found:
            raise BadVersion(f"{kind}: the manifest names {said}, the graph has {found}")
    try:
        session.warm_up(1)
        session.warm_up(max_batch)
        if manifest.golden is not None:
            _check_golden(session, manifest.golden, manifest.inputs)
    except BadVersion:
        raise
    except Exception as error:  # whatever a graph does wrong, its neighbours go on
        raise BadGraph(f"warm-up failed: {_first_line(error)}") from error
    return manifest, session


def _check_golden(session: Session, golden: Golden, inputs: tuple[Tensor, ...]) -> None:
    """Refuse a version that does not answer here as it did where it was trained."""
    arrays = {one.name: np.array(golden.inputs[one.name], one.dtype) for one in inputs}
    found = session.run(arrays)
    for name, expected in golden.outputs.items():
        worst = float(np.abs(found[name] - np.array(expected)).max())
        # Written so that NaN fails it as well.
        if not worst <= golden.tolerance:
            raise BadVersion(
                f"golden: {name} is off by {worst:.3g} from what the manifest says, "
                f"the tolerance is {golden.tolerance:g}"
            )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
