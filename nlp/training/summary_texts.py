"""Articles with summaries by people. Nothing is learnt from them; some were chosen by."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LOOKED_AT = 150
"""Articles of the BBC test file that earlier trials had seen."""
CHOSEN_BY = 50
"""Articles of CNN and Daily Mail that the weights of nlp/summary.py were chosen by."""
LONGEST_FIELD = 2**20
_DATE_LINE = re.compile(r"^.{0,200}?PUBLISHED: ?\..{0,80}?UPDATED: ?\..{0,60}?\d{4} \. ", re.DOTALL)
_GLUED = re.compile(r'\.(?=[a-z"0-9])')


@dataclass(frozen=True, slots=True)
class Article:
    text: str
    reference: tuple[str, ...]
    """Sentences of the summary by a person."""


def read_bbc(data: Path) -> list[Article]:
    """BBC news (Greene and Cunningham 2006), without headings: the part that nobody chose by.

    The references are sentences of the articles, with their spaces lost.
    """
    rows = _rows(data / "summarization" / "bbc" / "test.csv.gz")
    found = [
        Article(_body(row["document"]), _sentences(_GLUED.sub(".\n", row["summary"])))
        for row in rows
    ]
    return found[LOOKED_AT:]


def read_cnndm(data: Path) -> list[Article]:
    """CNN and Daily Mail (Hermann et al. 2015) with their highlights, without lines of dates."""
    rows = _rows(data / "summarization" / "cnndm_sample" / "train_sample.csv.gz")
    found = [
        Article(_DATE_LINE.sub("", row["article"]), _sentences(row["highlights"])) for row in rows
    ]
    return found[CHOSEN_BY:]


def _body(document: str) -> str:
    heading, _, rest = document.partition("\n")
    return rest or heading


def _sentences(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.split("\n") if line)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(LONGEST_FIELD)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
