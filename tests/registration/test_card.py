from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mlmesh.registration.card import Said, manifest_of
from mlmesh.registration.measuring import Plan, measure
from mlmesh.registration.refusal import Refused
from mlmesh.registration.rows import Making
from mlmesh.registry.manifest import MODEL_FILE, Manifest
from tests.registration import graphs


def described(graph: Path, said: Said | None = None) -> Manifest:
    said = said or Said()
    making = Making(ranges=dict(said.ranges), features=said.features)
    measured = measure(Plan(graph=graph, making=making))
    return manifest_of("tiny", "v1.0", {MODEL_FILE: "0" * 64}, said, measured)


def test_scores_that_sum_to_one_make_a_classifier_with_numbered_labels(tmp_path: Path) -> None:
    manifest = described(graphs.network(tmp_path / "net.onnx"))

    assert manifest.task == "classification"
    assert manifest.labels == ("0", "1", "2")
    assert manifest.scores == "p"
    assert [one.name for one in manifest.features[:2]] == ["feature_0", "feature_1"]
    assert manifest.batching.together


def test_other_numbers_make_a_regressor(tmp_path: Path) -> None:
    manifest = described(graphs.regressor(tmp_path / "sum.onnx"))

    assert (manifest.task, manifest.labels, len(manifest.features)) == ("regression", (), 2)


def test_what_is_said_goes_into_the_card(tmp_path: Path) -> None:
    said = Said(
        labels=("a", "b", "c"),
        features=tuple(f"f{column}" for column in range(32)),
        ranges={"f0": (10, 20)},
        metrics={"accuracy": 0.95},
        more={"description": "a net", "licence": "MIT", "limits": ["none"]},
    )

    manifest = described(graphs.network(tmp_path / "net.onnx"), said)

    assert manifest.labels == ("a", "b", "c")
    first = manifest.features[0]
    assert (first.name, first.minimum, first.maximum, first.baseline) == ("f0", 10, 20, 15)
    assert manifest.features[1].minimum is None
    assert manifest.evaluation.metrics == {"accuracy": 0.95}
    assert (manifest.description, manifest.licence, manifest.limits) == ("a net", "MIT", ("none",))
    assert manifest.golden is not None
    assert all(10 <= row[0] <= 20 for row in manifest.golden.inputs["x"])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said(labels=("a", "b")), "labels: 2, but the graph has 3 classes"),
        (Said(labels=("a",)), "labels: a classifier needs two or more"),
        (Said(scores="q"), "scores: the graph has no output q, it has p"),
        (Said(features=("a", "b")), "features: 2 names, but x has 32 columns"),
        (Said(features=("a",) * 32), "features: names must differ"),
        (Said(task="Free Text"), "task: "),
        (Said(more={"nonsense": 1}), "nonsense: "),
        (Said(more={"limits": "text"}), "limits: "),
    ],
)
def test_what_does_not_fit_the_graph_is_refused_by_field(
    said: Said, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=f"^{re.escape(reason)}"):
        described(graphs.network(tmp_path / "net.onnx"), said)


def test_a_card_cannot_say_what_was_measured(tmp_path: Path) -> None:
    more: dict[str, Any] = {
        "name": "other",
        "version": "v9",
        "files": {},
        "inputs": [],
        "golden": None,
    }

    manifest = described(graphs.network(tmp_path / "net.onnx"), Said(more=more))

    assert (manifest.name, manifest.version) == ("tiny", "v1.0")
    assert manifest.inputs
    assert manifest.golden


def test_a_graph_can_be_kept_apart_on_request(tmp_path: Path) -> None:
    manifest = described(graphs.network(tmp_path / "net.onnx"), Said(together=False))

    assert not manifest.batching.together


def test_what_a_card_leaves_out_of_batching_is_as_measured(tmp_path: Path) -> None:
    said = Said(more={"batching": {"buckets": [1, 8]}})

    apart = described(graphs.mean_of_batch(tmp_path / "mean.onnx"), said)
    together = described(graphs.network(tmp_path / "net.onnx"), said)

    assert (apart.batching.together, apart.batching.buckets) == (False, (1, 8))
    assert (together.batching.together, together.batching.buckets) == (True, (1, 8))


@pytest.mark.parametrize(
    ("batching", "reason"),
    [
        ({"together": True}, "together: not for this graph: "),
        ({"buckets": [8, 1]}, "batching: "),
        ([], "batching: "),
    ],
)
def test_wrong_batching_in_a_card_is_refused(batching: object, reason: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"^{re.escape(reason)}"):
        described(graphs.mean_of_batch(tmp_path / "mean.onnx"), Said(more={"batching": batching}))
