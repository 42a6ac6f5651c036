"""What the classifier learns from: changed pictures, and what its teachers say of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rich.progress import Progress  # noqa: E402
from torch.nn.functional import cross_entropy, one_hot  # noqa: E402

from tests.vision.training.tiny_sets import QUICK, write_cifar  # noqa: E402
from vision.training.checkpoint import Checkpoint  # noqa: E402
from vision.training.cifar import Labelled, Pictures, read_cifar  # noqa: E402
from vision.training.classifier_fitting import fit_classifier, goal_of, scores_of  # noqa: E402
from vision.training.classifier_model import ClassifierModel, normalised  # noqa: E402
from vision.training.classifier_pictures import Changes, Step, steps_of  # noqa: E402
from vision.training.classifier_teachers import Teachers  # noqa: E402

WIDTHS = (8, 8, 8)
UNSAVED = Checkpoint(None, "")
AS_THEY_ARE = Changes(shift=0, zoomed=0.0)


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    folder = tmp_path_factory.mktemp("data")
    write_cifar(folder, "train", 12)
    return read_cifar(folder, "train")


def changed(picture: Pictures, changes: Changes, rows: int = 200) -> Any:
    """float32 [rows, 3, 32, 32], from 0 to 255: one batch of a picture's changes."""
    alike = np.zeros((rows, *picture.shape), np.uint8) + picture
    [step] = steps_of(Labelled(alike, np.zeros(rows, np.int64)), 1, rows, 0, 0, changes)
    black, white = (
        normalised(torch.full((1, 1, 1, 3), one, dtype=torch.uint8)) for one in (0, 255)
    )
    return (step.pictures - black) / (white - black) * 255


def test_a_step_is_the_same_however_it_is_reached(train: Labelled) -> None:
    changes = Changes(shift=4, zoomed=0.5, most_part=45, mixed=0.5, light=0.2)
    from_start = list(steps_of(train, 2, 20, 3, 0, changes))
    later = list(steps_of(train, 2, 20, 3, 7, changes))

    assert len(from_start) == 12
    assert torch.equal(from_start[7].pictures, later[0].pictures)
    assert torch.equal(from_start[-1].classes, later[-1].classes)


def test_an_epoch_holds_every_picture_once(train: Labelled) -> None:
    kinds = torch.cat([step.classes for step in steps_of(train, 1, 20, 0, 0, Changes())])

    assert kinds.sum(0).tolist() == [12] * 10


def test_a_mixed_picture_is_of_each_class_as_far_as_its_pixels_are() -> None:
    kinds = np.arange(200) % 10
    pictures = np.zeros((200, 32, 32, 3), np.uint8) + kinds.astype(np.uint8)[:, None, None, None]
    colours = normalised(
        torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 1, 3)
    )

    [step] = steps_of(Labelled(pictures, kinds), 1, 200, 0, 0, Changes(mixed=0.5))

    nearest = (step.pictures[:, None, 0] - colours[None, :, 0]).abs().argmin(1)
    shares = one_hot(nearest, 10).float().mean((1, 2))
    assert shares.numpy() == pytest.approx(step.classes.numpy(), abs=1e-6)
    mixed = (step.classes > 0).sum(1) == 2
    assert 0.3 < float(mixed.float().mean()) < 0.6


def test_pictures_that_are_zoomed_are_nearer_and_farther() -> None:
    ramp = np.repeat(np.arange(0, 256, 8, dtype=np.uint8)[None, :, None], 32, 0).repeat(3, 2)

    def slopes(most_part: int) -> Any:
        """How many of the picture's pixels there are to one that is shown, in the middle."""
        shown = changed(ramp, replace(AS_THEY_ARE, zoomed=1.0, most_part=most_part))
        return (shown[:, 0, 16, 17] - shown[:, 0, 16, 15]).abs() / 2 / 8

    nearer, both = slopes(32), slopes(45)
    for found, most in ((nearer, 31), (both, 44)):
        assert float(found.min()) == pytest.approx(20 / 32, abs=0.02)
        assert float(found.max()) == pytest.approx(most / 32, abs=0.02)
    assert 0.3 < float((both > 1).float().mean()) < 0.7


