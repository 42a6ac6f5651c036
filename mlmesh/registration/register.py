"""Registers an ONNX file: checked, measured, described, signed, tried and put in place."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlmesh.inference.options import TrialLimits, VersionOptions
from mlmesh.inference.trial import Candidate, try_versions
from mlmesh.registration.apart import measured_apart
from mlmesh.registration.card import Said, manifest_of
from mlmesh.registration.measuring import Measured, Plan
from mlmesh.registration.publication import (
    check_name,
    next_version,
    publish,
    share_large_files,
    staged,
    write_signed,
)
from mlmesh.registration.refusal import Refused
from mlmesh.registration.rows import Making
from mlmesh.registration.source import copy_source
from mlmesh.registry.keys import PrivateKey
from mlmesh.registry.manifest import MODEL_FILE, Manifest, sha256_of
from mlmesh.registry.private_copy import copy_verified
from mlmesh.registry.signature import Trust
from mlmesh.registry.store import BadVersion, StoredVersion

Report = Callable[[str], None]
"""Told what is done next."""


def silent(_: str) -> None:
    """A Report that nobody reads."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to register, and where."""

    graph: Path
    model: str
    repository: Path
    key: PrivateKey
    version: str = ""
    """Empty: the next one."""
    others: tuple[Path, ...] = ()
    """Repositories that may have versions of the model, too, whose names are then taken."""
    said: Said = field(default_factory=Said)
    sizes: dict[str, int] = field(default_factory=dict)
    golden: Path | None = None
    rows: int = 8
    seed: int = 0
    tolerance: float | None = None
    share_bytes: int | None = None
    """Files of this size or larger are shared between versions; None: none are."""
    limits: TrialLimits = field(default_factory=TrialLimits)


@dataclass(frozen=True, slots=True)
class Registered:
    """A version that is in its place."""

    stored: StoredVersion
    manifest: Manifest
    measured: Measured


async def register(order: Order, report: Report = silent) -> Registered:
    """Make a version of a repository of an ONNX file; raises Refused and leaves nothing behind."""
    check_name("model", order.model)
    version = order.version or next_version(order.model, [order.repository, *order.others])
    check_name("version", version)
    _refuse_taken(order, version)
    with staged(order.repository, order.model, version) as stored:
        report("checking the graph")
        source = await asyncio.to_thread(copy_source, order.graph, stored.folder)
        report("running it, alone and in batches")
        measured = await measured_apart(_plan(order, stored, source.axes), order.limits)
        report("describing and signing it")
        files, blobs = await asyncio.to_thread(_digests, stored, order.share_bytes)
        manifest = manifest_of(order.model, version, files, order.said, measured)
        manifest = Manifest.model_validate({**dict(manifest), "blobs": blobs})
        write_signed(stored, manifest, order.key)
        report("trying it as a server does")
        await try_staged(stored, order.key, order.limits)
        place = await asyncio.to_thread(publish, stored, order.repository)
    return Registered(place, manifest, measured)


async def try_staged(stored: StoredVersion, key: PrivateKey, limits: TrialLimits) -> None:
    """Load a staged version as a server does, from a verified copy; raises Refused."""
    trust = Trust(keys=(key.public,), development=True)
    with tempfile.TemporaryDirectory(prefix="mlmesh-trial-") as temporary:
        copy = Path(temporary) / "copy"
        try:
            await asyncio.to_thread(copy_verified, stored, copy, trust)
        except BadVersion as error:
            raise Refused(str(error)) from None
        reasons: Sequence[str] = await try_versions([Candidate(copy, VersionOptions())], limits)
    if reasons[0]:
        raise Refused(f"trial: {reasons[0]}")


def _refuse_taken(order: Order, version: str) -> None:
    """Say so before the long part; `publish` makes sure."""
    for root in (order.repository, *order.others):
        if (root / order.model / version).exists():
            raise Refused(
                f"version: {order.model} {version} is there already, in {root}, and versions are "
                "never overwritten; leave --version out for the next one"
            )


def _plan(order: Order, stored: StoredVersion, axes: dict[str, tuple[str, ...]]) -> Plan:
    making = Making(
        axes=axes,
        sizes=order.sizes,
        ranges=dict(order.said.ranges),
        features=order.said.features,
        seed=order.seed,
    )
    return Plan(
        graph=stored.folder / MODEL_FILE,
        making=making,
        golden=order.golden,
        rows=order.rows,
        tolerance=order.tolerance,
    )


def _digests(
    stored: StoredVersion, share_bytes: int | None
) -> tuple[dict[str, str], dict[str, str]]:
    blobs = {} if share_bytes is None else share_large_files(stored, share_bytes)
    files = {path.name: sha256_of(path) for path in sorted(stored.folder.iterdir())}
    return files, blobs
