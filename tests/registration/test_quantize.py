from __future__ import annotations

import csv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlmesh.inference.loading import open_version
from mlmesh.inference.options import VersionOptions
from mlmesh.registration.card import Said
from mlmesh.registration.library import open_library
from mlmesh.registration.quantize import Quantized, QuantizeOrder, quantize
from mlmesh.registration.refusal import Refused
from mlmesh.registry.keys import development_key
from mlmesh.registry.manifest import MODEL_FILE
from mlmesh.registry.private_copy import copy_verified
from mlmesh.registry.store import StoredVersion
from tests.registration import graphs
from tests.registration.conftest import Register

Quantize = Callable[..., Awaitable[Quantized]]


@pytest.fixture
def quantizing(tmp_path: Path, root: Path) -> Quantize:
    """Quantizes a version of the repository; how, by keyword."""

    async def run(source: StoredVersion, **order: Any) -> Quantized:
        library = open_library(root, (), tmp_path / "keys")
        return await quantize(
            QuantizeOrder(
                source=source, library=library, key=development_key(tmp_path / "keys"), **order
            )
        )

    return run


@pytest.fixture
async def network(registering: Register, tmp_path: Path) -> StoredVersion:
    """tiny v1.0, a classifier, with 64 golden rows and an accuracy."""
    graph = graphs.network(tmp_path / "net.onnx")
    said = Said(labels=("a", "b", "c"), metrics={"accuracy": 0.9})
    return (await registering(graph, said, rows=64)).stored


@pytest.mark.parametrize(
    ("method", "share", "version"),
    [
        ("weights", 0.4, "v1.0-int8"),
        ("blocks", 0.4, "v1.0-int8"),
        ("fp16", 0.6, "v1.0-fp16"),
    ],
)
async def test_a_smaller_version_answers_the_same_and_loads(
    method: str, share: float, version: str, quantizing: Quantize, network: StoredVersion,
    root: Path, tmp_path: Path,
) -> None:  # fmt: skip
    done = await quantizing(network, method=method, least_agreement=0.95)

    before, after = done.sizes
    assert after < share * before
    assert done.stored.version == done.manifest.version == version
    assert done.agreement.share >= 0.95
    assert done.measured.neighbours.independent
    assert done.manifest.evaluation.baselines == {"v1.0": {"accuracy": 0.9}}
    assert done.manifest.evaluation.metrics == {"agreement": done.agreement.share}
    assert done.manifest.labels == ("a", "b", "c")
    trust = open_library(root, (), tmp_path / "keys").trust
    manifest = copy_verified(done.stored, tmp_path / "copy", trust)
    open_version(tmp_path / "copy", manifest, VersionOptions())


async def test_one_in_which_a_neighbour_changes_an_answer_is_refused(
    quantizing: Quantize, network: StoredVersion, root: Path
) -> None:
    with pytest.raises(Refused, match=r"neighbours: a batch neighbour changes p.*--method weights"):
        await quantizing(network, method="dynamic", least_agreement=0.0)

    assert {path.name for path in (root / "tiny").iterdir()} == {"v1.0"}


async def test_a_graph_that_runs_calls_alone_may_be_dynamic(
    registering: Register, quantizing: Quantize, tmp_path: Path
) -> None:
    graph = graphs.network(tmp_path / "net.onnx", batch=1)
    source = (await registering(graph)).stored

    done = await quantizing(source, method="dynamic")

    assert not done.manifest.batching.together
    assert done.sizes[1] < done.sizes[0] / 2


async def test_a_loss_of_golden_agreement_is_refused(
    registering: Register, quantizing: Quantize, tmp_path: Path, root: Path
) -> None:
    source = (await registering(graphs.fragile(tmp_path / "fragile.onnx"), rows=64)).stored

    with pytest.raises(Refused, match=r"agreement: .* of the answers for 64 golden rows agree"):
        await quantizing(source)

    assert {path.name for path in (root / "tiny").iterdir()} == {"v1.0"}
    assert (await quantizing(source, least_agreement=0.0)).agreement.share < 0.99


def write_rows(path: Path, labels: Any) -> Path:
    random = np.random.default_rng(5)
    np.savez(path, x=random.normal(size=(200, 32)).astype(np.float32), labels=labels)
    return path


