"""How far figures could be off by chance."""

from __future__ import annotations

import numpy as np

from mlmesh.evaluation.intervals import interval, named


def test_an_interval_holds_the_figure() -> None:
    hits = np.array([True] * 80 + [False] * 20)

    low, high = interval(len(hits), lambda rows: float(hits[rows].mean()))

    assert 0.69 < low < 0.76
    assert 0.84 < high < 0.91


def test_a_figure_and_its_interval_are_entries_of_a_card() -> None:
    assert named("hits", 0.812345, (0.7, 0.9)) == {
        "hits": 0.8123,
        "hits_low": 0.7,
        "hits_high": 0.9,
    }
