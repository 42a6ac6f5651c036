"""How well entities are found: exact matches of place and type, over whole sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from nlp.tag_decoding import TagDecoder
from nlp.training.calibration import Numbers, calibration_error, warmed
from nlp.training.entity_items import LONGEST
from nlp.training.entity_sets import Judged
from nlp.training.entity_texts import Sentence, Span
from nlp.training.graph import Encoded, Graph
from nlp.training.intervals import interval, named
from nlp.training.tags import TAGS
from nlp.word_shapes import shapes_of

Counts = NDArray[np.int64]
_DECODER = TagDecoder(TAGS)


@dataclass(frozen=True, slots=True)
class Claim:
    """An entity that the model found."""

    span: Span
    confidence: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence as the graph gets it, and where its words are."""

    encoded: Encoded
    firsts: list[int]
    """Places of the pieces that begin a word."""
    spans: list[tuple[int, int]]
    """Code points of the words."""


def read(sentence: Sentence, tokenizer: Tokenizer) -> Reading:
    """Cut after LONGEST pieces."""
    text = sentence.text
    encoding = tokenizer.encode(text)
    pieces = min(len(encoding.ids), LONGEST + 1)
    words, offsets = encoding.word_ids[:pieces], encoding.offsets[:pieces]
    shapes = shapes_of(text, words, offsets)
    firsts = [
        place for place, word in enumerate(words) if word is not None and word != words[place - 1]
    ]
    ends = {word: offset[1] for word, offset in zip(words, offsets, strict=True)}
    spans = [(offsets[place][0], ends[words[place]]) for place in firsts]
    return Reading(Encoded(encoding.ids[:pieces], shapes), firsts, spans)


def answers_of(graph: Graph, readings: Sequence[Reading]) -> list[Numbers]:
    """Tag probabilities of the words of every sentence."""
    answers = graph([reading.encoded for reading in readings])
    return [
        answer[reading.firsts].astype(np.float64)
        for reading, answer in zip(readings, answers, strict=True)
    ]


def claims_of(readings: Sequence[Reading], answers: Sequence[Numbers]) -> list[list[Claim]]:
    """The entities in every sentence."""
    return [
        [
            Claim(
                (reading.spans[one.first][0], reading.spans[one.last][1], one.type),
                one.confidence,
            )
            for one in _DECODER.decode(answer)
        ]
        for reading, answer in zip(readings, answers, strict=True)
    ]


def all_figures(
    graph: Graph, tests: Mapping[str, Judged], tokenizer: Tokenizer, temperature: float
) -> dict[str, float]:
    """Figures of all test sets.

    temperature: what the graph's scores were divided by, to tell what they were before.
    """
    figures: dict[str, float] = {}
    for name, judged in tests.items():
        readings = [read(one, tokenizer) for one in judged.sentences]
        answers = answers_of(graph, readings)
        figures |= figures_of(name, judged, claims_of(readings, answers))
        before = claims_of(readings, [warmed(one, temperature) for one in answers])
        error = figures_of(name, judged, before)[f"{name}_calibration_error"]
        figures[f"{name}_calibration_error_before"] = error
    return figures


def figures_of(name: str, judged: Judged, claims: Sequence[Sequence[Claim]]) -> dict[str, float]:
    """F1 over all types of the set with its interval, F1 of every type, and calibration error."""
    kept = [[one for one in found if one.span[2] in judged.types] for found in claims]
    gold = [
        {span for span in sentence.spans() if span[2] in judged.types}
        for sentence in judged.sentences
    ]
    counts = _counts(kept, gold)
    certain = [(one.confidence, one.span in true) for one, true in _pairs(kept, gold)]
    claimed, happened = (np.array(values) for values in zip(*certain, strict=True))
    bounds = interval(len(gold), lambda rows: f1(counts[rows]))
    return {
        **named(f"{name}_f1", f1(counts), bounds),
        **{
            f"{name}_f1_{kind.lower()}": round(f1(_counts(_only(kept, kind), _of(gold, kind))), 4)
            for kind in judged.types
        },
        f"{name}_calibration_error": round(calibration_error(claimed, happened), 4),
    }


def f1(counts: Counts) -> float:
    """Of rows of [right, found, true]."""
    right, found, true = counts.sum(axis=0)
    return float(2 * right / max(found + true, 1))


def _counts(claims: Sequence[Sequence[Claim]], gold: Sequence[set[Span]]) -> Counts:
    return np.array(
        [
            (sum(one.span in true for one in found), len(found), len(true))
            for found, true in zip(claims, gold, strict=True)
        ]
    )


def _pairs(
    claims: Sequence[Sequence[Claim]], gold: Sequence[set[Span]]
) -> Iterator[tuple[Claim, set[Span]]]:
    for found, true in zip(claims, gold, strict=True):
        yield from ((one, true) for one in found)


def _only(claims: Sequence[Sequence[Claim]], kind: str) -> list[list[Claim]]:
    return [[one for one in found if one.span[2] == kind] for found in claims]


def _of(gold: Sequence[set[Span]], kind: str) -> list[set[Span]]:
    return [{span for span in true if span[2] == kind} for true in gold]
