"""The training recipe, run on made-up files in the formats of the real ones."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("onnxscript")

from mlmesh.registry.manifest import MODEL_FILE, read_manifest, sha256_of  # noqa: E402
from mlmesh.registry.pins import PINS_FILE, pins_of, read_pins  # noqa: E402
from predictor import export  # noqa: E402
from predictor.training.adult import read_adult  # noqa: E402
from predictor.training.calibration import best_temperature, softmax  # noqa: E402
from predictor.training.encoding import (  # noqa: E402
    PiecewiseLinear,
    bins_by_quantile,
    bins_per_value,
)
from predictor.training.evaluation import (  # noqa: E402
    accuracy_interval,
    calibration_error,
    metrics_of,
)
from predictor.training.fidelity import Graph, Refused, check  # noqa: E402
from predictor.training.onnx_export import export_onnx  # noqa: E402

VERSIONS = {"adult-income/v1.0", "adult-income/v2.0", "penguins/v1.0"}
PAGE = "# Models\n<!-- figures -->\nstale\n<!-- end of figures -->\nThe end.\n"


@dataclass(frozen=True, slots=True)
class Export:
    models: Path
    docs: Path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp("export")
    write_files(folder / "data", noisy=False)
    models, docs = folder / "models", folder / "docs"
    docs.mkdir()
    (docs / "models.md").write_text(PAGE)
    export.main(["--data", str(folder / "data"), "--models", str(models), "--docs", str(docs)])
    return Export(models, docs)


def write_files(folder: Path, *, noisy: bool) -> None:
    """A few hundred rows that are easy to learn, or whose labels are dice when `noisy`."""
    tabular = folder / "tabular"
    tabular.mkdir(parents=True)
    random = np.random.default_rng(0)
    with (tabular / "penguins.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm",
             "body_mass_g", "sex", "year"]
        )  # fmt: skip
        writer.writerow(["Adelie", "Torgersen", "NA", "NA", "NA", "NA", "NA", 2007])
        for species, middle in (("Adelie", 35), ("Chinstrap", 45), ("Gentoo", 55)):
            for _ in range(40):
                first, *others = random.normal(0, 1, 4).round(1)
                measured = [middle + first, 17 + others[0], 200 + others[1], 4000 + others[2]]
                writer.writerow([species, "Dream", *measured, "male", 2008])
    for part, rows, end in (("train", 600, ""), ("test", 300, ".")):
        with gzip.open(tabular / f"adult-{part}.csv.gz", "wt", newline="") as file:
            for _ in range(rows):
                file.write(", ".join(person(random, noisy)) + end + "\n")


def person(random: np.random.Generator, noisy: bool) -> list[str]:
    schooling, age = int(random.integers(1, 17)), int(random.integers(17, 91))
    rich = bool(random.integers(2)) if noisy else schooling > 9
    gain = int(random.choice([0, 0, 0, 2174, 7688]))
    return [
        str(age), str(random.choice(["Private", "?"])), "77516", "text", str(schooling),
        str(random.choice(["Divorced", "Widowed"])), str(random.choice(["Sales", "?"])),
        str(random.choice(["Wife", "Husband"])), "White",
        str(random.choice(["Male", "Female"])), str(gain), "0", "40", "?",
        ">50K" if rich else "<=50K",
    ]  # fmt: skip


def test_every_recipe_leaves_a_version_with_a_manifest(exported: Export) -> None:
    folders = [path.parent for path in exported.models.rglob(MODEL_FILE)]

    manifests = {folder: read_manifest(folder) for folder in folders}

    assert {f"{one.name}/{one.version}" for one in manifests.values()} == VERSIONS
    assert {folder.relative_to(exported.models).as_posix() for folder in folders} == VERSIONS
    for folder, manifest in manifests.items():
        assert manifest.digest == f"sha256:{sha256_of(folder / MODEL_FILE)}"
        assert manifest.training.seconds > 0


def test_the_exported_versions_are_pinned(exported: Export) -> None:
    assert read_pins(exported.models.with_name(PINS_FILE)) == pins_of(exported.models)


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_an_exported_graph_answers_as_torch_did(exported: Export, version: str) -> None:
    folder = exported.models / version
    manifest = read_manifest(folder)
    assert manifest.golden is not None
    inputs = {
        tensor.name: np.array(manifest.golden.inputs[tensor.name], tensor.dtype)
        for tensor in manifest.inputs
    }

    got = Graph(folder / MODEL_FILE)(inputs)

    assert np.abs(got - manifest.golden.outputs["probabilities"]).max() <= 1e-5


def test_a_manifest_describes_the_features_as_training_saw_them(exported: Export) -> None:
    features = read_manifest(exported.models / "adult-income/v1.0").features

    named = {feature.name: feature for feature in features}

    assert named["education_num"].minimum == 1
    assert named["education_num"].maximum == 16
    assert named["capital_gain"].baseline == 0
    assert named["occupation"].categories == ("?", "Sales")


def test_the_page_gets_new_figures_and_keeps_its_words(exported: Export) -> None:
    page = (exported.docs / "models.md").read_text()

    assert page.startswith("# Models\n<!-- figures -->\n| Model |")
    assert page.endswith("<!-- end of figures -->\nThe end.\n")
    assert "| **adult-income v2.0** | 300 |" in page
    assert "stale" not in page


@pytest.mark.parametrize("version", ["v1.0", "v2.0"])
def test_every_income_model_gets_a_reliability_plot(exported: Export, version: str) -> None:
    plot = exported.docs / "images" / f"adult-income-{version}-reliability.svg"

    root = ElementTree.parse(plot).getroot()

    assert root.findall("{http://www.w3.org/2000/svg}circle")


def test_a_model_that_learnt_nothing_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    write_files(tmp_path / "data", noisy=True)
    models = tmp_path / "models"

    with pytest.raises(Refused, match=r"adult-income v1.0: accuracy 0\.\d+ is below 0\.84"):
        export.main(["--data", str(tmp_path / "data"), "--models", str(models)])

    assert not list(models.iterdir())


def test_an_export_that_differs_from_its_model_is_refused(tmp_path: Path) -> None:
    inputs = {"features": np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)}
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    export_onnx(model, inputs, tmp_path / MODEL_FILE)
    graph = Graph(tmp_path / MODEL_FILE)
    faithful = check(graph, model, inputs)

    with torch.no_grad():
        model.weight[0].add_(0.01)

    assert faithful.largest_difference < 1e-6
    with pytest.raises(Refused, match="onnxruntime and torch differ by"):
        check(graph, model, inputs)


def test_a_category_that_only_the_test_file_has_is_an_error(tmp_path: Path) -> None:
    write_files(tmp_path, noisy=False)
    test_file = tmp_path / "tabular" / "adult-test.csv.gz"
    text = gzip.decompress(test_file.read_bytes()).decode().replace("Widowed", "Unheard-of")
    test_file.write_bytes(gzip.compress(text.encode()))

    with pytest.raises(ValueError, match="marital_status: Unheard-of is not in the training file"):
        read_adult(tmp_path / "tabular")


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(-5, [0, 0]), (0, [0, 0]), (1, [0.5, 0]), (2, [1, 0]), (5, [1, 0.5]), (9, [1, 1])],
)
def test_a_number_fills_its_bins_from_below(value: float, encoded: list[float]) -> None:
    encoding = PiecewiseLinear([np.array([0.0, 2.0, 8.0])])

    got = encoding(torch.tensor([[float(value)]]))

    assert got.tolist() == [encoded]


def test_bins_follow_the_distinct_values() -> None:
    values = np.array([[1], [1], [2], [4], [4]])

    assert bins_per_value(values)[0].tolist() == [1, 1.5, 3, 4]
    assert bins_by_quantile(values, 2)[0].tolist() == [1, 2, 4]
    assert bins_per_value(np.array([[7], [7]]))[0].tolist() == [7]


def test_calibration_error_is_the_distance_between_claim_and_frequency() -> None:
    claimed = np.array([[0.25, 0.75]] * 4 + [[0.95, 0.05]] * 4)
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 1])

    error = calibration_error(claimed, labels)

    assert error == pytest.approx((4 * 0.0 + 4 * 0.2) / 8)


def test_metrics_of_a_perfect_answer() -> None:
    labels = np.array([0, 1, 2, 1])

    metrics = metrics_of(np.eye(3)[labels], labels)
    interval = accuracy_interval(np.eye(3)[labels], labels, seed=0)

    assert metrics == {"accuracy": 1, "auc": 1, "log_loss": 0, "calibration_error": 0}
    assert interval == {"accuracy_low": 1, "accuracy_high": 1}


def test_the_temperature_of_scores_that_are_too_loud_is_found() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(20_000, 2))
    labels = (random.random(len(scores)) > softmax(scores)[:, 0]).astype(np.int64)

    temperature = best_temperature(1.5 * scores, labels)

    assert temperature == pytest.approx(1.5, abs=0.05)
