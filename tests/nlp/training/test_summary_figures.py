"""Summaries beside the first sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlp.training.summary_figures import (
    figures_of,
    lead_figures_of,
    may_be_chosen,
    read_summary_tests,
)
from nlp.training.summary_texts import CHOSEN_BY, LOOKED_AT, Article, read_bbc, read_cnndm
from tests.nlp.training.tiny_sets import write_lines, write_sets

TEXT = "The first one is short. Oh no. A second one is about cats and dogs. The third says nothing."
ARTICLE = Article(TEXT, ("A second one is about cats and dogs.",))


def test_figures_are_means_and_compared_with_as_many_first_sentences() -> None:
    best = ["A second one is about cats and dogs."]
    lead = ["The first one is short."]

    figures = figures_of("set", [ARTICLE] * 4, [best] * 4)

    assert figures["set_rouge1"] == figures["set_rouge2"] == figures["set_rougelsum"] == 1
    of_lead = lead_figures_of("set", [ARTICLE] * 4, [best] * 4)["set_rouge1"]
    assert (
        of_lead
        == figures_of("set", [ARTICLE], [lead])["set_rouge1"]
        == pytest.approx(4 / 13, abs=1e-4)
    )
    assert figures["set_over_lead"] == pytest.approx(1 - of_lead, abs=1e-4)
    assert figures["set_over_lead_low"] == figures["set_over_lead_high"]
    assert figures_of("set", [ARTICLE], [lead])["set_over_lead"] == 0


def test_the_shortest_sentences_are_no_first_sentences() -> None:
    assert may_be_chosen(TEXT) == [
        "The first one is short.",
        "A second one is about cats and dogs.",
        "The third says nothing.",
    ]


def test_what_was_chosen_by_is_not_reported(tmp_path: Path) -> None:
    write_sets(tmp_path)

    found = read_summary_tests(tmp_path)

    assert {name: len(one.articles) for name, one in found.items()} == {
        "bbc": 8, "bbc_three": 8, "cnndm_three": 8,
    }  # fmt: skip


def test_articles_lose_headings_and_lines_of_dates_and_references_become_sentences(
    tmp_path: Path,
) -> None:
    bbc = '1,"blair quits\n\nTony said so. ""Never"" again.","tony said so.""never"" again."'
    news = (
        '1,"By . A Reporter . PUBLISHED: . 14:11 EST, 25 October 2013 . | . UPDATED: . 15:36 EST, '
        '25 October 2013 . The bishop spoke.","He spoke .\nThey heard ."'
    )
    folder = tmp_path / "summarization"
    write_lines(folder / "bbc/test.csv.gz", [",document,summary", *[bbc] * (LOOKED_AT + 1)])
    write_lines(
        folder / "cnndm_sample/train_sample.csv.gz",
        [",article,highlights", *[news] * (CHOSEN_BY + 1)],
    )

    [first], [second] = read_bbc(tmp_path), read_cnndm(tmp_path)

    assert first == Article('\nTony said so. "Never" again.', ("tony said so.", '"never" again.'))
    assert second == Article("The bishop spoke.", ("He spoke .", "They heard ."))
