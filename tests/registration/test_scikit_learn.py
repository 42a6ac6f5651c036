"""A classifier as scikit-learn's users have it, from its export to an answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.options import HostOptions
from mlmesh.registration.card import Said
from mlmesh.registry.signature import trust_of
from tests.registration import graphs
from tests.registration.conftest import Register


async def test_its_probabilities_are_found_beside_its_labels_and_served(
    registering: Register, root: Path, tmp_path: Path
) -> None:
    graph = graphs.scikit_learn(tmp_path / "iris.onnx")

    manifest = (await registering(graph, Said(labels=("x", "y", "z")), model="iris")).manifest

    assert manifest.score_output.name == "probabilities"
    assert [one.name for one in manifest.outputs] == ["label", "probabilities"]
    assert (manifest.task, len(manifest.features)) == ("classification", 4)
    assert manifest.batching.together
    trust = trust_of(tmp_path / "keys", "development")
    options = HostOptions(roots=(root,), default_model="iris", trust=trust, trial=None)
    row = np.array([[2, 0, 0, 1]], np.float32)
    async with open_host(options, InferenceMetrics(CollectorRegistry())) as host:
        with host.using("", "") as version:
            answer = await version.run({"input": row})
    expected = onnxruntime.InferenceSession(graph).run(None, {"input": row})
    assert answer.outputs["label"].tolist() == expected[0].tolist() == [0]
    assert answer.outputs["probabilities"].tolist() == expected[1].tolist()
