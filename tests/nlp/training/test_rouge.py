"""Words that two summaries share. The values are those of the package rouge-score 0.1.2."""

from __future__ import annotations

import pytest

from nlp.training.rouge import rouge


@pytest.mark.parametrize(
    ("reference", "summary", "values"),
    [
        (
            ["The quick brown fox jumps over the lazy dog."],
            ["The quick brown dog jumps on the log."],
            (0.705882, 0.266667, 0.588235),
        ),
        (["police killed the gunman"], ["the gunman police killed"], (1, 0.666667, 0.5)),
        (
            ["The cat sat on the mat, and the dog barked.", "Then it rained for 40 days."],
            ["It rained.", "The dog sat on the mat for 40 days and barked."],
            (0.896552, 0.518519, 0.827586),
        ),
        # No word counts more often than it stands.
        (["a a a b"], ["a b", "a"], (0.857143, 0.4, 0.571429)),
        (["one"], ["two"], (0, 0, 0)),
        ([""], ["x"], (0, 0, 0)),
        ([], [], (0, 0, 0)),
    ],
)
def test_rouge_is_what_the_known_package_says(
    reference: list[str], summary: list[str], values: tuple[float, float, float]
) -> None:
    found = rouge(reference, summary)

    assert (found.one, found.two, found.lsum) == pytest.approx(values, abs=1e-6)