def test_light_changes_contrast_brightness_and_colours_and_no_shapes() -> None:
    halves = np.full((32, 32, 3), 100, np.uint8)
    halves[:16] = 150

    lit = changed(halves, replace(AS_THEY_ARE, light=0.2))

    upper, lower = lit[:, :, :16].flatten(2), lit[:, :, 16:].flatten(2)
    assert float((upper.amax(2) - upper.amin(2)).max()) < 0.01
    contrast = (upper.mean(2) - lower.mean(2)) / 50
    assert (contrast - contrast[:, :1]).abs().max() < 0.001
    assert 0.79 < float(contrast.min()) < 0.83
    assert 1.17 < float(contrast.max()) < 1.21
    colour = (lower[:, 0] - lower[:, 2]).mean(1)
    assert 1 < float(colour.std()) < 15
    assert torch.equal(changed(halves, AS_THEY_ARE)[0], changed(halves, AS_THEY_ARE)[-1])


def test_without_a_teacher_the_labels_are_learnt_smoothed() -> None:
    torch.manual_seed(0)
    kinds, scores = torch.arange(10), torch.randn(10, 10)
    step = Step(0, torch.zeros(10, 3, 32, 32), one_hot(kinds, 10).float())

    goal = goal_of(step, replace(QUICK, smoothing=0.3), None)

    expected = cross_entropy(scores, kinds, label_smoothing=0.3)
    assert float(cross_entropy(scores, goal)) == pytest.approx(float(expected), abs=1e-6)


def test_a_teacher_has_its_share_of_what_is_learnt() -> None:
    step = Step(0, torch.ones(1, 3, 32, 32), torch.eye(10)[2:3])

    goal = goal_of(
        step,
        replace(QUICK, smoothing=0.0, taught=0.7),
        lambda pictures: torch.eye(10)[5:6] * pictures.mean(),
    )

    assert goal.tolist() == [pytest.approx([0, 0, 0.3, 0, 0, 0.7, 0, 0, 0, 0])]


def test_one_teacher_sees_the_picture_and_one_its_mirror_image() -> None:
    torch.manual_seed(0)
    pictures = torch.randn(6, 3, 32, 32)
    plain, mirroring = ClassifierModel(deep=False).eval(), ClassifierModel().eval()
    for one in (plain, mirroring):
        one.whiten_like(pictures)

    found = Teachers(plain, mirroring)(pictures)

    with torch.no_grad():
        first, second = plain(pictures).numpy(), mirroring(torch.flip(pictures, (3,))).numpy()
    powers = np.exp((first.astype(np.float64) + second) / 2)
    expected = powers / powers.sum(1, keepdims=True)
    assert np.ptp(expected, axis=0).max() > 0.02
    assert found.numpy() == pytest.approx(expected, abs=0.01)


def test_a_network_learns_what_its_teacher_says(train: Labelled) -> None:
    torch.manual_seed(0)
    model = ClassifierModel(WIDTHS)
    schedule = replace(QUICK, epochs=8, taught=1.0, changes=Changes())

    fit_classifier(
        model,
        train,
        schedule,
        Progress(disable=True),
        UNSAVED,
        lambda pictures: torch.eye(10)[3].expand(len(pictures), -1),
    )

    assert (scores_of(model, train).argmax(1) == 3).mean() > 0.9


def test_a_later_run_leaves_the_whitening_layer_alone(train: Labelled) -> None:
    torch.manual_seed(0)
    model = ClassifierModel(WIDTHS)
    fit_classifier(model, train, QUICK, Progress(disable=True), UNSAVED)
    before = {name: one.clone() for name, one in model.named_parameters()}

    later = replace(QUICK, whitening_epochs=0)
    fit_classifier(model, train, later, Progress(disable=True), UNSAVED)

    same = {name for name, one in model.named_parameters() if torch.equal(one, before[name])}
    assert {"whiten.weight", "whiten.bias"} <= same
    assert not same & {"head.weight", "groups.0.first.weight", "groups.2.third.weight"}
