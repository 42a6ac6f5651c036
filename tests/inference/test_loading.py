from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.device import Device
from mlmesh.inference.loading import (
    MOST_WARM_UPS,
    Opened,
    open_version,
    takes_batches,
    warm_ups,
)
from mlmesh.inference.options import VersionOptions
from mlmesh.inference.session import Array, BadGraph, Session
from mlmesh.registry.manifest import MANIFEST_FILE, Batching, read_manifest
from mlmesh.registry.store import BadVersion
from tests.inference.graphs import (
    write_centred,
    write_lookup,
    write_positive,
    write_texts,
)
from tests.inference.loaded import opened_from
from tests.inference.open_inference.tensor_models import write_mirror
from tests.tiny_models import write_regressor


def say(folder: Path, **fields: Any) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_graph_that_gives_other_rows_than_it_gets_is_refused_with_the_remedy(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        BadGraph,
        match=r"^outputs: y has 0 rows where the inputs have 1; say `together: false` in the mani",
    ):
        opened_from(write_positive(tmp_path, together=True))


def test_the_remedy_helps(tmp_path: Path) -> None:
    opened = opened_from(write_positive(tmp_path, together=False))

    assert not opened.shaping.batched
    assert opened.max_batch == 1


def changed(field: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        said = json.loads((folder / MANIFEST_FILE).read_text())[field]
        say(folder, **{field: change(said)})

    return act


OTHER = [
    ("inputs", lambda said: [{**said[0], "name": "ids"}]),
    ("inputs", lambda said: [{**said[0], "dtype": "int32"}]),
    ("inputs", lambda said: [{**said[0], "shape": [None, 2]}]),
    ("inputs", lambda said: [*said, {**said[0], "name": "more"}]),
    ("outputs", lambda said: [{**said[0], "shape": [None]}]),
    ("outputs", lambda said: [{**said[0], "dtype": "float64"}]),
]


@pytest.mark.parametrize(("field", "change"), OTHER)
def test_a_manifest_that_describes_another_graph_is_refused(
    tmp_path: Path, field: str, change: Callable[[Any], Any]
) -> None:
    folder = write_lookup(tmp_path)
    changed(field, change)(folder)

    with pytest.raises(BadVersion, match=rf"^{field}: the manifest names .*, the graph has"):
        opened_from(folder)


def warmed_up(
    monkeypatch: pytest.MonkeyPatch, folder: Path, options: VersionOptions | None = None
) -> tuple[list[tuple[int, int]], Opened]:
    """The rows and lengths that are run before a version answers."""
    sizes: list[tuple[int, int]] = []
    warm_up = Session.warm_up

    def watched(self: Session, rows: int, length: int = 1) -> dict[str, Array]:
        sizes.append((rows, length))
        return warm_up(self, rows, length)

    monkeypatch.setattr(Session, "warm_up", watched)
    return sizes, open_version(folder, read_manifest(folder), options or VersionOptions())


def test_one_row_and_the_largest_batch_are_warmed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, opened = warmed_up(monkeypatch, write_regressor(tmp_path))

    assert sizes == [(1, 1), (32, 1)]
    assert opened.max_batch == 32


def test_every_bucket_and_every_length_is_warmed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, opened = warmed_up(monkeypatch, write_texts(tmp_path, buckets=(8, 32), rows=(1, 4)))

    assert sizes == [(1, 8), (1, 32), (4, 32)]
    assert opened.max_batch == 4


def test_a_gpu_runs_every_pair_of_a_bucket_and_a_length() -> None:
    assert warm_ups((1, 4), (8, 32), every=True) == [(1, 8), (4, 8), (1, 32), (4, 32)]


def test_warming_up_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_texts(tmp_path, buckets=tuple(range(1, 41)), rows=(1, 2))

    sizes, _ = warmed_up(monkeypatch, folder)

    assert len(sizes) == MOST_WARM_UPS == 32


def test_a_graph_that_takes_no_batches_is_warmed_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, _ = warmed_up(monkeypatch, write_centred(tmp_path, together=False))

    assert sizes == [(1, 1)]


def test_every_instance_is_warmed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = VersionOptions(devices=(Device(),) * 3)

    sizes, opened = warmed_up(monkeypatch, write_regressor(tmp_path), options)

    assert sizes == [(1, 1), (32, 1)] * 3
    assert len(opened.sessions) == 3


LARGEST = [
    (Batching(), VersionOptions(queue=QueueLimits(max_batch=16)), 16),
    (Batching(max_rows=8), VersionOptions(), 8),
    (Batching(max_rows=64), VersionOptions(), 32),
    (Batching(buckets=(1, 4)), VersionOptions(), 4),
    (Batching(buckets=(1, 4)), VersionOptions(buckets=(2, 16)), 16),
    (Batching(buckets=(1, 4), max_rows=3), VersionOptions(), 3),
    (Batching(together=False, max_rows=8), VersionOptions(), 1),
]


@pytest.mark.parametrize(("batching", "options", "most"), LARGEST)
def test_a_batch_is_as_large_as_everybody_allows(
    tmp_path: Path, batching: Batching, options: VersionOptions, most: int
) -> None:
    assert opened_from(write_lookup(tmp_path, batching), options).max_batch == most


def test_rows_run_together_where_all_first_axes_are_free(tmp_path: Path) -> None:
    free, fixed = ("float32", (None, 2)), ("float32", (1, 2))
    both = write_mirror(tmp_path, "both", {"x": free, "y": free})
    one = write_mirror(tmp_path, "one", {"x": free, "y": fixed})

    assert takes_batches(read_manifest(both))
    assert not takes_batches(read_manifest(one))
    assert not takes_batches(read_manifest(write_centred(tmp_path, together=False)))
