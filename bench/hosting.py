"""Graphs as versions that answer calls, without a repository."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from mlmesh.inference.batch import Shaping
from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.loading import Opened
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.options import VersionOptions
from mlmesh.inference.session import Session
from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import MODEL_FILE, Manifest

WARM_UPS = 3
"""With CUDA graphs, the second run of a size records it and the third one replays it."""


def hosted(
    sessions: Sequence[Session],
    max_batch: int,
    buckets: tuple[int, ...] = (),
    warm_ups: Sequence[int] = (),
) -> LoadedVersion:
    """A version as a host would hold it, warm; one session for every instance.

    warm_ups: numbers of rows to run first; empty: those that a host would run.
    """
    first = sessions[0]
    manifest = Manifest(
        name="bench",
        version="v1",
        files={MODEL_FILE: ""},
        inputs=first.inputs,
        outputs=first.outputs,
    )
    for session in sessions:
        for rows in warm_ups or buckets or (1, max_batch):
            for _ in range(WARM_UPS):
                session.warm_up(rows)
    shaping = Shaping(first.inputs, True, buckets)
    opened = Opened(tuple(sessions), shaping, max_batch)
    options = VersionOptions(queue=QueueLimits(max_batch=max_batch), buckets=buckets)
    return LoadedVersion(manifest, Path(), opened, options, InferenceMetrics(CollectorRegistry()))
