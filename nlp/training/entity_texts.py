"""Sentences with entities, from files of one word and tag per line."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nlp.training.tags import ANY, PERHAPS_MISC, UNKNOWN, Allowed, Scheme, begun, only_tag

Span = tuple[int, int, str]
"""First code point, code point after the last, type."""
_PLAIN = {"per": "PER", "person": "PER", "org": "ORG", "organisation": "ORG",
          "loc": "LOC", "location": "LOC", "misc": "MISC"}  # fmt: skip
_FINE = {
    **dict.fromkeys(("person", "politician", "scientist", "musicalartist", "writer",
                     "researcher"), "PER"),
    **dict.fromkeys(("organisation", "politicalparty", "university", "band"), "ORG"),
    **dict.fromkeys(("location", "country"), "LOC"),
    **dict.fromkeys(("misc", "event", "election", "award", "book", "poem", "song", "album",
                     "product", "programlang"), PERHAPS_MISC),
    **dict.fromkeys(("enzyme", "protein", "chemicalelement", "chemicalcompound", "theory",
                     "astronomicalobject", "discipline", "musicgenre", "musicalinstrument",
                     "literarygenre", "field", "task", "algorithm", "metrics"), PERHAPS_MISC),
    **dict.fromkeys(("magazine", "academicjournal", "conference"), UNKNOWN),
}  # fmt: skip
NEWS = Scheme(_PLAIN, knows_misc=True)
TWEETS = Scheme(_PLAIN, knows_misc=False)
EMERGING = Scheme(
    {**_PLAIN, "group": "ORG", "corporation": "ORG", "product": PERHAPS_MISC,
     "creative-work": PERHAPS_MISC}, knows_misc=False,
)  # fmt: skip
FINE = Scheme(_FINE, knows_misc=False)
DOMAINS = ("politics", "science", "music", "literature", "ai")
BOUNDARY = "-DOCSTART-"
WIKIGOLD_TEST_SHARE = 5
"""The last fifth of the file is tested: neighbouring sentences are of one article."""


@dataclass(frozen=True, slots=True)
class Sentence:
    words: tuple[str, ...]
    allowed: tuple[Allowed, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def spans(self) -> list[Span]:
        """The entities that are certain."""
        found: list[Span] = []
        start = 0
        for word, allowed in zip(self.words, self.allowed, strict=True):
            tag = only_tag(allowed) or "O"
            if tag.startswith("B-"):
                found.append((start, start + len(word), tag[2:]))
            elif tag.startswith("I-") and found:
                first, _, kind = found.pop()
                found.append((first, start + len(word), kind))
            start += len(word) + 1
        return found


def read_news(folder: Path, part: str) -> list[Sentence]:
    """CoNLL-2003 (Tjong Kim Sang and De Meulder 2003): train, dev or test."""
    return _read(folder / "conll2003" / f"{part}.txt.gz", NEWS)


def read_emerging(folder: Path, part: str) -> list[Sentence]:
    """WNUT-17 (Derczynski et al. 2017): train, dev or test."""
    return _read(folder / "wnut17" / f"{part}.txt.gz", EMERGING)


def read_tweets(folder: Path, part: str) -> list[Sentence]:
    """Broad Twitter Corpus (Derczynski et al. 2016): a, b, e, f, g or h.

    It calls the names of users persons, which WNUT-17 does not: nothing is learnt of them.
    """
    return [_without_users(one) for one in _read(folder / "btc" / f"{part}.conll.gz", TWEETS)]


def read_web(folder: Path, part: str) -> list[Sentence]:
    """UNER of the English Web Treebank (Mayhew et al. 2024): dev or test."""
    return _read(folder / "uner_ewt" / f"{part}.iob2.gz", TWEETS)


def read_fine(folder: Path, part: str) -> list[Sentence]:
    """CrossNER (Liu et al. 2021): train, dev or test of all domains."""
    return [
        sentence
        for domain in DOMAINS
        for sentence in _read(folder / "crossner" / domain / f"{part}.txt.gz", FINE)
    ]


def read_wikigold(folder: Path) -> tuple[list[Sentence], list[Sentence]]:
    """Wikigold (Balasuriya et al. 2009): what may be learnt, and what is tested."""
    sentences = _read(folder / "wikigold" / "wikigold.conll.txt.gz", NEWS)
    cut = len(sentences) - len(sentences) // WIKIGOLD_TEST_SHARE
    return sentences[:cut], sentences[cut:]


def read_encyclopaedia(folder: Path) -> list[Sentence]:
    """Sentences out of an encyclopaedia, whatever their tags."""
    return [*read_fine(folder, "train"), *read_fine(folder, "dev"), *read_wikigold(folder)[0]]


def _without_users(sentence: Sentence) -> Sentence:
    words = ("", *sentence.words)
    return Sentence(
        sentence.words,
        tuple(
            ANY if word.startswith("@") or before == "@" else allowed
            for before, word, allowed in zip(words, sentence.words, sentence.allowed, strict=False)
        ),
    )


def _read(path: Path, scheme: Scheme) -> list[Sentence]:
    numbered = path.name.endswith(".iob2.gz")
    found = []
    for lines in _blocks(path):
        fields = [re.split(r"[\t ]+", line) for line in lines]
        pairs = [(one[1], one[2]) if numbered else (one[0], one[-1]) for one in fields]
        tags = begun([tag for _, tag in pairs])
        found.append(
            Sentence(tuple(word for word, _ in pairs), tuple(scheme.allowed(tag) for tag in tags))
        )
    return found


def _blocks(path: Path) -> Iterator[list[str]]:
    """The lines of each sentence that have a word and a tag."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="\n") as file:
        block: list[str] = []
        for line in (*(line.strip("\r\n") for line in file), ""):
            if not line.strip():
                if block:
                    yield block
                block = []
            elif not line.startswith(("# ", BOUNDARY)) and re.search(r"\S[\t ]+\S", line):
                block.append(line)
