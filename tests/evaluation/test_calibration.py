"""Claims and what happened."""

from __future__ import annotations

import numpy as np
import pytest

from mlmesh.evaluation.calibration import calibration_error, reliability


def test_calibration_error_is_the_distance_between_claim_and_frequency() -> None:
    claimed = np.array([0.75] * 4 + [0.95] * 4)
    happened = np.array([True, True, True, False, True, False, False, True])

    assert calibration_error(claimed, happened) == pytest.approx((0.0 + 4 * 0.45) / 8)


def test_a_certain_claim_is_in_the_last_bin_and_empty_bins_are_left_out() -> None:
    bins = reliability(np.array([1.0, 0.92, 0.0]), np.array([True, False, False]))

    assert bins == [(1, 0.0, 0.0), (2, 0.96, 0.5)]


def test_nothing_claimed_is_no_error() -> None:
    assert calibration_error(np.empty(0), np.empty(0, bool)) == 0
