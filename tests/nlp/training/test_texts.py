"""The readers of the sets."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from nlp.training.entity_sets import read_entity_sets
from nlp.training.entity_tests import passages_of
from nlp.training.entity_texts import Sentence, read_tweets, read_wikigold
from nlp.training.plain_sentences import plain_sentences
from nlp.training.review_sentences import bare, read_review_sentences
from nlp.training.sentiment_texts import read_sentiment_texts
from nlp.training.tags import ANY, TAGS, only_tag, tag_set
from nlp.training.treebank import NEGATIVE, NEUTRAL, POSITIVE, read_reviews, readable
from tests.nlp.training.tiny_sets import write_lines, write_sets


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    write_sets(folder)
    return folder


def test_a_tree_is_a_sentence_with_its_longer_phrases(tmp_path: Path) -> None:
    path = tmp_path / "trees.txt.gz"
    write_lines(path, ["(4 (2 (2 A) (2 (2 very) (2 -LRB-))) (3 (2 really) (4 (3 good) (2 film))))"])

    [review] = read_reviews(path)

    assert (review.sentence.text, review.sentence.label) == ("A very ( really good film", POSITIVE)
    assert [(one.text, one.label) for one in review.phrases] == [
        ("A very (", NEUTRAL),
        ("really good film", POSITIVE),
    ]


def test_spelt_out_signs_are_signs_again() -> None:
    assert readable("-LRB- 1\\/2 `` a '' -RRB-") == '( 1/2 " a " )'


def test_nothing_that_is_tested_is_learnt(data: Path) -> None:
    texts = read_sentiment_texts(data, seed=0)

    learnt = {bare(one.text) for one in texts.train}

    held_out = [texts.validation, *(texts.tests[name] for name in ("sst2", "amazon_yelp", "sst3"))]
    assert all(held_out)
    assert not learnt & {bare(one.text) for part in held_out for one in part}
    assert {one.label for one in texts.train} == {NEGATIVE, NEUTRAL, POSITIVE}


def test_a_sentence_is_always_in_the_same_part_however_it_is_spelt(tmp_path: Path) -> None:
    for name in ("amazon_cells", "imdb", "yelp"):
        rows = [
            f"Great{' ' * spaces}phone {number}!\t1" for number in range(40) for spaces in (1, 2)
        ]
        (tmp_path / f"{name}_labelled.txt").write_text("\n".join(rows))

    parts = read_review_sentences(tmp_path)

    found = [
        {bare(one.text) for one in part} for part in (parts.train, parts.validation, parts.test)
    ]
    assert all(found)
    # Those of films, which are never tested, are among the others, too.
    amazon = {bare(one.text) for one in parts.test}
    assert len(parts.test) == 4 * len(amazon)


def test_made_up_sentences_differ_and_are_neutral() -> None:
    sentences = plain_sentences(600, seed=0)

    assert len({one.text for one in sentences}) == 600
    assert {one.label for one in sentences} == {NEUTRAL}
    assert all("{" not in one.text and one.text[0].isupper() for one in sentences)


def test_the_entities_of_a_sentence() -> None:
    sentence = Sentence(
        ("Anna", "Smith", "likes", "Rome", "Films"),
        (tag_set("B-PER"), tag_set("I-PER"), 1, tag_set("B-LOC"), tag_set("O", "B-MISC")),
    )

    found = [(sentence.text[start:end], kind) for start, end, kind in sentence.spans()]

    assert found == [("Anna Smith", "PER"), ("Rome", "LOC")]


def test_names_of_users_teach_nothing(tmp_path: Path) -> None:
    lines = ["@\tB-PER", "anna\tI-PER", "meets\tO", "@bob\tB-PER", "Carl\tB-PER", ""]
    write_lines(tmp_path / "btc/a.conll.gz", lines)

    [sentence] = read_tweets(tmp_path, "a")

    assert [only_tag(one) for one in sentence.allowed] == [None, None, None, None, "B-PER"]
    assert sentence.allowed[0] == sentence.allowed[1] == sentence.allowed[3] == ANY


def test_the_last_fifth_of_wikigold_is_tested(data: Path) -> None:
    learnt, tested = read_wikigold(data / "ner")

    assert (len(learnt), len(tested)) == (40, 10)
    assert all(
        only_tag(sentence.allowed[1]) in {tag for tag in TAGS if tag.startswith("B-")}
        for sentence in tested
    )


def test_no_learnt_set_is_among_the_tests(data: Path) -> None:
    sets = read_entity_sets(data)

    assert set(sets.tests) == {"conll", "conll_passages", "wnut", "web", "wikigold"}
    assert len(sets.learnt) == 7
    assert all(judged.sentences for judged in (*sets.validation.values(), *sets.tests.values()))


def test_a_passage_keeps_its_words_and_entities() -> None:
    one = Sentence(("In", "Rome"), (1, tag_set("B-LOC")))

    passages = passages_of([one] * 40)

    assert [len(passage.words) for passage in passages] == [60, 20]
    assert len(passages[0].spans()) == 30
    start, end, _ = passages[0].spans()[-1]
    assert passages[0].text[start:end] == "Rome"
