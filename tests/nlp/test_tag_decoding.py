"""From tag probabilities to entities."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from nlp.tag_decoding import TagDecoder

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
DECODER = TagDecoder(TAGS)


def certain(*tags: str, probability: float = 0.92) -> NDArray[np.float32]:
    """Probabilities that favour these tags."""
    rest = (1 - probability) / (len(TAGS) - 1)
    rows = [[probability if tag == one else rest for one in TAGS] for tag in tags]
    return np.array(rows, np.float32)


def test_entities_begin_go_on_and_end() -> None:
    found = DECODER.decode(certain("O", "B-PER", "I-PER", "O", "B-LOC", "B-LOC"))

    assert [(one.first, one.last, one.type) for one in found] == [
        (1, 2, "PER"), (4, 4, "LOC"), (5, 5, "LOC"),
    ]  # fmt: skip


def test_no_words_hold_no_entities() -> None:
    assert DECODER.decode(np.empty((0, len(TAGS)), np.float32)) == []


def test_an_entity_is_as_sure_as_its_least_sure_word() -> None:
    probabilities = np.concatenate(
        [certain("B-PER", probability=0.96), certain("I-PER", probability=0.8)]
    )

    [found] = DECODER.decode(probabilities)

    assert (found.first, found.last, found.type) == (0, 1, "PER")
    assert found.confidence == pytest.approx(0.8)


def test_what_goes_on_without_a_beginning_is_read_the_most_probable_way() -> None:
    probabilities = certain("O", "I-PER")
    probabilities[0] = [0.5, 0.4, 0.04, 0.03, 0.03]

    found = DECODER.decode(probabilities)

    assert [(one.first, one.last, one.type) for one in found] == [(0, 1, "PER")]


def allowed(path: tuple[int, ...]) -> bool:
    before = "O"
    for number in path:
        tag = TAGS[number]
        if tag.startswith("I-") and before[2:] != tag[2:]:
            return False
        before = tag
    return True


@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_path_is_the_best_of_all_that_are_allowed(words: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(len(TAGS)), size=words).astype(np.float32)
    paths = [path for path in product(range(len(TAGS)), repeat=words) if allowed(path)]
    best = max(paths, key=lambda path: float(np.log(probabilities[range(words), path]).sum()))

    found = DECODER.decode(probabilities)

    begun = [place for place, number in enumerate(best) if TAGS[number].startswith("B-")]
    assert [one.first for one in found] == begun
    covered = {word for one in found for word in range(one.first, one.last + 1)}
    assert covered == {place for place, number in enumerate(best) if TAGS[number] != "O"}
