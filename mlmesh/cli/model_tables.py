"""What `mlmesh models` prints: lists, cards and figures, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from mlmesh.registration.quantize import Quantized
    from mlmesh.registration.register import Registered
    from mlmesh.registry.manifest import Manifest, Tensor

STATES = {"READY": "green", "LOADING": "yellow", "FAILED": "red", "UNLOADED": "dim"}
MOST_FEATURES = 40


class Row:
    """One line of the list."""

    def __init__(self, model: str, version: str, origin: str) -> None:
        self.model = model
        self.version = version
        self.origin = origin
        self.marks: Sequence[str] = ()
        """`default` and labels."""
        self.task = ""
        self.size = 0
        self.metrics: Mapping[str, float] = {}
        self.problem = ""
        """Why it is not trusted."""
        self.state = ""
        """In the mesh; empty: the mesh does not say."""
        self.reason = ""


def show_list(console: Console, rows: Iterable[Row], *, states: bool) -> None:
    """states: whether a mesh answered."""
    table = _table("model", "version", "", "task", "origin", "size", "figures", "trusted")
    if states:
        table.add_column("mesh", overflow="fold")
    last = ""
    for row in rows:
        cells: list[str | Text] = [
            Text(row.model if row.model != last else "", "bold"),
            row.version,
            Text(", ".join(row.marks), "cyan"),
            row.task,
            row.origin,
            size_text(row.size),
            _figures(row.metrics),
            Text(row.problem, "red") if row.problem else Text("yes", "green"),
        ]
        if states:
            cells.append(Text(row.state.lower() or "not there", STATES.get(row.state, "dim")))
        table.add_row(*cells)
        last = row.model
    _print(console, table)


def show_card(
    console: Console, manifest: Manifest, place: str, marks: Sequence[str], problem: str, state: str
) -> None:
    """All that a manifest says, for a person."""
    table = _pairs()
    table.add_row("model", Text(f"{manifest.name} {manifest.version}", "bold"))
    _add(table, "marks", Text(", ".join(marks), "cyan"))
    _add(table, "description", manifest.description)
    _add(table, "task", manifest.task)
    _add(table, "served by", manifest.service or "predictor (a plain graph)")
    _add(table, "labels", _shortened(manifest.labels))
    _add(table, "figures", _figures(manifest.evaluation.metrics, most=20))
    _add(table, "notes", manifest.evaluation.notes)
    _add(table, "training data", manifest.training.data)
    _add(table, "licence", manifest.licence)
    for limit in manifest.limits:
        table.add_row("limit", limit)
    _add(table, "digest", manifest.digest)
    _add(table, "shared files", _shortened(tuple(manifest.blobs)))
    _add(table, "batches", batching_text(manifest))
    _add(table, "golden rows", _golden_rows(manifest))
    table.add_row("place", place)
    table.add_row("trusted", Text(problem, "red") if problem else Text("yes", "green"))
    _add(table, "mesh", Text(state, STATES.get(state.split(":")[0].upper(), "dim")))
    _print(console, table)
    _show_tensors(console, manifest)
    if manifest.features:
        _show_features(console, manifest)


def show_registered(console: Console, done: Registered) -> None:
    """What was registered, and what was found out about it."""
    manifest = done.manifest
    table = _pairs()
    table.add_row("registered", Text(f"{manifest.name} {manifest.version}", "bold green"))
    _add(table, "task", manifest.task or "none: inputs and outputs are served as they are")
    _add(table, "labels", _shortened(manifest.labels))
    _add(table, "features", _shortened(tuple(one.name for one in manifest.features)))
    _add(table, "figures", _figures(manifest.evaluation.metrics))
    _add(table, "batches", batching_text(manifest, done.measured.neighbours.reason))
    _add(table, "golden rows", _golden_rows(manifest))
    _add(table, "digest", manifest.digest)
    table.add_row("place", str(done.stored.folder))
    _print(console, table)
    _show_tensors(console, manifest)


def show_quantized(console: Console, done: Quantized) -> None:
    """The two versions side by side."""
    before, after = done.sizes
    agreement = done.agreement
    table = _table("", done.source.version, done.manifest.version)
    table.add_row("size", size_text(before), f"{size_text(after)} ({after / before:.0%})")
    table.add_row(f"same answers, {agreement.rows} rows", "", f"{agreement.share:.2%}")
    table.add_row("largest difference", "", f"{agreement.largest_difference:.3g}")
    if agreement.accuracies is not None:
        table.add_row("accuracy", *(f"{value:.4f}" for value in agreement.accuracies))
    for name, value in done.source.evaluation.metrics.items():
        if agreement.accuracies is None or name != "accuracy":
            table.add_row(f"{name}, as registered", f"{value:g}", Text("not measured", "dim"))
    alone = "bit for bit" if done.measured.neighbours.bit_equal else "within rounding"
    if done.measured.neighbours.independent:
        table.add_row("a row alone and in a batch", "", f"same {alone}")
    _print(console, table)


def show_verified(console: Console, results: Iterable[tuple[str, str, str]]) -> None:
    """results: model, version, and what is wrong, empty if nothing is."""
    table = _table("model", "version", "verified")
    for model, version, problem in results:
        table.add_row(model, version, Text(problem, "red") if problem else Text("yes", "green"))
    _print(console, table)


def batching_text(manifest: Manifest, reason: str = "") -> str:
    """How rows of several callers run."""
    if manifest.batching.together:
        return "rows of several callers run together"
    return "every call runs alone" + (f": {reason}" if reason else "")


def size_text(size: int) -> str:
    """Bytes for people."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _show_tensors(console: Console, manifest: Manifest) -> None:
    table = _table("", "name", "type", "shape")
    for kind, tensors in (("input", manifest.inputs), ("output", manifest.outputs)):
        for tensor in tensors:
            table.add_row(kind, tensor.name, tensor.dtype, _shape(tensor))
    _print(console, table)


def _show_features(console: Console, manifest: Manifest) -> None:
    table = _table("feature", "kind", "unit", "range", "description")
    for feature in manifest.features[:MOST_FEATURES]:
        span = ", ".join(feature.categories) or (
            "" if feature.minimum is None else f"{feature.minimum:g} to {feature.maximum:g}"
        )
        table.add_row(feature.name, feature.kind, feature.unit, span, feature.description)
    _print(console, table)
    if len(manifest.features) > MOST_FEATURES:
        console.print(f"and {len(manifest.features) - MOST_FEATURES} more features\n")


def _shape(tensor: Tensor) -> str:
    return " x ".join("any" if size is None else str(size) for size in tensor.shape) or "scalar"


def _golden_rows(manifest: Manifest) -> str:
    if manifest.golden is None:
        return "none: a single row is too large for a manifest"
    return f"{len(next(iter(manifest.golden.inputs.values())))}"


def _figures(metrics: Mapping[str, float], most: int = 2) -> str:
    chosen = list(metrics.items())[:most]
    return ", ".join(f"{name} {value:.4g}" for name, value in chosen)


def _shortened(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _add(table: Table, name: str, value: str | Text) -> None:
    if value:
        table.add_row(name, value)


def _pairs() -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(console: Console, table: Table) -> None:
    console.print(table, "", sep="\n")
