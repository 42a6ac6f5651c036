"""Learning: what is asked for, rates, and going on where an interrupted training stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rich.progress import Progress  # noqa: E402

from tests.vision.training.tiny_sets import BRIEF, QUICK, write_sets  # noqa: E402
from vision.training.checkpoint import Checkpoint  # noqa: E402
from vision.training.cifar import held_out, read_cifar  # noqa: E402
from vision.training.classifier_fitting import fit_classifier, share_of_rate  # noqa: E402
from vision.training.classifier_model import ClassifierModel, normalised  # noqa: E402
from vision.training.folding import folded  # noqa: E402
from vision.training.scene_fitting import fit_scenes, rate_at  # noqa: E402
from vision.training.scene_losses import box_loss, mask_loss, overlaps, wanted_of  # noqa: E402
from vision.training.scene_model import (  # noqa: E402
    CELLS,
    SceneModel,
    boxes_of,
    cell_centres,
    centred,
)
from vision.training.scene_sets import read_scenes  # noqa: E402

WIDTHS = (8, 8, 8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_sets(folder)
    return folder


class Interrupted(Exception):
    pass


class UntilStep(Progress):
    """Interrupts a training once so many steps are done."""

    def __init__(self, last: int | None) -> None:
        super().__init__(disable=True)
        self._last = last

    def update(self, *arguments: Any, **changes: Any) -> None:
        super().update(*arguments, **changes)
        if changes["completed"] == self._last:
            raise Interrupted


def classifier(
    data: Path, checkpoint: Path | None = None, last: int | None = None, **changes: Any
) -> list[float]:
    """Weights of a classifier that learnt from the tiny set."""
    torch.manual_seed(0)
    model, schedule = ClassifierModel(WIDTHS), replace(QUICK, **changes)
    with UntilStep(last) as progress:
        saved = Checkpoint(checkpoint, f"{schedule}")
        fit_classifier(model, read_cifar(data, "train"), schedule, progress, saved)
    return sums_of(model)


def sums_of(model: Any) -> list[float]:
    return [float(one.detach().sum()) for one in model.parameters()]


def test_an_interrupted_classifier_goes_on_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "classifier.pt"
    with pytest.raises(Interrupted):
        classifier(data, path, last=9)

    assert classifier(data, path) == pytest.approx(classifier(data), abs=1e-5)


def test_a_finished_training_is_not_repeated(data: Path, tmp_path: Path) -> None:
    finished = classifier(data, tmp_path / "classifier.pt")

    assert classifier(data, tmp_path / "classifier.pt", last=1) == finished


def test_a_checkpoint_of_another_run_is_ignored(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    classifier(data, path, rate=1.0)

    assert classifier(data, path) == pytest.approx(classifier(data), abs=1e-5)


def test_interrupted_scenes_go_on_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    scenes = [scene for scene in read_scenes(data) if scene.part == "train"]

    def learnt(path: Path | None, last: int | None = None) -> list[float]:
        torch.manual_seed(0)
        model = SceneModel()
        with UntilStep(last) as progress:
            fit_scenes(model, scenes, BRIEF, progress, path)
        return sums_of(model)

    with pytest.raises(Interrupted):
        learnt(tmp_path / "scenes.pt", last=3)

    assert learnt(tmp_path / "scenes.pt") == pytest.approx(learnt(None), abs=1e-3)


def test_held_out_pictures_are_not_learnt(data: Path) -> None:
    train, choice = held_out(read_cifar(data, "train"), 20, seed=0)

    learnt = {picture.tobytes() for picture in train.pictures}

    assert len(choice) == 20
    assert not any(picture.tobytes() in learnt for picture in choice.pictures)


def test_rates_rise_and_fall() -> None:
    assert [share_of_rate(one, 0.07) for one in (0, 0.23, 1)] == pytest.approx([0.2, 1, 0.07])
    assert share_of_rate(0.615, 0.0) == pytest.approx(0.5)
    brief = replace(BRIEF, steps=100, rise=10)
    rates = [rate_at(step, brief) for step in range(100)]
    assert rates.index(max(rates)) in (9, 10)
    assert rates[0] < brief.rate / 5
    assert rates[-1] < brief.rate / 100


def test_the_whitening_layer_makes_its_answers_uncorrelated(data: Path) -> None:
    model = ClassifierModel(WIDTHS)
    pictures = normalised(torch.from_numpy(read_cifar(data, "train").pictures))
    model.whiten_like(pictures)

    answers = model.whiten(pictures).detach()[:, :12].transpose(0, 1).flatten(1)
    covariance = answers @ answers.T / answers.shape[1]
    between = covariance - torch.diag(torch.diag(covariance))

    assert between.abs().max() < 1e-2
    assert torch.diag(covariance).max() < 1.01


@pytest.mark.parametrize("deep", [False, True])
def test_folding_keeps_the_answers(deep: bool) -> None:
    torch.manual_seed(0)
    pictures = torch.randn(2, 3, 32, 32)
    model = ClassifierModel(WIDTHS, deep)
    for norm in (one for one in model.modules() if isinstance(one, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.bias.data.normal_()

    with torch.no_grad():
        whole, plain = model.eval()(pictures), folded(model)(pictures)

    assert torch.allclose(whole, plain, atol=1e-5)
    assert not any(isinstance(one, torch.nn.BatchNorm2d) for one in folded(model).modules())


def test_every_box_has_a_cell_and_small_ones_go_first() -> None:
    centres = cell_centres()
    boxes = np.array([[0, 0, 200, 200], [90, 90, 120, 120], [1, 1, 3, 3]], np.float32)

    wanted = wanted_of(boxes, np.array([0, 1, 2]), centres)

    middle = (100 // 8) * CELLS + 100 // 8
    assert wanted.kinds[middle] == 1
    assert wanted.kinds[0] == 2
    assert set(wanted.kinds.tolist()) == {-1, 0, 1, 2}
    assert wanted.boxes[middle].tolist() == [90, 90, 120, 120]


def test_without_boxes_no_cell_is_asked_for() -> None:
    wanted = wanted_of(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), cell_centres())

    assert (wanted.kinds == -1).all()


def test_overlaps_of_boxes() -> None:
    some = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    others = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 0, 30, 10]])

    iou, generalised = overlaps(some, others)

    assert iou.tolist() == pytest.approx([1, 0.5, 0], abs=1e-4)
    assert generalised.tolist() == pytest.approx([1, 0.5, -1 / 3], abs=1e-4)


def test_right_boxes_cost_less_than_wrong_ones() -> None:
    kinds, wanted = torch.tensor([1, -1]), torch.tensor([[0.0, 0, 8, 8], [0, 0, 0, 0]])
    scores = torch.tensor([[-9.0, 9, -9], [-9, -9, -9]])

    right = box_loss(scores, wanted + torch.tensor([0.0, 0, 0.01, 0.01]), kinds, wanted)
    shifted = box_loss(scores, wanted + 4, kinds, wanted)
    silent = box_loss(-scores.abs(), wanted, kinds, wanted)

    assert right < 0.05
    assert shifted > 1
    assert silent > 1


def test_a_sample_without_boxes_only_wants_silence() -> None:
    kinds, boxes = torch.full((4,), -1), torch.zeros(4, 4)

    assert box_loss(torch.full((4, 3), -20.0), boxes, kinds, boxes) < 1e-6
    assert box_loss(torch.full((4, 3), 3.0), boxes, kinds, boxes) > 1


def test_masks_are_compared_where_they_are_known() -> None:
    masks = torch.tensor([[[0, 1], [2, 255]]])
    right = torch.nn.functional.one_hot(masks.clamp(max=3), 4).permute(0, 3, 1, 2) * 40.0

    assert mask_loss(right, masks) < 0.6  # dice counts the absent dog as its smoothing allows
    assert mask_loss(-right, masks) > 5
    assert mask_loss(right, torch.full_like(masks, 255)) == 0


def test_distances_become_boxes_around_their_cells() -> None:
    boxes = boxes_of(torch.zeros(1, CELLS**2, 4), cell_centres())

    reach = 16 * float(torch.log(torch.tensor(2.0)))
    assert boxes[0, 0].tolist() == pytest.approx([4 - reach, 4 - reach, 4 + reach, 4 + reach])


def test_the_networks_answer_in_the_shapes_that_they_learn_in() -> None:
    scores, sides, masks = SceneModel()(centred(torch.zeros((2, 224, 224, 3), dtype=torch.uint8)))

    assert tuple(scores.shape) == (2, 784, 3)
    assert tuple(sides.shape) == (2, 784, 4)
    assert tuple(masks.shape) == (2, 4, 112, 112)
