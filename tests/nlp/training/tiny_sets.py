"""Made-up sets in the formats of the real ones."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

from nlp.training.summary_texts import CHOSEN_BY, LOOKED_AT

GOOD = ("good", "lovely", "great", "fine")
BAD = ("bad", "awful", "poor", "dull")
PLAIN = ("blue", "wooden", "early", "local")
NAMES = {"PER": ("Anna", "Smith"), "ORG": ("Acme", "Globex"), "LOC": ("Paris", "Rome"),
         "MISC": ("German", "Dutch")}  # fmt: skip
WORDS = ("the", "film", "meal", "was", "very", "said", "in", "of", "a", "and", "works", "for")
ITS_OWN_NAMES = {"news": ("person", "organisation", "location", "misc"),
                 "tweets": ("PER", "ORG", "LOC", None),
                 "emerging": ("person", "corporation", "location", "product"),
                 "fine": ("politician", "band", "country", "award")}  # fmt: skip


def write_sets(data: Path, *, noisy: bool = False) -> None:
    """Every set in its own format; labels are dice when `noisy`."""
    dice = random.Random(0)
    _write_sentiment(data / "sentiment", dice, noisy=noisy)
    _write_entities(data / "ner", dice)
    folder = data / "embeddings"
    folder.mkdir(parents=True)
    for part in ("dev", "test"):
        rows = [
            f"the {a} film,the {b} film,{5.0 if a == b else 0.0}" for a in GOOD for b in BAD + GOOD
        ]
        write_lines(folder / f"stsb-en-{part}.csv.gz", rows)
    _write_articles(data / "summarization", dice)


def _write_sentiment(folder: Path, dice: random.Random, *, noisy: bool) -> None:
    for part in ("train", "dev", "test"):
        trees = []
        for number in range(60 if part == "train" else 30):
            shade = number % 3
            word = dice.choice((BAD, PLAIN, GOOD)[dice.randrange(3) if noisy else shade])
            other = dice.choice(WORDS)
            trees.append(
                f"({2 * shade} (2 (2 the) (2 {other})) ({2 * shade} (2 {other}) (2 {word})))"
            )
        write_lines(folder / f"sst_trees/{part}.txt.gz", trees)
    pairs = [(dice.choice(GOOD if label else BAD), label) for label in (0, 1) * 15]
    write_lines(
        folder / "sst2/test.tsv.gz", [f"the film was {word}\t{label}" for word, label in pairs]
    )
    write_lines(
        folder / "tweeteval/test_text.txt.gz",
        [f"@user {word} film" for word in (*BAD, *PLAIN, *GOOD)],
    )
    write_lines(folder / "tweeteval/test_labels.txt.gz", list("000011112222"))
    (folder / "uci_sentences").mkdir()
    for name in ("amazon_cells", "imdb", "yelp"):
        rows = [
            f"the {first} {second} was {word}\t{label}"
            for first in WORDS
            for second in WORDS[:2]
            for label in (0, 1)
            for word in [dice.choice(GOOD if label else BAD)]
        ]
        (folder / "uci_sentences" / f"{name}_labelled.txt").write_text("\n".join(rows) + "\n")


def _write_entities(folder: Path, dice: random.Random) -> None:
    for part in ("train", "dev", "test"):
        write_lines(folder / f"conll2003/{part}.txt.gz", _tagged("news", dice, 60))
        write_lines(folder / f"wnut17/{part}.txt.gz", _tagged("emerging", dice, 30))
        for domain in ("politics", "science", "music", "literature", "ai"):
            write_lines(folder / f"crossner/{domain}/{part}.txt.gz", _tagged("fine", dice, 6))
    for part in "abefgh":
        write_lines(folder / f"btc/{part}.conll.gz", _tagged("tweets", dice, 10))
    write_lines(folder / "wikigold/wikigold.conll.txt.gz", _tagged("wikigold", dice, 50))
    for part in ("dev", "test"):
        write_lines(folder / f"uner_ewt/{part}.iob2.gz", _tagged("web", dice, 30))


def _tagged(kind: str, dice: random.Random, sentences: int) -> list[str]:
    lines = []
    for _ in range(sentences):
        type_ = dice.choice(tuple(NAMES))
        words = [
            (dice.choice(WORDS), "O"),
            *_name(kind, type_, dice),
            (dice.choice(WORDS), "O"),
            (".", "O"),
        ]
        for number, (word, tag) in enumerate(words):
            if kind == "web":
                lines.append(f"{number + 1}\t{word}\t{tag}\t-\t-")
            else:
                lines.append(f"{word}{' ' if kind == 'wikigold' else chr(9)}{tag}")
        lines.append("")
    return lines


def _name(kind: str, type_: str, dice: random.Random) -> list[tuple[str, str]]:
    place = tuple(NAMES).index(type_)
    own = ITS_OWN_NAMES.get(kind, ("PER", "ORG", "LOC", "MISC"))[place]
    if kind == "web" and type_ == "MISC":
        own = None
    if own is None:
        return [(NAMES[type_][0], "O")]
    begin = "I-" if kind == "wikigold" else "B-"
    words = dice.sample(NAMES[type_], dice.choice((1, 2)))
    return [(word, f"{'I-' if number else begin}{own}") for number, word in enumerate(words)]


def _write_articles(folder: Path, dice: random.Random) -> None:
    """A few more of each than are passed over."""

    def sentence() -> str:
        return " ".join(dice.choices(WORDS + GOOD + BAD, k=dice.randint(3, 9))) + "."

    def article(glue: str) -> tuple[str, str]:
        sentences = [sentence() for _ in range(8)]
        return " ".join(sentences), glue.join(dice.sample(sentences, 3))

    bbc = [article("") for _ in range(LOOKED_AT + 8)]
    rows = [f'{n},"a heading\n\n{text}","{summary}"' for n, (text, summary) in enumerate(bbc)]
    write_lines(folder / "bbc/test.csv.gz", [",document,summary", *rows])
    dailies = [article("\n") for _ in range(CHOSEN_BY + 8)]
    rows = [f'{n},"{text}","{highlights}"' for n, (text, highlights) in enumerate(dailies)]
    write_lines(folder / "cnndm_sample/train_sample.csv.gz", [",article,highlights", *rows])


def write_lines(path: Path, lines: list[str]) -> None:
    """Write a compressed file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
