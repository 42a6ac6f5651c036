"""What the sentiment model is judged by, and never learns from."""

from __future__ import annotations

import gzip
from pathlib import Path

from nlp.training.review_sentences import read_review_sentences
from nlp.training.treebank import Labelled, read_pairs, read_reviews


def read_sentiment_tests(data: Path) -> dict[str, list[Labelled]]:
    """The sets below the folder `data`, by the names that their figures begin with.

    sst2 and amazon_yelp have two classes, the others three; nothing like tweeteval is learnt.
    """
    folder = data / "sentiment"
    return {
        "sst2": read_pairs(folder / "sst2" / "test.tsv.gz"),
        "amazon_yelp": read_review_sentences(folder / "uci_sentences").test,
        "sst3": [one.sentence for one in read_reviews(folder / "sst_trees" / "test.txt.gz")],
        "tweeteval": _read_tweets(folder / "tweeteval"),
    }


def _read_tweets(folder: Path) -> list[Labelled]:
    with (
        gzip.open(folder / "test_text.txt.gz", "rt", encoding="utf-8", newline="\n") as texts,
        gzip.open(folder / "test_labels.txt.gz", "rt", encoding="utf-8") as labels,
    ):
        return [
            Labelled(text.rstrip("\n"), int(label))
            for text, label in zip(texts, labels, strict=True)
        ]
