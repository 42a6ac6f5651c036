"""A version's folder as a version that answers, without a host around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry

from mlmesh.inference.loading import Opened, open_version
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.options import VersionOptions
from mlmesh.inference.session import Array
from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import read_manifest


def opened_from(folder: Path, options: VersionOptions | None = None) -> Opened:
    return open_version(folder, read_manifest(folder), options or VersionOptions())


@asynccontextmanager
async def loaded(
    folder: Path, options: VersionOptions | None = None, opened: Opened | None = None
) -> AsyncIterator[LoadedVersion]:
    """opened: the version, if it is open already."""
    options = options or VersionOptions()
    version = LoadedVersion(
        read_manifest(folder),
        folder,
        opened or opened_from(folder, options),
        options,
        InferenceMetrics(CollectorRegistry()),
    )
    async with version:
        yield version


def same(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    """Whether outputs are equal bit by bit."""
    return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)


def _same(one: Array, other: Array) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype == object:
        return bool(np.array_equal(one, other))
    return one.tobytes() == other.tobytes()
