from __future__ import annotations

import random

import pytest

from mlmesh.inference.cost import CostLine


def test_it_finds_the_line_behind_noisy_runs() -> None:
    chance = random.Random(1)
    cost = CostLine()

    for _ in range(300):
        rows = chance.randint(1, 32)
        cost.learn(rows, 0.004 + 0.001 * rows + chance.gauss(0, 0.0002))

    assert cost.seconds(1) == pytest.approx(0.005, rel=0.1)
    assert cost.seconds(64) == pytest.approx(0.068, rel=0.1)


def test_it_forgets_a_model_that_became_faster() -> None:
    cost = CostLine()
    for seconds in [1.0] * 100 + [0.01] * 400:
        cost.learn(4, seconds)

    assert cost.seconds(4) == pytest.approx(0.01, rel=0.1)


def test_it_charges_nothing_before_it_has_seen_a_run() -> None:
    assert CostLine().seconds(100) == 0


def test_one_size_only_is_taken_in_proportion_upwards() -> None:
    cost = CostLine()
    cost.learn(8, 0.08)

    assert (cost.seconds(0), cost.seconds(4)) == (0, 0.08)
    assert cost.seconds(16) == pytest.approx(0.16)
