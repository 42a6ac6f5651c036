"""Tags of different schemes."""

from __future__ import annotations

import pytest

from nlp.training.tags import ANY, OUTSIDE, TAGS, Scheme, begun, continued, only_tag, tag_set

NEWS = Scheme({"person": "PER", "misc": "MISC"}, knows_misc=True)
TWEETS = Scheme({"per": "PER", "product": "MISC?", "thing": "?"}, knows_misc=False)


def test_a_known_type_is_one_tag() -> None:
    assert only_tag(NEWS.allowed("B-person")) == "B-PER"
    assert only_tag(NEWS.allowed("I-misc")) == "I-MISC"
    assert only_tag(NEWS.allowed("O")) == "O"


def test_where_misc_is_not_annotated_a_word_outside_may_be_misc() -> None:
    assert TWEETS.allowed("O") == tag_set("O", "B-MISC", "I-MISC")
    assert TWEETS.allowed("B-product") == tag_set("O", "B-MISC", "I-MISC")
    assert TWEETS.allowed("B-thing") == ANY


def test_a_type_that_the_scheme_does_not_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        NEWS.allowed("B-animal")


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (("B-PER",), ("I-PER",)),
        (("I-LOC",), ("I-LOC",)),
        (("O",), ("O",)),
        (("O", "B-MISC", "I-MISC"), ("O", "I-MISC")),
    ],
)
def test_the_rest_of_a_word_goes_on_with_it(first: tuple[str, ...], rest: tuple[str, ...]) -> None:
    assert continued(tag_set(*first)) == tag_set(*rest)


def test_the_rest_of_a_word_that_nothing_is_known_of_begins_no_entity() -> None:
    inside = continued(ANY)

    assert inside == tag_set("O", *(tag for tag in TAGS if tag.startswith("I-")))


def test_every_entity_begins() -> None:
    tags = ["I-PER", "I-PER", "O", "I-LOC", "I-PER", "B-PER", "I-PER"]

    assert begun(tags) == ["B-PER", "I-PER", "O", "B-LOC", "B-PER", "B-PER", "I-PER"]


def test_a_set_has_no_tag_of_its_own() -> None:
    assert only_tag(ANY) is None
    assert only_tag(OUTSIDE) == "O"
