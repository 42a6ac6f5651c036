"""`mlmesh models evaluate` beside a running service, for a program that a test writes."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlmesh.registry.manifest import Evaluation, read_manifest, write_manifest
from tests.tiny_models import sign_version, write_classifier, write_key

REFUSED = 1
EVALUATION = """
from mlmesh.evaluation.evaluation import Evaluation, HeldOutSet, Tolerance
from mlmesh.evaluation.served import SECONDS
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc


def read(data):
    lines = (data / "rows.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    return [HeldOutSet("rows", [(float(x), float(y), label) for x, y, label in rows], ask, figures)]


def ask(served, rows):
    reply = rpc.PredictorServiceStub(served.channel).BatchPredict(
        pb.BatchPredictRequest(
            model=served.model,
            model_version=served.version,
            rows=[pb.Row(features=[x, y]) for x, y, _ in rows],
        ),
        timeout=SECONDS,
    )
    return [one.label for one in served.results(reply)]


def figures(rows, labels):
    hits = [label == row[2] for row, label in zip(rows, labels)]
    return {"accuracy": sum(hits) / len(hits), "answers": float(len(hits))}


evaluations = {"tiny": Evaluation(read, {"*": Tolerance(0.01, "one row in a hundred")})}
"""
HALF_RIGHT = "2,1,a\n1,2,b\n2,1,b\n1,2,a\n"
"""The card of a tiny model says that its accuracy is 0.5."""


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Shop:
    """A folder with a program of its own, whose models are evaluated."""

    folder: Path

    async def evaluate(self, model: str, *options: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mlmesh.cli.main", "models", "evaluate", model,
            "--data", "data", "--models", "models", "--keys", "keys", *options,
            cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return Done(process.returncode, output.decode(), errors.decode())


@pytest.fixture
def shop(tmp_path: Path, model_root: Path, predictor_port: int) -> Shop:
    """tiny v1.0 and v2.0 and kinds, in models/, which run at the port that mesh.toml names."""
    program = f'service = "mlmesh.v1.PredictorService", number = 1, port = {predictor_port}'
    (tmp_path / "mesh.toml").write_text(f"[programs]\nshop = {{ {program} }}\n")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "evaluation.py").write_text(EVALUATION)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text(HALF_RIGHT)
    write_key(tmp_path / "keys")
    return Shop(tmp_path)


def state_figures(version: Path, metrics: dict[str, float]) -> None:
    """Make these the figures of a card."""
    manifest = read_manifest(version)
    evaluation = Evaluation(metrics=metrics)
    write_manifest(version, manifest.model_copy(update={"evaluation": evaluation}))
    sign_version(version)


async def test_a_figure_as_the_card_says_ends_well(shop: Shop) -> None:
    done = await shop.evaluate("tiny", "--version", "v1.0")

    assert done.code == 0
    assert [" ".join(line.split()) for line in done.output.splitlines() if line] == [
        "figure card 95 % interval measured difference verdict",
        "accuracy 0.5000 0.5000 +0.0000 holds",
        "answers 4.0000 not in the card",
        "Tolerance 0.01: one row in a hundred.",
        "tiny v1.0: 4 items through the service; every figure is as the card says.",
    ]
    assert "rows" in done.errors
    assert "4/4" in done.errors


async def test_a_figure_that_differs_is_named_and_ends_with_1(shop: Shop) -> None:
    (shop.folder / "data" / "rows.csv").write_text("2,1,a\n1,2,b\n2,1,b\n")

    done = await shop.evaluate("tiny", "--version", "v1.0")

    assert done.code == REFUSED
    assert "+0.1667  differs" in done.output
    assert "not as the card says: accuracy." in done.output


async def test_the_default_version_is_the_newest(shop: Shop) -> None:
    done = await shop.evaluate("tiny")

    assert "tiny v2.0: 4 items" in done.output


async def test_a_part_of_the_sets_is_for_a_look_only(shop: Shop) -> None:
    done = await shop.evaluate("tiny", "--version", "v1.0", "--limit", "2")

    assert done.code == 0
    assert "part of the set" in done.output
    assert "2 items through the service, a part of the sets, so no figure was judged" in done.output


async def test_a_limit_beyond_all_items_is_no_limit(shop: Shop) -> None:
    done = await shop.evaluate("tiny", "--version", "v1.0", "--limit", "4")

    assert "every figure is as the card says" in done.output


async def test_a_card_of_which_nothing_can_be_asked_is_no_success(shop: Shop) -> None:
    state_figures(shop.folder / "models" / "tiny" / "v1.0", {"speed": 3.0})

    done = await shop.evaluate("tiny", "--version", "v1.0")

    assert done.code == REFUSED
    assert "Not asked, speed: the evaluation knows no such figure." in done.output
    assert "none of the card's figures could be compared" in done.output


async def test_another_target_is_asked_when_it_is_named(shop: Shop) -> None:
    done = await shop.evaluate("tiny", "--target", "127.0.0.1:1")

    assert done.code == REFUSED
    assert "no service answers at 127.0.0.1:1" in done.errors
    assert "start the mesh with `mlmesh up`, or name another with --target" in done.errors


async def test_a_file_that_is_missing_is_named(shop: Shop) -> None:
    (shop.folder / "data" / "rows.csv").unlink()

    done = await shop.evaluate("tiny")

    assert done.code == REFUSED
    assert "mlmesh: --data: data/rows.csv is missing; docs/data.md says where" in done.errors


async def test_a_file_that_is_something_else_is_refused(shop: Shop) -> None:
    (shop.folder / "data" / "rows.csv").write_text("this is no row\n")

    done = await shop.evaluate("tiny")

    assert done.code == REFUSED
    assert "--data: data does not hold what docs/data.md describes: ValueError" in done.errors


async def test_a_card_without_figures_has_nothing_to_compare(shop: Shop) -> None:
    state_figures(shop.folder / "models" / "tiny" / "v1.0", {})

    done = await shop.evaluate("tiny", "--version", "v1.0")

    assert done.code == REFUSED
    assert "tiny v1.0: its card has no figures to compare with" in done.errors


async def test_other_weights_than_the_cards_are_not_judged(shop: Shop) -> None:
    write_classifier(shop.folder / "others", weights=((3, 0, 0), (0, 3, 0)))

    done = await shop.evaluate("tiny", "--models", "others")

    assert done.code == REFUSED
    assert "tiny v1.0: the service answers with other weights" in done.errors


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        ("nobody", (), "there is no 'nobody'; there is tiny, kinds, sum"),
        ("tiny", ("--version", "v9.0"), "tiny has no 'v9.0'; there is v2.0, v1.0"),
        ("kinds", (), "shop/evaluation.py has no evaluation of this model, only of tiny"),
        ("tiny", ("--config", "other.toml"), "other.toml: no such file"),
    ],
)
async def test_what_is_not_there_is_named(
    shop: Shop, model: str, options: tuple[str, ...], reason: str
) -> None:
    done = await shop.evaluate(model, *options)

    assert done.code == REFUSED
    assert reason in done.errors


async def test_a_program_without_evaluations_says_so(shop: Shop) -> None:
    (shop.folder / "shop" / "evaluation.py").unlink()

    done = await shop.evaluate("tiny")

    assert done.code == REFUSED
    assert "shop: the program has no evaluation.py" in done.errors


async def test_a_package_that_is_missing_is_named_with_the_way_to_get_it(shop: Shop) -> None:
    (shop.folder / "shop" / "evaluation.py").write_text("import no_such_package")

    done = await shop.evaluate("tiny")

    assert done.code == REFUSED
    assert "shop.evaluation needs no_such_package, which is not installed" in done.errors
    assert "pip install 'mlmesh[evaluation]'" in done.errors


async def test_a_service_that_no_program_serves_is_named(shop: Shop) -> None:
    mesh = shop.folder / "mesh.toml"
    mesh.write_text(mesh.read_text().replace("PredictorService", "ShopService"))

    done = await shop.evaluate("tiny")

    assert done.code == REFUSED
    assert "mesh.toml: no program serves mlmesh.v1.PredictorService" in done.errors
