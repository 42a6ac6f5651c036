"""What an exported graph says of sentences with entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from nlp.tag_decoding import TagDecoder
from nlp.training.calibration import Numbers, warmed
from nlp.training.entity_figures import Claim, figures_of
from nlp.training.entity_items import END, LONGEST, START
from nlp.training.entity_tests import Judged
from nlp.training.entity_texts import Sentence
from nlp.training.graph import Encoded, Graph
from nlp.training.tags import TAGS
from nlp.windows import Window, windows_of
from nlp.word_shapes import NO_WORD, shapes_of

_DECODER = TagDecoder(TAGS)


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence as the graph gets it, and where its words are."""

    windows: list[Window]
    encoded: list[Encoded]
    """One for every window."""
    firsts: list[int]
    """Places of the pieces that begin a word."""
    spans: list[tuple[int, int]]
    """Code points of the words."""


def read(sentence: Sentence, tokenizer: Tokenizer) -> Reading:
    """Long sentences in windows, as the service reads them."""
    text = sentence.text
    encoding = tokenizer.encode(text, add_special_tokens=False)
    words, offsets = encoding.word_ids, encoding.offsets
    shapes = shapes_of(text, words, offsets)
    windows = windows_of(np.array(words, np.int32), LONGEST)
    encoded = [
        Encoded(
            [START, *encoding.ids[window.start : window.end], END],
            [NO_WORD, *shapes[window.start : window.end], NO_WORD],
        )
        for window in windows
    ]
    firsts = [
        place for place in range(len(words)) if place == 0 or words[place] != words[place - 1]
    ]
    ends = {word: offset[1] for word, offset in zip(words, offsets, strict=True)}
    spans = [(offsets[place][0], ends[words[place]]) for place in firsts]
    return Reading(windows, encoded, firsts, spans)


def answers_of(graph: Graph, readings: Sequence[Reading]) -> list[Numbers]:
    """Tag probabilities of the words of every sentence."""
    answers = iter(graph([one for reading in readings for one in reading.encoded]))
    return [
        np.concatenate(
            # The first row of a window is that of the special piece before it.
            [next(answers)[1:][window.own] for window in reading.windows]
        )[reading.firsts].astype(np.float64)
        for reading in readings
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