def truth(network: StoredVersion) -> list[str]:
    """What the float version says of the rows of `write_rows`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(network.folder / MODEL_FILE)
    rows = np.random.default_rng(5).normal(size=(200, 32)).astype(np.float32)
    return ["abc"[at] for at in np.argmax(session.run(None, {"x": rows})[0], axis=1)]


async def test_an_evaluation_set_with_labels_gives_accuracies(
    quantizing: Quantize, network: StoredVersion, tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "rows.npz", truth(network))

    done = await quantizing(network, evaluation=rows, least_agreement=0.9)

    assert done.agreement.rows == 200
    assert done.agreement.accuracies is not None
    assert done.agreement.accuracies[0] == 1
    assert done.agreement.accuracies[1] == done.agreement.share
    assert done.manifest.evaluation.metrics["accuracy"] == done.agreement.accuracies[1]
    assert done.manifest.evaluation.rows == 200


async def test_a_loss_on_the_evaluation_set_is_refused(
    registering: Register, quantizing: Quantize, tmp_path: Path
) -> None:
    source = (await registering(graphs.fragile(tmp_path / "fragile.onnx"))).stored
    np.savez(tmp_path / "rows.npz", x=np.random.default_rng(5).normal(size=(300, 32)))

    with pytest.raises(Refused, match=r"answers for 300 rows of rows\.npz agree"):
        await quantizing(source, evaluation=tmp_path / "rows.npz")


async def test_rows_may_come_as_csv_by_the_names_of_features(
    quantizing: Quantize, network: StoredVersion, tmp_path: Path
) -> None:
    names = [f"feature_{column}" for column in range(32)]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *reversed(names)])
        rows = np.random.default_rng(5).normal(size=(200, 32)).astype(np.float32)
        for label, row in zip(truth(network), rows[:, ::-1].tolist(), strict=True):
            writer.writerow([label, *row])

    done = await quantizing(network, evaluation=tmp_path / "rows.csv", least_agreement=0.9)

    assert done.agreement.accuracies is not None
    assert done.agreement.accuracies[0] == 1


@pytest.mark.parametrize(
    ("labels", "reason"),
    [(["nobody"] * 200, "evaluation: 'nobody' is no label"), (["a"] * 3, "same number of rows")],
)
async def test_rows_that_do_not_fit_are_refused(
    labels: list[str], reason: str, quantizing: Quantize, network: StoredVersion, tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "rows.npz", labels)

    with pytest.raises(Refused, match=reason):
        await quantizing(network, evaluation=rows)


async def test_rows_that_hold_objects_are_never_unpickled(
    quantizing: Quantize, network: StoredVersion, tmp_path: Path
) -> None:
    np.savez(tmp_path / "rows.npz", x=np.array([{"any": "object"}], object))

    with pytest.raises(Refused, match="Object arrays cannot be loaded"):
        await quantizing(network, evaluation=tmp_path / "rows.npz")


async def test_a_regressor_agrees_within_two_percent(
    registering: Register, quantizing: Quantize, tmp_path: Path
) -> None:
    source = (await registering(graphs.wide_regressor(tmp_path / "wide.onnx"))).stored

    done = await quantizing(source)

    assert done.manifest.task == "regression"
    assert done.agreement.share == 1
    assert done.agreement.largest_difference > 0


async def test_external_data_and_shared_files_are_read(
    registering: Register, quantizing: Quantize, tmp_path: Path
) -> None:
    graph = graphs.with_external_data(tmp_path / "from" / "net.onnx")
    source = (await registering(graph, share_bytes=0)).stored

    done = await quantizing(source, least_agreement=0.8)

    assert set(done.manifest.files) == {MODEL_FILE}
    assert done.manifest.blobs == {}


async def test_what_cannot_become_smaller_is_refused(
    registering: Register, quantizing: Quantize, tmp_path: Path
) -> None:
    source = (await registering(graphs.regressor(tmp_path / "sum.onnx"))).stored

    with pytest.raises(Refused, match="no matrix of float32 weights that is large enough"):
        await quantizing(source)
    with pytest.raises(Refused, match=r"size: .* too small to gain anything"):
        await quantizing(source, method="fp16")


async def test_a_version_is_never_overwritten(quantizing: Quantize, network: StoredVersion) -> None:
    with pytest.raises(Refused, match=r"version: tiny v1\.0 is there already"):
        await quantizing(network, version="v1.0")
    assert (await quantizing(network, version="v2.0", least_agreement=0.9)).stored.version == "v2.0"


async def test_a_source_that_was_tampered_with_is_refused(
    quantizing: Quantize, network: StoredVersion
) -> None:
    with (network.folder / MODEL_FILE).open("ab") as file:
        file.write(b"x")

    with pytest.raises(Refused, match=r"tiny v1\.0: model\.onnx: .*sha256 differs"):
        await quantizing(network)
