"""Learning: batches, learning rates, and going on where an interrupted training stopped."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from rich.progress import Progress  # noqa: E402

from nlp.training.entity_fitting import partial_loss  # noqa: E402
from nlp.training.fitting import Schedule, batches_of, fit, rate_at  # noqa: E402
from nlp.training.tags import ANY, TAGS, tag_set  # noqa: E402

SCHEDULE = Schedule(batch=4, rate=0.1, rise=2, save_every=5)


def test_every_item_is_in_one_batch_of_similar_lengths() -> None:
    items = [number % 40 for number in range(400)]

    batches = batches_of(items, int, 8, random.Random(0))

    assert sorted(one for batch in batches for one in batch) == sorted(items)
    assert max(max(batch) - min(batch) for batch in batches) <= 2
    assert batches != batches_of(items, int, 8, random.Random(1))


def test_the_rate_rises_and_falls() -> None:
    rates = [rate_at(step, 10, SCHEDULE) for step in range(10)]

    assert rates[0] == 0.05
    assert max(rates) == rates[1] == pytest.approx(0.09)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] == pytest.approx(0.01)


class Interrupted(Exception):
    pass


def learn(checkpoint: Path | None, stop_at: int = -1) -> list[float]:
    """Weights of a layer that learnt ten batches of the same numbers."""
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    batches = [[float(number), float(number % 3)] for number in range(10)]
    seen = 0

    def loss_of(batch: Sequence[float]) -> Any:
        nonlocal seen
        seen += 1
        if seen == stop_at:
            raise Interrupted
        return model(torch.tensor(batch)).float().square().mean() + torch.rand(1).sum() * 0

    with Progress(disable=True) as progress:
        fit(model, batches, loss_of, SCHEDULE, progress, "tiny", checkpoint)
    return [*model.weight.flatten().tolist(), *model.bias.tolist()]


def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    checkpoint = tmp_path / "deep" / "tiny.pt"
    with pytest.raises(Interrupted):
        learn(checkpoint, stop_at=8)

    assert learn(checkpoint) == learn(None)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    finished = learn(tmp_path / "tiny.pt")

    assert learn(tmp_path / "tiny.pt", stop_at=1) == finished


def test_a_checkpoint_of_another_run_is_ignored(tmp_path: Path) -> None:
    other = torch.nn.Linear(2, 1)
    path = tmp_path / "tiny.pt"
    with Progress(disable=True) as progress:
        fit(other, [[1.0, 2.0]], lambda one: other(torch.tensor(one)).float().sum(), SCHEDULE,
            progress, "other", path)  # fmt: skip

    assert learn(path) == learn(None)


def test_the_loss_asks_for_any_of_the_tags_that_may_be_true() -> None:
    scores = torch.zeros(1, 3, len(TAGS))
    scores[0, 0, TAGS.index("B-PER")] = 20.0
    allowed = torch.tensor([[tag_set("O", "B-PER"), ANY, tag_set("O", "B-MISC", "I-MISC")]])

    loss = partial_loss(scores, allowed)

    # Nothing for the first, no part of the mean for the second, log 3 for the third.
    assert loss.item() == pytest.approx(torch.log(torch.tensor(3.0)).item() / 2, abs=1e-4)


def test_a_batch_that_tells_nothing_has_no_loss() -> None:
    scores = torch.zeros(1, 2, len(TAGS), requires_grad=True)

    loss = partial_loss(scores, torch.full((1, 2), ANY))

    assert loss.item() == 0
