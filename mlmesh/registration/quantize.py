"""Makes a smaller version of a version, and refuses one that is not as good."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlmesh.inference.loading import array_of
from mlmesh.inference.options import TrialLimits
from mlmesh.registration.agreement import Agreement, compare_graphs
from mlmesh.registration.apart import measured_apart
from mlmesh.registration.conversion import Method, convert
from mlmesh.registration.library import Library
from mlmesh.registration.measuring import Measured, Plan
from mlmesh.registration.publication import check_name, publish, staged, write_signed
from mlmesh.registration.refusal import Refused
from mlmesh.registration.register import Report, silent, try_staged
from mlmesh.registration.rows import Making, make_rows
from mlmesh.registration.rows_file import Rows, read_rows
from mlmesh.registration.source import axes_of
from mlmesh.registry.keys import PrivateKey
from mlmesh.registry.manifest import MODEL_FILE, Evaluation, Manifest, sha256_of
from mlmesh.registry.private_copy import copy_verified
from mlmesh.registry.store import BadVersion, StoredVersion

LEAST_AGREEMENT = 0.99
MADE_ROWS = 64


@dataclass(frozen=True, slots=True)
class QuantizeOrder:
    """What to make smaller, and how."""

    source: StoredVersion
    library: Library
    key: PrivateKey
    method: Method = "weights"
    version: str = ""
    """Empty: the source's with `-int8` or `-fp16` behind it."""
    evaluation: Path | None = None
    """Rows to compare on; None: the golden rows."""
    least_agreement: float = LEAST_AGREEMENT
    limits: TrialLimits = field(default_factory=TrialLimits)


@dataclass(frozen=True, slots=True)
class Quantized:
    """The smaller version in its place."""

    stored: StoredVersion
    manifest: Manifest
    source: Manifest
    sizes: tuple[int, int]
    """Bytes of the files of the source and of the new version."""
    agreement: Agreement
    measured: Measured


async def quantize(order: QuantizeOrder, report: Report = silent) -> Quantized:
    """Make, compare, sign and publish it; raises Refused and leaves nothing behind."""
    suffix = "fp16" if order.method == "fp16" else "int8"
    version = order.version or f"{order.source.version}-{suffix}"
    check_name("version", version)
    model = order.source.model
    for root in order.library.roots:
        if (root / model / version).exists():
            raise Refused(f"version: {model} {version} is there already; choose another "
                          "with --version, or remove it first")  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="mlmesh-quantize-") as temporary,
        staged(order.library.repository, model, version) as stored,
    ):
        folder = Path(temporary)
        report(f"checking {model} {order.source.version}")
        source = await _copied(order, folder / "source")
        report(f"converting it to {suffix}")
        graphs = (folder / "source" / MODEL_FILE, stored.folder / MODEL_FILE)
        await asyncio.to_thread(convert, *graphs, order.method)
        sizes = _sizes(folder / "source", source, stored.folder)
        report("running it, alone and in batches")
        rows = _rows(order, source, graphs[0])
        measured = await measured_apart(_plan(graphs[1], source, folder, rows), order.limits)
        _refuse_neighbours(order.method, source, measured)
        report("comparing answers")
        agreement = await asyncio.to_thread(compare_graphs, *graphs, source, rows)
        _refuse_loss(order, agreement)
        manifest = _manifest(order, version, source, measured, agreement, stored.folder)
        write_signed(stored, manifest, order.key)
        report("trying it as a server does")
        await try_staged(stored, order.key, order.limits)
        place = await asyncio.to_thread(publish, stored, order.library.repository)
    return Quantized(place, manifest, source, sizes, agreement, measured)


async def _copied(order: QuantizeOrder, folder: Path) -> Manifest:
    try:
        return await asyncio.to_thread(copy_verified, order.source, folder, order.library.trust)
    except BadVersion as error:
        raise Refused(f"{order.source.model} {order.source.version}: {error}") from None


def _sizes(source: Path, manifest: Manifest, made: Path) -> tuple[int, int]:
    before = sum((source / name).stat().st_size for name in (*manifest.files, *manifest.blobs))
    after = sum(path.stat().st_size for path in made.iterdir())
    if after >= before:
        raise Refused(
            f"size: {after:,} bytes, and {before:,} before; the model is too small to gain anything"
        )
    return before, after


def _rows(order: QuantizeOrder, source: Manifest, graph: Path) -> Rows:
    """What both are compared on."""
    if order.evaluation is not None:
        return read_rows(order.evaluation, source.inputs, source.outputs, source.features)
    if source.golden is not None:
        return Rows(_golden_inputs(source))
    return Rows(make_rows(source.inputs, Making(axes=axes_of(graph)), MADE_ROWS))


def _golden_inputs(source: Manifest) -> dict[str, Any]:
    assert source.golden is not None
    return {one.name: array_of(source.golden.inputs[one.name], one) for one in source.inputs}


def _plan(graph: Path, source: Manifest, folder: Path, rows: Rows) -> Plan:
    making = Making(axes=axes_of(graph))
    if source.golden is None:
        return Plan(graph=graph, making=making)
    path = folder / "golden.json"
    path.write_text(json.dumps({"inputs": source.golden.inputs}))
    return Plan(graph=graph, making=making, golden=path)


def _refuse_neighbours(method: Method, source: Manifest, measured: Measured) -> None:
    found = measured.neighbours
    if not found.independent and source.batching.together:
        way = "--method weights" if method != "weights" else "another precision"
        raise Refused(
            f"neighbours: {found.reason}, so an answer would depend on who else is asking; "
            f"use {way}"
        )


def _refuse_loss(order: QuantizeOrder, agreement: Agreement) -> None:
    if not agreement.kept >= order.least_agreement:
        rows = "golden rows" if order.evaluation is None else f"rows of {order.evaluation.name}"
        figures = f"{agreement.share:.2%} of the answers for {agreement.rows} {rows} agree"
        if agreement.accuracies is not None:
            figures += ", accuracy {:.4f} after {:.4f}".format(*reversed(agreement.accuracies))
        raise Refused(
            f"agreement: {figures}; {order.least_agreement:.2%} must be left. Try --precision "
            "fp16, more rows with --evaluation, or accept the loss with --least-agreement"
        )


def _manifest(
    order: QuantizeOrder,
    version: str,
    source: Manifest,
    measured: Measured,
    agreement: Agreement,
    folder: Path,
) -> Manifest:
    metrics = {"agreement": round(agreement.share, 6)}
    if agreement.accuracies is not None:
        metrics["accuracy"] = round(agreement.accuracies[1], 6)
    kind = {"fp16": "float16 weights", "weights": "int8 weights"}.get(order.method, "int8")
    evaluation = Evaluation(
        rows=agreement.rows,
        metrics=metrics,
        baselines={**source.evaluation.baselines, source.version: source.evaluation.metrics},
        notes=f"agreement is the share of rows on which this version and {source.version} give the "
        "same answer",
    )
    fields = {
        **dict(source),
        "version": version,
        "description": f"{source.description or source.name} ({kind}, made from {source.version})",
        "files": {path.name: sha256_of(path) for path in sorted(folder.iterdir())},
        "blobs": {},
        "inputs": measured.inputs,
        "outputs": measured.outputs,
        "evaluation": evaluation,
        "golden": measured.golden,
    }
    return Manifest.model_validate(fields)
