"""From a version's folder to a session that is warm."""

from __future__ import annotations

from mlmesh.inference.session import BadGraph, Session, SessionOptions
from mlmesh.registry.manifest import Manifest
from mlmesh.registry.store import BadVersion, StoredVersion, verified


def load(
    stored: StoredVersion, options: SessionOptions, max_batch: int
) -> tuple[Manifest, Session]:
    """Read, check, open and warm up a version; raises BadVersion or BadGraph."""
    version = verified(stored)
    session = Session(version.graph, options)
    for kind in ("inputs", "outputs"):
        said, found = getattr(version.manifest, kind), getattr(session, kind)
        if said != found:
            raise BadVersion(f"{kind}: the manifest names {said}, the graph has {found}")
    try:
        session.warm_up(1)
        session.warm_up(max_batch)
    except Exception as error:  # whatever a graph does wrong, its neighbours go on
        raise BadGraph(f"warm-up failed: {_first_line(error)}") from error
    return version.manifest, session


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
